"""Generated data sets with ground truth."""
