"""Trained weights as a model for engines: safetensors, ONNX and JSON."""
