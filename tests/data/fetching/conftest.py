import pytest

from .web import served


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
    return server
