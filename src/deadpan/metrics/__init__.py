"""Scores: arrays in, floats out. What a higher value means is said by the task's columns."""
