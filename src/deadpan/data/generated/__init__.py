"""Generated data sets whose truth is known."""
