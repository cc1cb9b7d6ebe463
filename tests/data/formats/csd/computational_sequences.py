"""Computational sequences as CMU-MultimodalSDK writes them, for tests."""

import json

import h5py
import numpy as np


def write_csd(path, root, data, *, description="", dimensions=None, **stored):
    """Write a .csd file: ``data`` is {key: (features, intervals)}."""
    metadata = {"root name": root, "computational sequence description": description}
    if dimensions is not None:
        metadata["dimension names"] = dimensions
    with h5py.File(path, "w") as file:
        group = file.create_group(root)
        group.create_group("data")
        for key, (features, intervals) in data.items():
            features = np.asarray(features)
            if features.dtype.kind == "U":
                features = np.char.encode(features, "utf-8")
            group.create_dataset(f"data/{key}/features", data=features, **stored)
            group.create_dataset(f"data/{key}/intervals", data=np.asarray(intervals, float))
        for key, value in metadata.items():
            text = group.create_dataset(f"metadata/{key}", (1,), dtype=h5py.string_dtype())
            text[0] = json.dumps(value)
    return path


def in_a_row(*edges):
    """Intervals that follow each other."""
    return np.stack([edges[:-1], edges[1:]], axis=1).astype(float)
