"""Opening the files that a user names, and describing what is wrong with them in one line."""

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from deadpan.data.containers.memory import count_file, memory_bound
from deadpan.errors import DataError


@contextmanager
def open_file(path: Path, wanted: str) -> Generator[BinaryIO, None, None]:
    """Open a regular, non-empty file for reading bytes; its size adds to the bound on memory.

    Args:
        path: the path that the user named.
        wanted: what the file should be, as a noun ("a pickle file"), for the message.

    Raises:
        DataError: the path is missing, a directory, not a regular file, empty or unreadable, or
            stands for more memory than the bound (see ``memory``).
    """
    try:
        if path.is_dir():
            raise DataError(f"{path}: is a directory; give {wanted}")
        if not path.exists():
            raise DataError(f"{path}: no such file; give {wanted}")
        # A device or a pipe has no end, and no size to compare declared sizes with.
        if not path.is_file():
            raise DataError(f"{path}: is not a regular file; give {wanted}")
        if not path.stat().st_size:
            raise DataError(f"{path}: is empty; give {wanted}")
        with path.open("rb") as stream, memory_bound(path):
            count_file(path)
            yield stream
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DataError(f"{path}: cannot be read ({reason}); give {wanted}") from None


def first_bytes(path: Path, count: int) -> bytes:
    """Read the first bytes of a file; b"" if it is no readable regular file."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as stream:
            return stream.read(count)
    except OSError:
        return b""


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in lower-case hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def printable(value: object) -> str:
    """Escape a text from a file for a message: on one line, at most 60 characters."""
    text = repr(str(value))[1:-1]
    return text if len(text) <= 60 else f"{text[:57]}..."


def printable_path(path: Path | str) -> str:
    """Escape a path for a message; a longer one is not cut, so that it can be copied."""
    return repr(str(path))[1:-1]


SIGNATURES = (
    (b"\x89PNG\r\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive, as .npz and PyTorch's files are"),
    (b"\x1f\x8b", "gzip: unpack it first"),
    (b"BZh", "bzip2: unpack it first"),
    (b"\xfd7zXZ\x00", "xz: unpack it first"),
    (b"\x89HDF\r\n", "HDF5"),
    (b"\x93NUMPY", "numpy's .npy"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
)


def describe_start(head: bytes) -> str:
    """Describe the first bytes of a file: a well-known format, JSON, text, or the bytes as such.

    Args:
        head: 16 bytes or more, or all of a shorter file; the last character may be incomplete.
    """
    for signature, noun in SIGNATURES:
        if head.startswith(signature):
            return f"begins like {noun}"
    text = head.decode("utf-8", errors="ignore")
    if len(text.encode()) < len(head) - 3 or not all(
        c.isprintable() or c in "\t\r\n" for c in text
    ):
        return f"begins with the bytes {head[:12].hex(' ')}"
    kind = "JSON" if text.lstrip()[:1] in ("{", "[") else "text"
    return f"begins like {kind}: {text[:24]!r}"
