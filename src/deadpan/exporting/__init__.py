"""Trained models as ONNX files, which predict without torch."""
