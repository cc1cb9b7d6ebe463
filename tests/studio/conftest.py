"""A studio that is running, and what talks to it."""

import contextlib
import http.client
import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

SCRIPT = Path(__file__).with_name("stand_in.py")
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(100)
SILENCE = 60  # seconds after which a studio that says nothing is taken for hung


class Answer:
    def __init__(self, answer):
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()

    @property
    def json(self):
        return json.loads(self.body)


class Studio:
    """A studio in a process of its own.

    Attributes:
        address: as it printed it.
    """

    def __init__(self, folder, *arguments):
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(folder), *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = self.process.stdout.readline().strip()
        assert self.address, "the studio did not start"
        parts = urlsplit(self.address)
        self.host, self.port = parts.hostname, parts.port

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=SILENCE)

    def ask(self, method, path, body=None, **headers):
        """One request in a connection of its own; ``_`` in a header's name stands for ``-``."""
        connection = self.connection()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            return Answer(connection.getresponse())

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def send(self, name="talk.wav", content=WAV):
        return self.ask("POST", f"/v1/analyses?name={quote(name)}", content)

    def events(self, identity):
        """The events of an analysis, as pairs of name and analysis, until the stream ends."""
        connection = self.connection()
        with contextlib.closing(connection):
            connection.request("GET", f"/v1/analyses/{identity}/events")
            name, still = None, 0
            for line in connection.getresponse():
                field, _, value = line.decode().rstrip("\n").partition(": ")
                if not field and value:
                    still += 1
                    assert still < 5, "nothing happens any more"
                elif field == "event":
                    name = value
                elif field == "data":
                    yield name, json.loads(value)

    def end_of(self, identity):
        """An analysis when it has ended."""
        return list(self.events(identity))[-1][1]

    def stop(self):
        self.process.terminate()
        self.process.wait(SILENCE)
        self.process.stdout.close()

    def kill(self):
        self.process.kill()
        self.process.wait(SILENCE)
        self.process.stdout.close()


@pytest.fixture(scope="session")
def start_studio():
    """Start a studio of a folder; all end with the test session."""
    for module in ("starlette", "uvicorn"):
        pytest.importorskip(module, reason="needs the extra serve")
    with contextlib.ExitStack() as started:

        def start(folder, *arguments):
            studio = Studio(folder, *arguments)
            started.callback(studio.stop)
            return studio

        yield start


@pytest.fixture(scope="module")
def studio(start_studio, tmp_path_factory):
    """A studio of an empty folder, which takes 2 MB and lets three wait."""
    return start_studio(tmp_path_factory.mktemp("studio") / "runs")
