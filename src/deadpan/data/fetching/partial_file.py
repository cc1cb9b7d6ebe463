"""A file that is still being fetched: ``FILE.part``, and beside it what it is a part of."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, BinaryIO


@dataclasses.dataclass(frozen=True, kw_only=True)
class Origin:
    """What a part is a part of.

    Attributes:
        url: it was asked of.
        validator: the server's name for this very version of the file (ETag or Last-Modified).
        total: bytes of the whole file; None where the server did not tell.
    """

    url: str
    validator: str
    total: int | None


class PartialFile:
    """What is there of a file so far; nothing stands under the file's own name until the end.

    Attributes:
        path: of the part.
    """

    def __init__(self, file: Path) -> None:
        """The part of a file that shall stand at ``file``."""
        self._file = file
        self.path = file.with_name(f"{file.name}.part")
        self._note = file.with_name(f"{file.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def origin(self, url: str) -> Origin | None:
        """What the part is a part of; None where it cannot be gone on with from this address."""
        try:
            noted: Any = json.loads(self._note.read_text(encoding="utf-8"))
            total = None if noted["total"] is None else int(noted["total"])
            origin = Origin(url=str(noted["url"]), validator=str(noted["validator"]), total=total)
        except (OSError, ValueError, KeyError, TypeError):
            return None  # no note, or one that was cut short
        fits = self.size > 0 and (total is None or self.size <= total)
        return origin if fits and origin.url == url else None

    def restart(self, origin: Origin | None) -> BinaryIO:
        """Open an empty part; with an origin, one that can be gone on with later."""
        self.forget()  # first: a note must never speak of other bytes
        stream = self.path.open("wb")
        if origin:
            self._note.write_text(json.dumps(dataclasses.asdict(origin)), encoding="utf-8")
        return stream

    def go_on(self) -> BinaryIO:
        """Open the part to write behind what is there."""
        return self.path.open("ab")

    def finish(self) -> None:
        """Put the part in its place, in one step."""
        with self.path.open("rb") as stream:
            os.fsync(stream.fileno())
        self.path.replace(self._file)
        self.forget()

    def forget(self) -> None:
        """Let nothing go on with it."""
        self._note.unlink(missing_ok=True)

    def drop_if_useless(self) -> None:
        """Remove what nothing can go on with."""
        if not self._note.is_file():
            self.drop()

    def drop(self) -> None:
        """Remove what is there."""
        self.forget()
        self.path.unlink(missing_ok=True)
