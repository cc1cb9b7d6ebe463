"""Your own data: a table of clips beside a folder of features for each modality."""
