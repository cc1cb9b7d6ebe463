"""A file mapped into memory: long stretches are views of it, which cost nothing until read."""

import mmap
from typing import BinaryIO


class MappedFile:
    """A file, read from its start; refuses to read more than there is.

    The map outlives the stream and ends with the last view of it.
    """

    def __init__(self, stream: BinaryIO) -> None:
        """Map an open, regular, non-empty file.

        Args:
            stream: may be closed afterwards.
        """
        self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        self._view = memoryview(self._map)
        self.size = len(self._map)

    def start(self, count: int) -> memoryview:
        """The first bytes, fewer where the file is shorter."""
        return self._view[:count]

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._map.tell()

    def read(self, count: int) -> bytes:
        """The next bytes, as a copy.

        Raises:
            EOFError: the file has fewer; nothing was set aside for them.
        """
        return bytes(self.view(count))

    def readline(self) -> bytes:
        """The rest of the line; all of the file where it has no end."""
        return self._map.readline()

    def view(self, count: int) -> memoryview:
        """The next bytes, as a read-only view of the file.

        Raises:
            EOFError: the file has fewer.
        """
        start = self._map.tell()
        if not 0 <= count <= self.size - start:
            raise EOFError
        self._map.seek(start + count)
        return self._view[start : start + count]
