"""How good a model is: benchmarks, figures of merit, methods to compare."""
