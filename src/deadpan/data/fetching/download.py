"""Downloading one file from one address: resumed where it stopped, verified, then renamed.

No other module imports urllib3.
"""

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
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from deadpan.data.containers.files import file_sha256, printable
from deadpan.data.corpora import Source
from deadpan.errors import DataError

CHUNK = 1 << 16
"""Bytes that are read at a time."""
TRANSIENT = (429, 500, 502, 503, 504)
"""HTTP statuses of temporary errors, which are retried."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patience:
    """Timeouts and retries of a download; times are in seconds.

    Attributes:
        connecting: timeout of a connection.
        reading: timeout of the next byte.
        attempts: attempts in a row at an interrupted file or an overloaded server.
        connections: attempts at a server that does not answer at all.
        wait: wait before the second attempt; doubles with each.
        longest_wait: upper bound of every wait, whatever the server asks for.
        jitter: upper bound of a random addition to each wait.
        redirects: largest number of redirects.
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
    """An address does not deliver the file; another may.

    Attributes:
        host_is_dead: whether the server does not answer at all, also not for other files.
    """

    def __init__(self, reason: str, *, host_is_dead: bool = False) -> None:
        """Take a reason that may follow the name of the server."""
        super().__init__(reason)
        self.host_is_dead = host_is_dead


class CutShort(Exception):
    """A transfer stopped before the end of the file."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Answer:
    """A server's response: status 200 for a file, 206 for a part of it."""

    status: int
    reason: str
    headers: Mapping[str, str]  # names are case-insensitive
    chunks: Iterator[bytes]  # as they come, never decoded; raises CutShort


@contextmanager
def _http_get(
    url: str, headers: Mapping[str, str], patience: Patience
) -> Generator[_Answer, None, None]:
    """Send a GET request, through the proxy of the environment if there is one.

    Redirects are followed, to http and https only; temporary errors are retried. Raises Unavailable
    if there is no response, DataError if the address is not http or https.
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
            yield _Answer(
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
    """Explain why a request got no response."""
    from urllib3 import exceptions

    if isinstance(error, exceptions.LocationValueError):
        return Unavailable("refers to what is not an address of the web")
    if not isinstance(error, exceptions.MaxRetryError):
        return Unavailable(f"does not answer as a web server should ({type(error).__name__})")
    reason = error.reason
    if isinstance(reason, exceptions.ResponseError):  # too many 503 error responses, redirects
        return Unavailable(f"answers again and again: {reason}")
    match reason:
        case exceptions.NameResolutionError():
            text = "no such name is known; is there a network?"
        case exceptions.NewConnectionError():  # a TimeoutError too
            text = "no connection"
        case exceptions.SSLError():
            text = "its certificate cannot be trusted"
        case exceptions.ProxyError():
            text = "the proxy that the environment names does not"
        case exceptions.TimeoutError():
            text = "not in time"
        case _:
            text = "no connection"
    return Unavailable(f"does not answer ({text})", host_is_dead=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Origin:
    """The file that a partial download belongs to."""

    url: str
    validator: str  # the server's name for this version of the file (ETag or Last-Modified)
    total: int | None  # bytes of the whole file; None if the server did not say


class PartialFile:
    """A partial download; the file gets its own name only when it is complete.

    Attributes:
        file: final path of the file.
        path: path of the part.
    """

    def __init__(self, file: Path) -> None:
        """Name the part and its note beside the final path."""
        self.file = file
        self.path = file.with_name(f"{file.name}.part")
        self._note = file.with_name(f"{file.name}.part.json")

    @property
    def size(self) -> int:
        """Number of bytes downloaded so far."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def origin(self, url: str) -> Origin | None:
        """The file that the part belongs to; None if it cannot be resumed from this address."""
        try:
            saved: Any = json.loads(self._note.read_text(encoding="utf-8"))
            total = None if saved["total"] is None else int(saved["total"])
            origin = Origin(url=str(saved["url"]), validator=str(saved["validator"]), total=total)
        except (OSError, ValueError, KeyError, TypeError):
            return None  # there is no note, or it is incomplete
        fits = self.size > 0 and (total is None or self.size <= total)
        return origin if fits and origin.url == url else None

    def restart(self, origin: Origin | None) -> BinaryIO:
        """Open an empty part; with an origin, it can be resumed later."""
        self.forget()  # first: a note must never describe other bytes
        stream = self.path.open("wb")
        if origin:
            self._note.write_text(json.dumps(dataclasses.asdict(origin)), encoding="utf-8")
        return stream

    def finish(self) -> None:
        """Rename the part to its final path, atomically."""
        with self.path.open("rb") as stream:
            os.fsync(stream.fileno())
        self.path.replace(self.file)
        self.forget()

    def forget(self) -> None:
        """Remove the note, so that the part is not resumed."""
        self._note.unlink(missing_ok=True)

    def drop(self, *, if_useless: bool = False) -> None:
        """Remove the part and its note; ``if_useless``: unless it can be resumed."""
        if not (if_useless and self._note.is_file()):
            self.forget()
            self.path.unlink(missing_ok=True)


PROGRESS_THAT_RESETS = 1 << 20
"""Bytes of progress after which the count of interruptions starts anew."""


class DownloadWatch:
    """Callbacks on the progress of a download, which do nothing unless overridden."""

    def begin(self, file: str, have: int, total: int | None) -> None:
        """A transfer starts after ``have`` bytes of ``total``; repeated when it is resumed."""

    def received(self, count: int) -> None:
        """This many more bytes were received."""

    def say(self, line: str) -> None:
        """There is a problem to report, and what is done about it."""


def download(source: Source, path: Path, watch: DownloadWatch, patience: Patience) -> str:
    """Download a file to a path that does not exist, in a folder that does.

    Returns:
        The file's SHA-256.

    Raises:
        Unavailable: the address does not deliver this file; a ``.part`` remains if it can be
            resumed.
        OSError: the disk is full or not writable.
    """
    part = PartialFile(path)
    try:
        for last_time in (False, True):
            resumed = _download_with_retries(part, source, watch, patience)
            digest = file_sha256(part.path)
            if source.sha256 in (None, digest):
                part.finish()
                return digest
            part.drop()
            if last_time or not resumed:
                break
            watch.say(f"{path.name}: its parts do not fit together; starting again")
        raise Unavailable(f"sends another file (SHA-256 {digest}, wanted {source.sha256})")
    finally:
        part.drop(if_useless=True)


def _download_with_retries(
    part: PartialFile, source: Source, watch: DownloadWatch, patience: Patience
) -> bool:
    """Download until the part is complete; return whether it was resumed or interrupted."""
    failures, furthest, resumed = 0, part.size, False
    while True:
        resumed |= part.origin(source.url) is not None
        try:
            _download_once(part, source, watch, patience)
            return resumed
        except CutShort as error:
            failures = 1 if part.size >= furthest + PROGRESS_THAT_RESETS else failures + 1
            furthest = max(furthest, part.size)
            if failures >= patience.attempts:
                hint = f"; {part.path} is kept to resume from" if part.origin(source.url) else ""
                raise Unavailable(f"stops: {error}, {failures} times{hint}") from None
            pause = min(patience.longest_wait, patience.wait * 2 ** (failures - 1))
            pause += random.SystemRandom().uniform(0, patience.jitter)
            watch.say(f"{part.file.name}: {error}; trying again in {pause:.0f} s")
            time.sleep(pause)


def _download_once(
    part: PartialFile, source: Source, watch: DownloadWatch, patience: Patience
) -> None:
    """Request the file or the rest of it once, and write what is received."""
    origin = part.origin(source.url)
    if origin and origin.total == part.size:
        return  # complete, and only not renamed
    rest = {"Range": f"bytes={part.size}-", "If-Range": origin.validator} if origin else {}
    with _http_get(source.url, rest, patience) as answer:
        total = _total_size(answer, part, origin, source)
        _check_free_space(part, total, had=part.size if answer.status == 206 else 0)
        if answer.status == 206:
            opened = part.path.open("ab")
        elif validator := _validator(answer):
            opened = part.restart(Origin(url=source.url, validator=validator, total=total))
        else:
            opened = part.restart(None)
        with opened as stream:
            watch.begin(part.file.name, part.size, total)
            for chunk in answer.chunks:
                stream.write(chunk)
                watch.received(len(chunk))
                if source.size is not None and stream.tell() > source.size:
                    part.forget()
                    raise Unavailable(f"sends another file (more than {source.size:,} bytes)")
    if total is not None and part.size != total:
        raise CutShort(f"{part.size:,} of {total:,} bytes came")


def _total_size(
    answer: _Answer, part: PartialFile, origin: Origin | None, source: Source
) -> int | None:
    """The size of the whole file; raises unless the answer is the file or the rest of it."""
    status, headers = answer.status, answer.headers
    if origin and status in (206, 416):
        content_range = re.fullmatch(
            r"bytes (\d{1,18})-\d+/(\d{1,18}|\*)", headers.get("Content-Range", "")
        )
        total = int(content_range[2]) if content_range and content_range[2] != "*" else origin.total
        begins = int(content_range[1]) if content_range else None
        changed = _validator(answer) not in ("", origin.validator)
        if begins != part.size or changed or origin.total not in (None, total):
            part.drop()
            raise CutShort("the rest does not fit the part, starting again")
    elif status == 200:
        length = re.fullmatch(r"\d{1,18}", headers.get("Content-Length", ""))
        total = int(length[0]) if length else None
    else:
        raise Unavailable(f"answers {status} {printable(answer.reason)}".rstrip())
    if "text/html" in headers.get("Content-Type", "") and part.file.suffix != ".html":
        raise Unavailable("answers with a web page, not with the file")
    if total is not None and source.size not in (None, total):
        raise Unavailable(f"sends another file ({total:,} bytes, wanted {source.size:,})")
    return source.size if total is None else total


def _validator(answer: _Answer) -> str:
    """The server's name for this version of the file: a strong ETag, or the date."""
    etag = answer.headers.get("ETag", "")
    return etag if etag.startswith('"') else answer.headers.get("Last-Modified", "")


def _check_free_space(part: PartialFile, total: int | None, had: int) -> None:
    free = shutil.disk_usage(part.path.parent).free + (part.size - had)
    if total is not None and total - had > free:
        raise DataError(
            f"{part.path.parent}: {total - had:,} bytes are to come and {free:,} are free; make "
            "room and run the command again"
        )
