"""Memory that loading a model needed and running it does not."""

import ctypes
import sys
from pathlib import Path

MADV_DONTNEED = 4


def give_back(library: str) -> int:
    """Return freed memory to the system, and the code of a library until it runs again.

    Loading a graph runs most of onnxruntime, predicting little of it: its code is a quarter of a
    small process. Pages of code are copies of a file; what runs is mapped again at once.

    Args:
        library: a word in the file names of what is to be given back.

    Returns:
        How many mappings of code were given back; 0 elsewhere than on Linux.
    """
    if sys.platform != "linux":
        return 0
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):  # glibc has it, musl has not
        libc.malloc_trim(0)
    count = 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, *_, file = line.split(maxsplit=5)
        if rights == "r-xp" and library in file:  # code alone: what was written to would be lost
            first, end = (int(number, 16) for number in span.split("-"))
            given = libc.madvise(
                ctypes.c_void_p(first), ctypes.c_size_t(end - first), MADV_DONTNEED
            )
            count += given == 0
    return count
