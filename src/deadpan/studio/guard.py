"""What every request passes before the studio reads it, and what every answer carries."""

import ipaddress
import secrets
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER_BYTES = 16_384
"""Most bytes of all headers of a request, and of its path."""
COOKIE = "deadpan_studio"
SAFE = ("GET", "HEAD", "OPTIONS")
LOCAL_HOSTS = frozenset(("localhost", "127.0.0.1", "::1"))
HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
"""Headers of every answer that does not bring its own."""


class Guard:
    """Refuses requests that other sites or strangers send, before anything of them is read.

    A page of another site cannot reach the studio through the browser of whoever runs it: by a name
    of its own that it points at this machine (the header Host), or by a request of its own (the
    headers Origin and Sec-Fetch-Site).

    Args:
        app: what is guarded.
        hosts: names by which the studio may be called, in lower case.
        addresses: whether any IP address is such a name, too; no site owns one.
        token: that a request must bring; None for none.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: Iterable[str], addresses: bool, token: str | None
    ) -> None:
        self._app, self._hosts = app, frozenset(hosts)
        self._addresses, self._token = addresses, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no route takes a web socket

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope, Headers(scope=scope))
        await (refusal or self._app)(scope, receive, guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        size = sum(len(name) + len(value) for name, value in headers.raw)
        if size + len(scope["raw_path"]) + len(scope["query_string"]) > HEADER_BYTES:
            return refuse(431, f"headers of {size:,} bytes; wanted at most {HEADER_BYTES:,}")
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            return refuse(421, "the header Host names another machine; use the address as printed")
        if fault := _foreign(scope["method"], hosts[0], headers):
            return refuse(403, fault)
        return None if self._token is None else self._without_token(scope, headers, self._token)

    def _is_ours(self, host: str) -> bool:
        name = _host_name(host)
        if name in self._hosts:
            return True
        try:
            return self._addresses and bool(ipaddress.ip_address(name))
        except ValueError:
            return False

    def _without_token(self, scope: Scope, headers: Headers, token: str) -> Response | None:
        """What to answer where the token is to be given yet; None where it was."""
        kind, _, sent = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and _same(sent.strip(), token):
            return None
        cookies = SimpleCookie()
        try:
            cookies.load(headers.get("cookie", ""))
        except CookieError:
            cookies.clear()
        if COOKIE in cookies and _same(cookies[COOKIE].value, token):
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"))
        if scope["method"] == "GET" and _same(dict(query).get("token", ""), token):
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            answer = RedirectResponse("/" + (f"?{rest}" if rest else ""), status_code=303)
            answer.set_cookie(COOKIE, token, httponly=True, samesite="strict")
            return answer
        return refuse(
            401,
            "the token is missing or another one; open the address as the studio printed it",
            {"www-authenticate": "Bearer"},
        )


def refuse(status: int, error: str, headers: dict[str, str] | None = None) -> Response:
    """An answer that says what was wrong, as JSON."""
    return JSONResponse({"error": error}, status_code=status, headers=headers)


def _foreign(method: str, host: str, headers: Headers) -> str:
    """Why a request is another site's; "" where it is not."""
    site = headers.get("sec-fetch-site", "none")
    if method in SAFE:
        # A link to the page from elsewhere is followed; nothing else is given to other sites.
        navigates = headers.get("sec-fetch-mode") == "navigate"
        foreign = site in ("cross-site", "same-site") and not navigates
        return "the request comes from another site" if foreign else ""
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in (
        f"http://{host.lower()}",
        f"https://{host.lower()}",
    ):
        return "the header Origin names another site"
    return "" if site in ("same-origin", "none") else "the request comes from another site"


def _host_name(host: str) -> str:
    """The name in a header Host, without its port, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _same(sent: str, token: str) -> bool:
    return secrets.compare_digest(sent.encode(), token.encode())
