"""Downloading one file from one address: resumed where it stopped, verified, then renamed.

A resumed part is joined only to what the server proves to belong to the same version of the file;
else the download begins anew. No other module imports urllib3.
"""

import dataclasses
import json
import os
import random
import re
import shutil
import socket
import threading
import time
import urllib.request
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urljoin, urlsplit

from deadpan.data.containers.files import describe_start, file_sha256, first_bytes, printable
from deadpan.data.corpora import Source
from deadpan.errors import DataError, count_of

if TYPE_CHECKING:
    import urllib3

CHUNK = 1 << 16
"""Bytes that are read at a time."""
TRANSIENT = (429, 500, 502, 503, 504)
"""HTTP statuses of temporary errors, which are retried."""
REDIRECTS = (301, 302, 303, 307, 308)
"""HTTP statuses that name another address."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patience:
    """Deadline, timeouts and retries of a download; times are in seconds.

    Attributes:
        total: deadline of a file at one address, with all its attempts, waits and redirects.
        stall: time in which the header of an answer must come, and then at least 64 KiB of it.
        connecting: timeout of a connection.
        reading: timeout of the next byte.
        attempts: attempts in a row at an interrupted file or an overloaded server.
        connections: attempts at a server that does not answer at all.
        wait: wait before the second attempt; doubles with each.
        longest_wait: upper bound of every wait, whatever the server asks for.
        jitter: upper bound of a random addition to each wait.
        redirects: largest number of redirects.
    """

    total: int | float = 12 * 3600.0
    stall: int | float = 120.0
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
    """A transfer stopped before the end of the file, or did not begin; another attempt may not.

    Attributes:
        host_is_dead: whether the server did not answer at all.
        wait: seconds that the server asks to be given; None if it does not.
    """

    def __init__(
        self, reason: str, *, host_is_dead: bool = False, wait: int | float | None = None
    ) -> None:
        """Take the reason, in words."""
        super().__init__(reason)
        self.host_is_dead = host_is_dead
        self.wait = wait


class _Deadline:
    """The time that is left for a file at one address."""

    def __init__(self, seconds: int | float) -> None:
        self._seconds, self._end = seconds, time.monotonic() + seconds

    def cap(self, seconds: int | float) -> int | float:
        """A timeout or a pause, cut to the time left; raises Unavailable if none is."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise Unavailable(f"takes longer than {self._seconds:,.0f} s")
        return min(seconds, left)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Answer:
    """A server's response: status 200 for a file, 206 for a part of it."""

    place: str  # the address after all redirects, without its query, which may be a signature
    status: int
    reason: str
    headers: Mapping[str, str]  # names are case-insensitive
    chunks: Iterator[bytes]  # as they come, never decoded; raises CutShort


@contextmanager
def _http_get(
    url: str, headers: Mapping[str, str], patience: Patience, deadline: _Deadline, *, http: bool
) -> Generator[_Answer, None, None]:
    """Send a GET request and follow redirects, through the environment's proxy if there is one.

    Raises:
        DataError: the address is not one of the web.
        Unavailable: there is no response, or a redirect leads out of the web or to plain http.
        CutShort: there is no response now; there may be one later.
    """
    import urllib3
    from urllib3.exceptions import HTTPError

    if not _is_of_the_web(url):
        raise DataError(f"{url}: not an address of the web; wanted http:// or https://")
    sent = {"Accept-Encoding": "identity", "User-Agent": f"deadpan/{version('deadpan')}", **headers}
    for _ in range(patience.redirects + 1):
        if not http and urlsplit(url).scheme == "http":
            raise Unavailable(
                "is reached by plain http, where anybody on the way can change the file; "
                "--allow_http fetches it all the same"
            )
        timeout = urllib3.Timeout(
            connect=deadline.cap(patience.connecting), read=deadline.cap(patience.reading)
        )
        with _connections(url, deadline.cap(patience.stall)) as pool:
            try:
                response = pool.request(
                    "GET",
                    url,
                    headers=sent,
                    timeout=timeout,
                    retries=False,
                    redirect=False,
                    preload_content=False,
                    decode_content=False,
                )
            except HTTPError as error:
                raise _no_answer(error) from None
            try:
                if response.status not in REDIRECTS or "Location" not in response.headers:
                    if response.status in TRANSIENT:
                        raise _overloaded(response, patience)
                    yield _Answer(
                        place=url.partition("?")[0],
                        status=response.status,
                        reason=response.reason or "",
                        headers=response.headers,
                        chunks=_chunks(response, patience, deadline),
                    )
                    return
                url = _redirected(url, response.headers["Location"])
            finally:
                response.close()
        if not _is_of_the_web(url):
            raise Unavailable("refers to what is not an address of the web")
    raise Unavailable("answers again and again: too many redirects")


def _redirected(url: str, location: str) -> str:
    """The address that a redirect leads to; "" if it is none."""
    try:
        return urljoin(url, location)
    except ValueError:  # brackets that hold no IPv6 address
        return ""


def _is_of_the_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:  # brackets that hold no IPv6 address
        return False


def _connections(url: str, seconds: int | float) -> "urllib3.PoolManager":
    """Connections that wait so long for a header, through the environment's proxy if there is one.

    A timeout alone is no bound: each byte of a header sets it anew.

    Raises:
        DataError: the proxy is none of http.
    """
    import urllib3
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.exceptions import LocationValueError

    class Http(HTTPConnection):
        def getresponse(self) -> urllib3.HTTPResponse:
            with _hung_up_after(seconds, self.sock):
                return super().getresponse()

    class Https(HTTPSConnection):
        def getresponse(self) -> urllib3.HTTPResponse:
            with _hung_up_after(seconds, self.sock):
                return super().getresponse()

    class HttpPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Http  # pyright: ignore[reportAssignmentType]

    class HttpsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Https  # pyright: ignore[reportAssignmentType]

    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        try:
            pool = urllib3.ProxyManager(proxy if "://" in proxy else f"http://{proxy}")
        except LocationValueError:  # the proxy's address may hold a password
            raise DataError(
                f"the environment's {parts.scheme}_proxy is no address that begins with http:// or "
                "https://; correct it, or give the server in no_proxy"
            ) from None
    else:
        pool = urllib3.PoolManager()
    pools = dict(pool.pool_classes_by_scheme)  # a copy: all managers share the original
    pools |= {"http": HttpPool, "https": HttpsPool}
    pool.pool_classes_by_scheme = pools
    return pool


@contextmanager
def _hung_up_after(
    seconds: int | float, connection: socket.socket | None
) -> Generator[None, None, None]:
    """End both directions of a connection, unless this context has ended before.

    Raises:
        TimeoutError: the connection was ended, and what was read of it is not all.
    """
    late = threading.Event()

    def hang_up() -> None:
        late.set()
        if connection is not None:
            with suppress(OSError):  # it has ended already
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError


def _chunks(
    response: "urllib3.BaseHTTPResponse", patience: Patience, deadline: _Deadline
) -> Iterator[bytes]:
    """The body as it comes; a server that sends a byte now and then does not hold us for long."""
    from urllib3.exceptions import HTTPError, ReadTimeoutError

    since, count = time.monotonic(), 0
    try:
        while chunk := response.read1(CHUNK, decode_content=False):
            yield chunk
            deadline.cap(0)
            count += len(chunk)
            if count >= CHUNK:
                since, count = time.monotonic(), 0
            elif time.monotonic() > since + patience.stall:
                raise CutShort(f"only {count_of(count, 'byte')} came in {patience.stall:.0f} s")
    except ReadTimeoutError:
        raise CutShort("no byte came for too long") from None
    except HTTPError:
        raise CutShort("the connection broke off") from None


def _overloaded(response: "urllib3.BaseHTTPResponse", patience: Patience) -> CutShort:
    """A temporary error, with the wait that the server asks for."""
    import urllib3
    from urllib3.exceptions import InvalidHeader

    reason = f"answers {response.status} {printable(response.reason or '')}".rstrip()
    try:
        asked = urllib3.Retry(retry_after_max=int(patience.longest_wait)).parse_retry_after(
            response.headers["Retry-After"]
        )
    except (KeyError, InvalidHeader):
        asked = None
    return CutShort(reason, wait=asked)


def _no_answer(error: Exception) -> Exception:
    """Explain why a request got no response."""
    from urllib3 import exceptions

    match error:
        case exceptions.LocationValueError():
            return Unavailable("refers to what is not an address of the web")
        case exceptions.SSLError():
            reason = "its certificate cannot be trusted"
            return Unavailable(f"does not answer ({reason})", host_is_dead=True)
        case exceptions.NameResolutionError():
            reason = "no such name is known; is there a network?"
        case exceptions.ProxyError():
            reason = "the proxy that the environment names does not"
        case exceptions.NewConnectionError():  # a TimeoutError too
            reason = "no connection"
        case exceptions.TimeoutError():
            reason = "not in time"
        case _:
            reason = "no connection"
    return CutShort(f"does not answer ({reason})", host_is_dead=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Origin:
    """The file that a partial download belongs to."""

    url: str
    place: str  # the address that the url led to: another server may use the same validator
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
            names = {name: str(saved[name]) for name in ("url", "place", "validator")}
            origin = Origin(**names, total=total)
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


def download(
    source: Source,
    path: Path,
    watch: DownloadWatch,
    patience: Patience,
    *,
    hashes: Collection[str] = (),
    http: bool = False,
) -> str:
    """Download a file to a path that does not exist, in a folder that does.

    Args:
        source: the address and, where known, the size of the file.
        path: the file to write.
        watch: callbacks on the progress.
        patience: deadline, timeouts and retries.
        hashes: the SHA-256 that the file may have; empty if none is known.
        http: whether an address of plain http may be used, where anybody can change the file.

    Returns:
        The file's SHA-256.

    Raises:
        Unavailable: the address does not deliver this file; a ``.part`` remains if it can be
            resumed.
        OSError: the disk is full or not writable.
    """
    transfer = _Transfer(PartialFile(path), source, watch, patience, bool(hashes), http)
    part = transfer.part
    try:
        for last_time in (False, True):
            resumed = transfer.run()
            digest = file_sha256(part.path)
            if digest in hashes or not hashes:
                if not hashes:
                    _check_content(part)
                part.finish()
                return digest
            part.drop()
            if last_time or not resumed:
                break
            watch.say(f"{path.name}: its parts do not fit together; starting again")
        wanted = " or ".join(sorted(hashes))
        raise Unavailable(f"sends another file (SHA-256 {digest}, wanted {wanted})")
    finally:
        part.drop(if_useless=True)


class _Transfer:
    """All attempts at one file from one address, within one deadline.

    Attributes:
        part: what has come so far.
    """

    def __init__(
        self,
        part: PartialFile,
        source: Source,
        watch: DownloadWatch,
        patience: Patience,
        checkable: bool,  # whether a hash will tell if the end is missing
        http: bool,
    ) -> None:
        self.part, self._source, self._watch, self._patience = part, source, watch, patience
        self._checkable, self._http = checkable or source.size is not None, http
        self._deadline = _Deadline(patience.total)

    def run(self) -> bool:
        """Download until the part is complete; return whether it was resumed or interrupted."""
        part, url, patience = self.part, self._source.url, self._patience
        failures, furthest, resumed = 0, part.size, False
        while True:
            resumed |= part.origin(url) is not None
            try:
                self._download_once()
                return resumed
            except CutShort as error:
                failures = 1 if part.size >= furthest + PROGRESS_THAT_RESETS else failures + 1
                furthest = max(furthest, part.size)
                if failures >= (patience.connections if error.host_is_dead else patience.attempts):
                    raise self._surrender(error, failures) from None
                self._pause(error, failures)

    def _surrender(self, error: CutShort, failures: int) -> Unavailable:
        resumable = self.part.origin(self._source.url)
        hint = f"; {self.part.path} is kept to resume from" if resumable else ""
        dead = error.host_is_dead
        times = "" if dead else f", {count_of(failures, 'time')}"
        return Unavailable(f"{error}{times}{hint}", host_is_dead=dead)

    def _pause(self, error: CutShort, failures: int) -> None:
        patience = self._patience
        seconds = patience.wait * 2 ** (failures - 1) if error.wait is None else error.wait
        seconds = min(patience.longest_wait, seconds)
        seconds += random.SystemRandom().uniform(0, patience.jitter)
        seconds = self._deadline.cap(seconds)
        self._watch.say(f"{self.part.file.name}: {error}; trying again in {seconds:.0f} s")
        time.sleep(seconds)

    def _download_once(self) -> None:
        """Request the file or the rest of it once, and write what is received."""
        part, source = self.part, self._source
        origin = part.origin(source.url)
        if origin and origin.total == part.size:
            return  # complete, and only not renamed
        rest = {"Range": f"bytes={part.size}-", "If-Range": origin.validator} if origin else {}
        with _http_get(source.url, rest, self._patience, self._deadline, http=self._http) as answer:
            total = self._total_size(answer, origin)
            _check_free_space(part, total, part.size if answer.status == 206 else 0)
            if answer.status == 206:
                opened = part.path.open("ab")
            elif validator := _validator(answer):
                names = {"url": source.url, "place": answer.place, "validator": validator}
                opened = part.restart(Origin(**names, total=total))
            else:
                opened = part.restart(None)
            with opened as stream:
                self._watch.begin(part.file.name, part.size, total)
                for chunk in answer.chunks:
                    stream.write(chunk)
                    self._watch.received(len(chunk))
                    if total is not None and stream.tell() > total:
                        part.forget()
                        raise Unavailable(f"sends another file (more than {total:,} bytes)")
        if total is not None and part.size != total:
            raise CutShort(f"stops: {part.size:,} of {total:,} bytes came")

    def _total_size(self, answer: _Answer, origin: Origin | None) -> int | None:
        """The size of the whole file; raises unless the answer is the file or the rest of it."""
        status, headers, size = answer.status, answer.headers, self._source.size
        length = re.fullmatch(r"\d{1,18}", headers.get("Content-Length", ""))
        if origin and status in (206, 416):
            total = _total_of_rest(answer, self.part.size, origin)
            if total is None:
                self.part.drop()
                raise CutShort("the rest does not fit the part, starting again")
        elif status == 200:
            total = int(length[0]) if length else size
        else:
            raise Unavailable(f"answers {status} {printable(answer.reason)}".rstrip())
        _check_headers(headers, self.part.file)
        if size not in (None, total):
            raise Unavailable(f"sends another file ({total:,} bytes, wanted {size:,})")
        ends = "chunked" in headers.get("Transfer-Encoding", "").lower()
        if total is None and not ends and not self._checkable:
            raise Unavailable("does not say how long the file is: nobody could tell a part from it")
        return total


def _total_of_rest(answer: _Answer, have: int, origin: Origin) -> int | None:
    """The size of the whole file, if the answer proves to be the rest of it; else None."""
    pattern = r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})"
    content_range = re.fullmatch(pattern, answer.headers.get("Content-Range", ""))
    if answer.status != 206 or not content_range:
        return None
    first, last, total = map(int, content_range.groups())
    length = answer.headers.get("Content-Length")
    proved = (
        first == have
        and last == total - 1
        and origin.total in (None, total)
        and length in (None, str(last - first + 1))
        and answer.place == origin.place
        and _validator(answer) == origin.validator
    )
    return total if proved else None


def _validator(answer: _Answer) -> str:
    """The server's name for this version of the file: a strong ETag, or the date of its change.

    A date of this very moment proves nothing: the file may change again within the same second.
    """
    etag, date = (answer.headers.get(name, "") for name in ("ETag", "Last-Modified"))
    if re.fullmatch(r'"[^"]*"', etag):
        return etag
    return date if date != answer.headers.get("Date") else ""


def _check_headers(headers: Mapping[str, str], file: Path) -> None:
    """Refuse what is declared to be a web page, or to be compressed on the way."""
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml") and file.suffix != ".html":
        raise Unavailable("answers with a web page, not with the file")
    encoding = headers.get("Content-Encoding", "identity").strip().lower()
    # Some servers declare an archive's own compression so; then the bytes are the file's.
    if encoding != "identity" and file.suffix not in (".gz", ".tgz", ".bz2", ".xz", ".zst"):
        raise Unavailable(f"sends the file compressed ({printable(encoding)}), which was not asked")


MARKUP = re.compile(rb"\s*<(!doctype|html|head|body|title|script|meta|\?xml|!--)", re.IGNORECASE)
"""How a page begins that stands where a file was expected."""

STARTS: Mapping[str, tuple[str, bytes]] = {
    ".csd": ("an HDF5 file", rb"\x89HDF\r\n\x1a\n"),
    ".h5": ("an HDF5 file", rb"\x89HDF\r\n\x1a\n"),
    ".hdf5": ("an HDF5 file", rb"\x89HDF\r\n\x1a\n"),
    ".pkl": ("a pickle", rb"\x80[\x02-\x05]|[(\]}cd]"),
    ".pickle": ("a pickle", rb"\x80[\x02-\x05]|[(\]}cd]"),
    ".zip": ("a ZIP archive", rb"PK"),
    ".gz": ("a gzip archive", rb"\x1f\x8b"),
    ".tgz": ("a gzip archive", rb"\x1f\x8b"),
    ".npz": ("numpy's .npz", rb"PK"),
    ".npy": ("numpy's .npy", rb"\x93NUMPY"),
    ".json": ("JSON", rb"(\xef\xbb\xbf)?\s*[\[{]"),
}
"""Kind of file by suffix, and the regular expression that its first bytes match."""


def _check_content(part: PartialFile) -> None:
    """Refuse a download of unknown SHA-256 that cannot be what its name says, and drop it."""
    start = first_bytes(part.path, 512)
    suffix = part.file.suffix.lower()
    noun, pattern = STARTS.get(suffix, ("the file", rb""))
    bom_free = start.removeprefix(b"\xef\xbb\xbf")
    if (MARKUP.match(bom_free) and suffix not in (".html", ".xml")) or not re.match(pattern, start):
        part.drop()
        raise Unavailable(f"sends what is not {noun} ({describe_start(start)})")


def _check_free_space(part: PartialFile, total: int | None, present_bytes: int) -> None:
    free = shutil.disk_usage(part.path.parent).free + (part.size - present_bytes)
    if total is not None and total - present_bytes > free:
        raise DataError(
            f"{part.path.parent}: {total - present_bytes:,} bytes are to come and {free:,} are "
            "free; make room and run the command again"
        )
