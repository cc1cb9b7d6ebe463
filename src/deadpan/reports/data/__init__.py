"""The health page of a data set."""
