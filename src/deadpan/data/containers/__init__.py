"""Containers turn bytes into values and arrays; they know no data set."""
