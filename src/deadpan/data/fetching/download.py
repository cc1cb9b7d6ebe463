"""One file from one address: gone on with where it stopped, checked, then put in its place."""

import dataclasses
import json
import os
import random
import re
import shutil
import time
import urllib.request
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable
from urllib.parse import urlsplit

from deadpan.data.containers.files import file_sha256, shown
from deadpan.errors import DataError

CHUNK = 1 << 16
"""Bytes that are read at a time."""
TRANSIENT = (429, 500, 502, 503, 504)
"""Answers that may be another one a little later."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait and how often to try; times are in seconds.

    Attributes:
        connecting: for a connection.
        reading: for the next byte.
        attempts: how often an interrupted file or an overloaded server is tried in a row.
        connections: how often a server is tried that does not answer at all.
        wait: before the second attempt; doubles with each.
        longest_wait: what no wait exceeds, whatever a server asks for.
        jitter: up to so much is added to each wait, by chance.
        redirects: how often an address may refer to another.
    """

    connecting: int | float = 15.0
    reading: int | float = 30.0
    attempts: int = 6
    connections: int = 3
    wait: int | float = 1.0
    longest_wait: int | float = 60.0
    jitter: int | float = 1.0
    redirects: int = 10


class Unavailable(DataError):
    """An address did not give the file; another may.

    Attributes:
        host_is_dead: nothing answered there at all, and asking for another file would be in vain.
    """

    def __init__(self, reason: str, *, host_is_dead: bool = False) -> None:
        """With a reason that may follow the name of the server."""
        super().__init__(reason)
        self.host_is_dead = host_is_dead


class CutShort(Exception):
    """The bytes ceased before the end."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What a server said.

    Attributes:
        status: 200 for a file, 206 for a part of it.
        reason: what the status means.
        headers: whatever their capitals.
        chunks: the bytes as they come, never decoded; raises CutShort.
    """

    status: int
    reason: str
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


@contextmanager
def asked(
    url: str, headers: Mapping[str, str], patience: Patience
) -> Generator[Answer, None, None]:
    """Ask for what stands at an address, through the proxy that the environment names, if any.

    Redirects are followed, to http and https only; passing troubles are waited for.

    Raises:
        Unavailable: there is no answer.
        DataError: not an address of the web.
    """
    import urllib3
    from urllib3.exceptions import HTTPError

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DataError(f"{url}: not an address of the web; wanted http:// or https://")
    retries = urllib3.Retry(
        total=None,
        connect=patience.connections - 1,
        read=patience.connections - 1,
        redirect=patience.redirects,
        status=patience.attempts - 1,
        other=0,
        status_forcelist=TRANSIENT,
        backoff_factor=patience.wait,
        backoff_max=patience.longest_wait,
        backoff_jitter=patience.jitter,
        retry_after_max=int(patience.longest_wait),
    )
    timeout = urllib3.Timeout(connect=patience.connecting, read=patience.reading)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname):
        pool = urllib3.ProxyManager(proxy, retries=retries, timeout=timeout)
    else:
        pool = urllib3.PoolManager(retries=retries, timeout=timeout)
    sent = {"Accept-Encoding": "identity", "User-Agent": f"deadpan/{version('deadpan')}", **headers}
    with pool:
        try:
            response = pool.request(
                "GET", url, headers=sent, preload_content=False, decode_content=False
            )
        except HTTPError as error:
            raise _unavailable(error) from None
        try:
            yield Answer(
                status=response.status,
                reason=response.reason or "",
                headers=response.headers,
                chunks=_chunks(response.stream(CHUNK, decode_content=False)),
            )
        finally:
            response.close()


def _chunks(stream: Iterator[bytes]) -> Iterator[bytes]:
    from urllib3.exceptions import HTTPError, ReadTimeoutError

    try:
        yield from stream
    except ReadTimeoutError:
        raise CutShort("no byte came for too long") from None
    except HTTPError:
        raise CutShort("the connection broke off") from None


def _unavailable(error: Exception) -> Unavailable:
    """Why a request got no answer."""
    from urllib3 import exceptions

    if isinstance(error, exceptions.LocationValueError):
        return Unavailable("refers to what is not an address of the web")
    if not isinstance(error, exceptions.MaxRetryError):
        return Unavailable(f"does not answer as a web server should ({type(error).__name__})")
    reason = error.reason
    if isinstance(reason, exceptions.ResponseError):  # too many 503 error responses, redirects
        return Unavailable(f"answers again and again: {reason}")
    told = next((told for kind, told in _silences() if isinstance(reason, kind)), "no connection")
    return Unavailable(f"does not answer ({told})", host_is_dead=True)


def _silences() -> tuple[tuple[type[Exception], str], ...]:
    from urllib3 import exceptions

    return (
        (exceptions.NameResolutionError, "no such name is known; is there a network?"),
        (exceptions.NewConnectionError, "no connection"),
        (exceptions.SSLError, "its certificate cannot be trusted"),
        (exceptions.ProxyError, "the proxy that the environment names does not"),
        (exceptions.TimeoutError, "not in time"),
    )


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


FORGIVEN = 1 << 20
"""Bytes of progress after which earlier interruptions do not count any more."""


@runtime_checkable
class Watch(Protocol):
    """Is told how a file comes in."""

    def begin(self, file: str, have: int, total: int | None) -> None:
        """Bytes are about to come; ``have`` are there. May be told again for the same file."""

    def received(self, count: int) -> None:
        """So many bytes more have come."""

    def say(self, line: str) -> None:
        """Something did not go as it should, and what is done about it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """A file to fetch.

    Attributes:
        url: its address.
        path: where it shall stand.
        size: in bytes, where it is known.
        sha256: in lower-case hexadecimal, where it is known.
    """

    url: str
    path: Path
    size: int | None = None
    sha256: str | None = None


def download(wanted: Wanted, watch: Watch, patience: Patience) -> str:
    """Fetch a file whose folder is there and whose name is free.

    Args:
        wanted: what and where.
        watch: is told how it goes.
        patience: how long to wait and how often to try.

    Returns:
        Its SHA-256.

    Raises:
        Unavailable: this address does not give this file; what came stays as ``.part`` if it can
            be gone on with.
        OSError: the disk is full, or may not be written to.
    """
    part = PartialFile(wanted.path)
    try:
        for last_time in (False, True):
            resumed = _all_bytes(part, wanted, watch, patience)
            digest = file_sha256(part.path)
            if wanted.sha256 in (None, digest):
                part.finish()
                return digest
            part.drop()
            if last_time or not resumed:
                break
            watch.say(f"{wanted.path.name}: its parts do not fit together; beginning anew")
        raise Unavailable(f"sends another file (SHA-256 {digest}, wanted {wanted.sha256})")
    finally:
        part.drop_if_useless()


def _all_bytes(part: PartialFile, wanted: Wanted, watch: Watch, patience: Patience) -> bool:
    """Ask until the part is whole; whether some of it was there before or came in pieces."""
    failures, furthest, resumed = 0, part.size, False
    while True:
        resumed |= part.origin(wanted.url) is not None
        try:
            _some_bytes(part, wanted, watch, patience)
            return resumed
        except CutShort as cut:
            failures = 1 if part.size >= furthest + FORGIVEN else failures + 1
            furthest = max(furthest, part.size)
            if failures >= patience.attempts:
                kept = f"; {part.path} is kept to go on with" if part.origin(wanted.url) else ""
                raise Unavailable(f"stops: {cut}, {failures} times{kept}") from None
            pause = min(patience.longest_wait, patience.wait * 2 ** (failures - 1))
            pause += random.SystemRandom().uniform(0, patience.jitter)
            watch.say(f"{wanted.path.name}: {cut}; trying again in {pause:.0f} s")
            time.sleep(pause)


def _some_bytes(part: PartialFile, wanted: Wanted, watch: Watch, patience: Patience) -> None:
    """Ask once, for all or for the rest, and write what comes."""
    origin = part.origin(wanted.url)
    if origin and origin.total == part.size:
        return  # all was there, and only its name was missing
    rest = {"Range": f"bytes={part.size}-", "If-Range": origin.validator} if origin else {}
    with asked(wanted.url, rest, patience) as answer:
        total = _whole_size(answer, part, origin, wanted)
        _check_room(part, total, had=part.size if answer.status == 206 else 0)
        with _opened(answer, part, wanted.url, total) as stream:
            watch.begin(wanted.path.name, part.size, total)
            for chunk in answer.chunks:
                stream.write(chunk)
                watch.received(len(chunk))
                if wanted.size is not None and stream.tell() > wanted.size:
                    part.forget()
                    raise Unavailable(f"sends another file (more than {wanted.size:,} bytes)")
    if total is not None and part.size != total:
        raise CutShort(f"{part.size:,} of {total:,} bytes came")


def _whole_size(
    answer: Answer, part: PartialFile, origin: Origin | None, wanted: Wanted
) -> int | None:
    """The size of the whole file, if the answer is the file or the rest of it."""
    status, headers = answer.status, answer.headers
    if origin and status in (206, 416):
        held = re.fullmatch(r"bytes (\d{1,18})-\d+/(\d{1,18}|\*)", headers.get("Content-Range", ""))
        total = int(held[2]) if held and held[2] != "*" else origin.total
        begins = int(held[1]) if held else None
        changed = _validator(answer) not in ("", origin.validator)
        if begins != part.size or changed or origin.total not in (None, total):
            part.drop()
            raise CutShort("the rest does not fit what is there, beginning anew")
    elif status == 200:
        told = re.fullmatch(r"\d{1,18}", headers.get("Content-Length", ""))
        total = int(told[0]) if told else None
    else:
        raise Unavailable(f"answers {status} {shown(answer.reason)}".rstrip())
    if "text/html" in headers.get("Content-Type", "") and wanted.path.suffix != ".html":
        raise Unavailable("answers with a web page, not with the file")
    if total is not None and wanted.size not in (None, total):
        raise Unavailable(f"sends another file ({total:,} bytes, wanted {wanted.size:,})")
    return wanted.size if total is None else total


def _opened(answer: Answer, part: PartialFile, url: str, total: int | None) -> BinaryIO:
    if answer.status == 206:
        return part.go_on()
    validator = _validator(answer)
    return part.restart(Origin(url=url, validator=validator, total=total) if validator else None)


def _validator(answer: Answer) -> str:
    """The server's name for these very bytes: a weak ETag is none, a date is, to the second."""
    etag = answer.headers.get("ETag", "")
    return etag if etag.startswith('"') else answer.headers.get("Last-Modified", "")


def _check_room(part: PartialFile, total: int | None, had: int) -> None:
    free = shutil.disk_usage(part.path.parent).free + (part.size - had)
    if total is not None and total - had > free:
        raise DataError(
            f"{part.path.parent}: {total - had:,} bytes are to come and {free:,} are free; make "
            "room and run the command again"
        )
