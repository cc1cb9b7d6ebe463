"""What the allocator does with the memory of a training step."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of ``mallopt``, in glibc's ``malloc.h``."""
LARGEST_KEPT = 1 << 30
"""Bytes: no array of a step is larger by much."""
MOST_KEPT = (1 << 31) - 1
"""Bytes, the most ``mallopt`` takes."""


def keep_freed_memory() -> None:
    """Let glibc keep for the next step what a step has freed; elsewhere there is no effect.

    By default glibc returns large blocks to the system as they are freed, and a training step asks
    for the same again at once: each page is then cleared anew. On MOSI's padded shapes that was a
    third of an epoch of MulT (270 s, now 171) and of TFN's (7.3 s, now 5.1); peak memory is up to
    10 % more (``benchmarks/baselines.py``, with and without ``--system-memory``).
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
        mallopt(M_TRIM_THRESHOLD, MOST_KEPT)
