"""Computational sequences (.csd) of CMU-MultimodalSDK."""
