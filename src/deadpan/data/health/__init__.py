"""Measuring the health of a data set: statistics, duplicates, leaks, and findings in sentences."""
