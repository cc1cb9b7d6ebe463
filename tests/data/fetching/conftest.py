import socket
import types

import pytest
from urllib3.util import retry

from .web import reading_in_vain, served


@pytest.fixture(scope="module")
def server():
    with served() as web:
        yield web


@pytest.fixture
def web(server, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server.answers.clear()
    server.asked.clear()
    server.silent.clear()
    monkeypatch.setattr(socket.SocketIO, "readinto", reading_in_vain(server))
    return server


@pytest.fixture
def slept(monkeypatch):
    """The seconds that a client would have waited before it asked again; nobody waits."""
    seconds = []
    monkeypatch.setattr(retry, "time", types.SimpleNamespace(sleep=seconds.append))
    return seconds
