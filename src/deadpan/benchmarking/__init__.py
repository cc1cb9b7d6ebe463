"""The comparison: every system on every data set, on one protocol."""
