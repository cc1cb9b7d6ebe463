"""CMU-SDK's computational sequences (.csd)."""
