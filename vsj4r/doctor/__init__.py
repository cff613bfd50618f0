"""What is installed, whether it works, and what to do about what does not: ``vsj4r doctor``."""
