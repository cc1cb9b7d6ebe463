"""Corpora downloaded: resumed, checked, and never half there."""
