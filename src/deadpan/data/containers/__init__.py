"""Containers: bytes to arrays (pickle, HDF5, CSV, Parquet, safetensors); no data set is known."""
