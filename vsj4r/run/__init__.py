"""One source derained into one output."""
