"""Trained models as files that run without this package: ONNX, or a program of torch."""
