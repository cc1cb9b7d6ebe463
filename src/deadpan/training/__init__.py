"""Training, resuming and evaluating: one loop for every model, one directory for every run."""
