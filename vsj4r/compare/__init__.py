"""Two clips side by side, before and after: one HTML page that needs nothing else, and a video."""
