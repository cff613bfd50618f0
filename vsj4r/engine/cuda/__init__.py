"""The CUDA engine. Nothing but ``driver`` may be imported before it is known that there is a card: the rest
needs torch and CuPy (docs/cuda.md)."""
