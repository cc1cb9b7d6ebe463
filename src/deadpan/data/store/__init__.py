"""Stores: ragged, memory-mapped data sets in one file; their format, reader and writer."""
