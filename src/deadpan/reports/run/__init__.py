"""The report page of a finished run."""
