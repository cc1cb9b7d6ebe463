"""The studio behind a socket: who may reach it, and how long a client may take."""

import asyncio
import secrets
import socket
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import quote

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from deadpan.errors import DeadpanError
from deadpan.locks import alone, beside
from deadpan.studio.analyses import ANALYSES
from deadpan.studio.app import make_app
from deadpan.studio.guard import HEADER_BYTES, LOCAL_HOSTS
from deadpan.studio.queue import Analyze

HEADER_SECONDS = 10
"""Seconds in which a client must have sent a request's headers."""
CLIENTS = 500
"""Connections at once; more are sent away with status 503."""


@runtime_checkable
class StudioWatch(Protocol):
    """Is told when the studio can be reached."""

    def serving(self, address: str) -> None:
        """At this address, a token included where one is needed."""


class PatientProtocol(H11Protocol):
    """HTTP that gives up a client who does not come to the end of a request's headers."""

    _header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers."""
        super().connection_made(transport)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        """Read what came; headers that are whole end the waiting."""
        super().data_received(data)
        if self.cycle and not self.cycle.response_complete:
            self._stop_waiting()
        else:
            self._wait_for_headers()

    def on_response_complete(self) -> None:
        """Go on with the next request of the connection; what has come of it may be half of one."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_headers(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _give_up(self) -> None:
        self._header_timer = None
        if not self.cycle or self.cycle.response_complete:
            self.transport.close()


def serve(
    folder: Path,
    analyze: Analyze,
    *,
    host: str,
    port: int,
    token: str | None,
    largest: int,
    waiting: int,
    watch: StudioWatch | None = None,
) -> None:
    """Serve a folder until the process is told to end.

    Args:
        folder: made where it is not there.
        analyze: reads a recording; see :func:`~deadpan.studio.app.make_app`.
        host: the address or name to be reached at.
        port: likewise; 0 takes one that is free.
        token: that requests must bring; None draws one, unless the host is this machine's loopback.
        largest: bytes of a recording that is taken.
        waiting: analyses that may wait.
        watch: is told the address.

    Raises:
        DeadpanError: the folder or the port cannot be had, or another studio works there.
    """
    if folder.exists() and not folder.is_dir():
        raise DeadpanError(f"{folder}: is a file, wanted a folder; give another one")
    folder.mkdir(parents=True, exist_ok=True)
    local = host.lower() in LOCAL_HOSTS
    if token is None and not local:
        token = secrets.token_urlsafe(24)
    # An IP address is no name that another site could point here.
    own = frozenset((host.lower(), socket.gethostname().lower()))
    app = make_app(
        folder,
        analyze,
        token=token,
        hosts=LOCAL_HOSTS if local else LOCAL_HOSTS | own,
        addresses=not local,
        largest=largest,
        waiting=waiting,
    )
    with alone(beside(folder / ANALYSES), "deadpan studio"), _listen(host, port) as listening:
        config = uvicorn.Config(
            app,
            http=PatientProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=HEADER_BYTES,
            limit_concurrency=CLIENTS,
            timeout_graceful_shutdown=2,
        )
        if watch:
            taken = listening.getsockname()[1]
            reachable = socket.gethostname() if host in ("0.0.0.0", "::") else host
            name = f"[{reachable}]" if ":" in reachable else reachable
            query = f"/?token={quote(token)}" if token else "/"
            watch.serving(f"http://{name}:{taken}{query}")
        uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=CLIENTS)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DeadpanError(
            f"{host}, port {port}: cannot be listened at ({reason}); give another --host or --port"
        ) from None
