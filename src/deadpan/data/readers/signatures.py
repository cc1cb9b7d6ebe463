"""What the first bytes of a file look like, to tell a user what was given instead."""

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
)


def begins_like(head: bytes) -> str:
    """What the first bytes of a file are: a known format, JSON, text, or just the bytes.

    Args:
        head: 16 bytes or more where the file has them; one character may be cut in two.
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
