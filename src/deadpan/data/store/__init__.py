"""Ragged, memory-mapped data sets in one file: written, opened, taken clip by clip."""
