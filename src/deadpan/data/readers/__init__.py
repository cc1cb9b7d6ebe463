"""Files turned into arrays, without knowing what the numbers mean."""
