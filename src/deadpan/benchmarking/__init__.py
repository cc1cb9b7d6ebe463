"""Benchmarks: every system on every data set, trained and tested by one protocol."""
