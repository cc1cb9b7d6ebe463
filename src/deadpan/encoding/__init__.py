"""Frozen text encoders: transcripts in, a modality of a store out."""
