"""Metrics and statistics: arrays in, floats out. Task columns say whether higher is better."""
