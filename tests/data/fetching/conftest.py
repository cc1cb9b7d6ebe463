import socket

import pytest

from deadpan.data.fetching import download

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


class Clock:
    """A clock that nobody waits for: it goes on where a client sleeps, and where it is told to.

    Attributes:
        slept: the seconds of each sleep.
    """

    def __init__(self):
        self.now, self.slept = 0.0, []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(download, "time", clock)
    return clock
