"""Neural network layers over padded tensors, independent of data sets and tasks."""
