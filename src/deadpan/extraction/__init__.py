"""Raw media to sequences of features, without torch."""
