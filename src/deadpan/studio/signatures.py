"""What recordings begin with, to refuse all else before a decoder opens it."""

AT_START = (
    b"RIFF",  # .wav, .avi
    b"RF64",
    b"OggS",  # .ogg, .opus, .ogv
    b"fLaC",
    b"ID3",  # .mp3, .aac
    b"\x1a\x45\xdf\xa3",  # .mkv, .webm
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # .wmv, .wma
    b"FLV\x01",
    b"FORM",  # .aiff
    b"caff",
    b"#!AMR",
    b"\x00\x00\x01\xba",  # .mpg
    b"\x00\x00\x01\xb3",
)
BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp")
"""The first box of .mp4, .m4a and .mov, after its size."""
TRANSPORT_PACKET = 188
"""Bytes of a packet of .ts, of which each begins with a G."""


def is_media(start: bytes) -> bool:
    """Whether a file begins as recordings do.

    Args:
        start: its first bytes; a few hundred suffice.
    """
    if start.startswith(AT_START) or start[4:8] in BOXES:
        return True
    if start[:1] == b"G" and start[TRANSPORT_PACKET : TRANSPORT_PACKET + 1] == b"G":
        return True
    # The first frame of .mp3 or .aac: eleven bits of one, and no layer that is reserved.
    return len(start) > 1 and start[0] == 0xFF and start[1] & 0xE0 == 0xE0 and start[1] != 0xFF
