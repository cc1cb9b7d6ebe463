"""Requests of strangers and of other sites."""

import socket

import pytest

from .conftest import SILENCE


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]", "", "localhost@evil.example"],
)
def test_a_host_that_is_not_ours_is_refused(studio, host):
    assert studio.get("/v1/analyses", Host=host).status == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_names_of_this_machine_are_ours(studio, host):
    assert studio.get("/v1/analyses", Host=f"{host}:{studio.port}").status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://{host}", "Sec-Fetch-Site": "same-origin"}, 404),
        ({}, 404),
    ],
)
def test_no_other_site_can_change_anything(studio, headers, status):
    host = f"127.0.0.1:{studio.port}"
    headers = {name: value.format(host=host) for name, value in headers.items()}
    for method in ("DELETE", "PUT", "POST"):
        answer = studio.ask(method, "/v1/analyses/" + "0" * 16, **headers)
        assert answer.status == (status if status == 403 or method == "DELETE" else 405)


def test_no_other_site_can_read_anything_but_links_are_followed(studio):
    site = {"Sec-Fetch-Site": "cross-site"}
    assert studio.get("/v1/analyses", **site, **{"Sec-Fetch-Mode": "no-cors"}).status == 403
    followed = studio.get("/v1/analyses", **site, **{"Sec-Fetch-Mode": "navigate"})
    assert followed.status == 200
    assert followed.headers["cross-origin-resource-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in followed.headers["content-security-policy"]


def test_every_answer_is_guarded(studio):
    for path in ("/v1/analyses", "/nothing"):
        headers = studio.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


@pytest.mark.parametrize("size", [20_000, 60_000, 300_000])
def test_huge_headers_are_refused(studio, size):
    try:
        assert studio.get("/v1/analyses", X="a" * size).status in (400, 431)
    except (BrokenPipeError, ConnectionResetError):
        assert size == 300_000  # it was refused while the rest was still being sent
    assert studio.get("/v1/analyses").status == 200


def test_a_long_path_is_refused(studio):
    assert studio.get("/" + "a" * 20_000).status in (400, 414, 431)


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\xff\xfe nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"POST /v1/analyses HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    ],
)
def test_nonsense_is_refused(studio, content):
    with socket.create_connection(("127.0.0.1", studio.port), SILENCE) as connection:
        connection.sendall(content)
        status = int(connection.recv(1000).split()[1])
    assert status in (400, 421)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", b""),
        (b"GET /v1/analyses HTTP/1.1\r\nHost: loc", b""),
        (b"POST /v1/analyses HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nRI", b"408"),
        (b"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{{", b"408"),
    ],
)
def test_a_client_that_stops_in_the_midst_is_given_up(impatient, sent, answer):
    """However long it takes: the client waits for what comes."""
    studio, path = impatient
    with socket.create_connection(("127.0.0.1", studio.port), SILENCE) as connection:
        connection.sendall(sent.replace(b"{path}", path.encode()))
        assert connection.recv(1000)[9:12] == answer
    assert studio.get("/v1/analyses").status == 200


@pytest.fixture(scope="module")
def impatient(start_studio, tmp_path_factory):
    """A studio that waits .2 s for what a client is about to send, and an utterance's path."""
    folder = tmp_path_factory.mktemp("impatient") / "runs"
    studio = start_studio(folder, "--patience", "0.2")
    identity = studio.send().json["id"]
    assert studio.end_of(identity)["state"] == "done"
    return studio, f"/v1/analyses/{identity}/utterances/0"


def test_with_a_token_nothing_is_answered_without_it(start_studio, tmp_path):
    studio = start_studio(tmp_path / "runs", "--host", "0.0.0.0", "--token", "wrong horse")
    assert studio.address.endswith("/?token=wrong%20horse")
    refused = studio.get("/v1/analyses")
    assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert studio.get("/v1/analyses", Authorization="Bearer wrong").status == 401
    assert studio.get("/v1/analyses", Cookie="deadpan_studio=wrong; ;=;\x80").status == 401
    assert studio.ask("POST", "/v1/analyses?token=wrong%20horse").status == 401
    assert studio.get("/v1/analyses", Authorization="Bearer wrong horse").status == 200
    first = studio.get("/?token=wrong%20horse")
    assert (first.status, first.headers["location"]) == (303, "/")
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert studio.get("/v1/analyses", Cookie=cookie.partition(";")[0]).status == 200
    assert studio.get("/v1/analyses", Host="evil.example").status == 421


def test_elsewhere_a_token_is_drawn(start_studio, tmp_path):
    studio = start_studio(tmp_path / "runs", "--host", "0.0.0.0")
    assert len(studio.address.partition("?token=")[2]) == 32
    assert studio.get("/v1/analyses").status == 401
