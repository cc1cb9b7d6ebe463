"""A user's own data: a clip table beside a folder of feature files per modality."""
