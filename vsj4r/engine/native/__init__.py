"""C compiled into the package: what is too slow in Python and in the graphs of a runtime."""
