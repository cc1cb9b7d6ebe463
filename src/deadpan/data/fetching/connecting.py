"""Asking a web server: with patience, but not for ever. The only place that knows urllib3."""

import dataclasses
import urllib.request
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from urllib.parse import urlsplit

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
