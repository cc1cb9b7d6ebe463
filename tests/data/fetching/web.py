"""A web server on this machine that answers as it is told, and remembers what it was asked."""

import select
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from deadpan.data.fetching.download import Patience

# No wait ends by itself: a client reads in vain where the server says so, see ``silence``.
FAST = Patience(
    total=10**6,
    stall=10**6,
    connecting=600,
    reading=600,
    attempts=3,
    connections=2,
    wait=0,
    longest_wait=0,
    jitter=0,
    redirects=3,
)
ETAG = '"one"'


class Web:
    """Answers by path, in turn; the last one is given again and again."""

    def __init__(self, port, closing):
        self.answers, self.asked, self.closing = {}, [], closing
        self.address = f"http://127.0.0.1:{port}"
        self.silent = set()

    def __call__(self, path, *answers):
        """Give these answers under a path; returns its address."""
        self.answers[path] = list(answers)
        return self.address + path

    def ranges(self, path):
        """The Range of each request for a path, None where there was none."""
        return [headers.get("Range") for asked, headers in self.asked if asked == path]


def silence(handler, web):
    """Say nothing more on this connection: its client reads in vain, as if its time had passed."""
    handler.wfile.flush()
    web.silent.add(handler.client_address)
    web.closing.wait()


def reading_in_vain(web):
    """In place of ``socket.SocketIO.readinto``: times out where the server is silent, at once."""
    read = socket.SocketIO.readinto

    def readinto(stream, buffer):
        connection, silent = stream._sock, False
        while not readable(connection, 0.01):
            if silent:  # it was before this look at what has come
                assert connection.gettimeout() == FAST.reading, "it would wait for another time"
                web.silent.discard(connection.getsockname())
                raise TimeoutError("timed out")
            silent = connection.getsockname() in web.silent
        return read(stream, buffer)

    return readinto


def readable(connection, seconds):
    return bool(select.select([connection], [], [], seconds)[0])


@contextmanager
def served():
    """A server for as long as the context lasts."""
    web = None

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            web.asked.append((self.path, dict(self.headers)))
            answers = web.answers[self.path]
            (answers.pop(0) if len(answers) > 1 else answers[0])(self, web)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        web = Web(server.server_port, threading.Event())
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield web
        finally:
            web.closing.set()
            server.shutdown()
            thread.join()


def said(handler, status, body=b"", **headers):
    """Send an answer; header names are written with _ for -, None leaves one out."""
    handler.send_response(status)
    for name, value in ({"Content_Length": len(body)} | headers).items():
        if value is not None:
            handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    handler.wfile.write(body)


def chunked(body, end=b"0\r\n\r\n", **headers):
    """The whole file in one chunk, whose size is told, but not the file's; then the end."""

    def answer(handler, _):
        handler.protocol_version = "HTTP/1.1"
        said(handler, 200, Transfer_Encoding="chunked", Content_Length=None, **headers)
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(body), body) + end)

    return answer


def status(code, **headers):
    """A bare answer."""
    return lambda handler, _: said(handler, code, b"<html>no</html>", **headers)


def whole(body, etag=ETAG, **headers):
    """The whole file, whatever was asked."""
    return lambda handler, _: said(handler, 200, body, ETag=etag, **headers)


def honest(body, etag=ETAG, most=None):
    """What was asked: the rest where the version is still the same, else the whole file.

    At most so many bytes of it, whatever was promised.
    """

    def answer(handler, _):
        wanted = handler.headers.get("Range")
        if wanted is None or handler.headers.get("If-Range") != etag:
            return said(handler, 200, body[:most], ETag=etag, Content_Length=len(body))
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(body):
            return said(handler, 416, Content_Range=f"bytes */{len(body)}")
        told = f"bytes {start}-{len(body) - 1}/{len(body)}"
        rest = body[start:]
        return said(
            handler, 206, rest[:most], ETag=etag, Content_Range=told, Content_Length=len(rest)
        )

    return answer


def cut(body, at, etag=ETAG, **headers):
    """The file, told to be whole, of which only the first bytes come."""

    def answer(handler, _):
        said(handler, 200, body[:at], ETag=etag, **({"Content_Length": len(body)} | headers))

    return answer


def stalled(body, at, etag=ETAG):
    """The same, but the connection stays open and nothing more comes."""

    def answer(handler, web):
        cut(body, at, etag)(handler, web)
        silence(handler, web)

    return answer
