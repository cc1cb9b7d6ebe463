import dataclasses
import gzip
import hashlib
import pickle
import random
import socket
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler

import pytest
import urllib3

from deadpan.data.corpora import Source
from deadpan.data.fetching.download import (
    DownloadWatch,
    PartialFile,
    Unavailable,
    download,
)
from deadpan.errors import DataError

from .web import ETAG, FAST, chunked, cut, honest, said, silence, stalled, status, whole

BODY = bytes(range(256)) * 1000  # more than one chunk
SHA256 = hashlib.sha256(BODY).hexdigest()
OTHER = BODY[::-1]


class Told(DownloadWatch):
    def __init__(self):
        self.begun, self.count, self.lines = [], 0, []

    def begin(self, file, have, total):
        self.begun.append((file, have, total))

    def received(self, count):
        self.count += count

    def say(self, line):
        self.lines.append(line)


def source(url, **known):
    return Source(url=url, file="file", note="a file", **known)


@pytest.fixture
def get(web, tmp_path):
    """Fetch /file, answered thus; what was told is under ``.told``."""

    def get(*answers, patience=FAST, sha256=None, name="file", **known):
        get.told = Told()
        wanted = source(web("/file", *answers), **known)
        hashes = {sha256} if sha256 else set()
        return download(wanted, tmp_path / name, get.told, patience, hashes=hashes, http=True)

    return get


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_and_nothing_else_is_left(get, tmp_path):
    assert get(whole(BODY), size=len(BODY), sha256=SHA256) == SHA256
    assert (tmp_path / "file").read_bytes() == BODY
    assert left(tmp_path) == ["file"]
    assert get.told.begun == [("file", 0, len(BODY))]
    assert get.told.count == len(BODY)
    assert get.told.lines == []


@pytest.mark.parametrize("answer", [whole(BODY, Content_Length=None), chunked(BODY)])
def test_a_file_of_unknown_size_comes_too(get, tmp_path, answer):
    assert get(answer, sha256=SHA256) == SHA256
    assert (tmp_path / "file").read_bytes() == BODY


def test_chunks_tell_where_a_file_ends(get, tmp_path):
    assert get(chunked(BODY)) == SHA256
    (tmp_path / "file").unlink()
    with pytest.raises(Unavailable, match="the connection broke off, 3 times"):
        get(chunked(BODY, end=b""))
    assert left(tmp_path) == []


@pytest.mark.parametrize("length", [None, "9" * 5000, "-1", "many"])
def test_where_nothing_tells_that_a_file_is_whole_it_is_refused(get, tmp_path, length):
    with pytest.raises(Unavailable, match="does not say how long the file is"):
        get(whole(BODY, Content_Length=length))
    assert left(tmp_path) == []


def test_an_empty_file_is_a_file(get, tmp_path):
    get(whole(b""))
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.parametrize("interrupted", [cut, stalled])
def test_what_was_interrupted_is_gone_on_with(get, web, tmp_path, interrupted):
    get(interrupted(BODY, 150_000), honest(BODY))
    assert (tmp_path / "file").read_bytes() == BODY
    assert left(tmp_path) == ["file"]
    first, second = web.ranges("/file")
    assert first is None
    start = int(second.removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= 150_000
    assert get.told.begun[1] == ("file", start, len(BODY))
    assert "trying again" in get.told.lines[0]


def test_it_is_gone_on_with_by_another_process_too(get, web, tmp_path):
    with pytest.raises(Unavailable, match="3 times") as refused:
        get(stalled(BODY, 150_000))
    assert "file.part is kept" in str(refused.value)
    assert left(tmp_path) == ["file.part", "file.part.json"]
    assert BODY.startswith((tmp_path / "file.part").read_bytes())
    web.asked.clear()
    get(honest(BODY))
    assert (tmp_path / "file").read_bytes() == BODY
    assert len(web.asked) == 1
    assert web.asked[0][1]["If-Range"] == ETAG
    assert left(tmp_path) == ["file"]


def test_a_part_that_only_lacks_its_name_is_not_asked_for(get, web, tmp_path):
    with pytest.raises(Unavailable):
        get(cut(BODY, 150_000))
    (tmp_path / "file.part").write_bytes(BODY)
    web.asked.clear()
    assert get(status(500)) == SHA256
    assert web.asked == []


def test_whatever_happens_on_the_way_the_file_is_one_version_and_whole(get, tmp_path):
    def unwilling(handler, web):
        (status(416) if "Range" in handler.headers else cut(BODY, 9))(handler, web)

    chance = random.Random(0)
    for _ in range(40):
        trouble = [
            chance.choice(
                [
                    honest(BODY, most=chance.randrange(1, len(BODY))),
                    honest(OTHER, etag='"two"', most=chance.randrange(1, len(BODY))),
                    cut(BODY, chance.randrange(len(BODY))),
                    unwilling,
                    status(503),
                ]
            )
            for _ in range(chance.randrange(5))
        ]
        get(*trouble, honest(BODY), patience=dataclasses.replace(FAST, attempts=9))
        assert (tmp_path / "file").read_bytes() in (BODY, OTHER)
        assert left(tmp_path) == ["file"]
        (tmp_path / "file").unlink()


def test_a_server_that_ignores_ranges_begins_anew(get, web, tmp_path):
    get(cut(BODY, 150_000), whole(BODY))
    assert web.ranges("/file")[1] is not None
    assert (tmp_path / "file").read_bytes() == BODY
    assert get.told.begun[1] == ("file", 0, len(BODY))


def test_a_file_that_changed_begins_anew(get, tmp_path):
    get(cut(BODY, 150_000), honest(OTHER, etag='"two"'))
    assert (tmp_path / "file").read_bytes() == OTHER


@pytest.mark.parametrize(
    "told", ["bytes 5-9/256000", "bytes 1-2/3", "rubbish", f"bytes {2**70}-{2**70}/*", None]
)
def test_a_rest_that_is_not_what_was_asked_is_not_used(get, tmp_path, told):
    def liar(handler, _):
        said(handler, 206, b"x" * 5, ETag=ETAG, Content_Range=told)

    get(cut(BODY, 150_000), liar, whole(BODY))
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_rest_that_cannot_be_had_begins_anew(get, tmp_path):
    get(cut(BODY, 150_000), status(416), whole(BODY))
    assert (tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_name_for_its_version_a_part_is_not_kept(get, web, tmp_path, etag):
    with pytest.raises(Unavailable, match="150,000 of 256,000 bytes came, 3 times$|broke off"):
        get(cut(BODY, 150_000, etag=etag))
    assert web.ranges("/file") == [None, None, None]
    assert left(tmp_path) == []


def test_a_date_names_a_version(get, web, tmp_path):
    date = "Fri, 01 Mar 2024 10:00:00 GMT"
    get(cut(BODY, 150_000, etag=None, Last_Modified=date), whole(BODY))
    assert web.asked[1][1]["If-Range"] == date
    assert (tmp_path / "file").read_bytes() == BODY


def test_parts_that_do_not_make_the_published_file_begin_anew_once(get, web, tmp_path):
    with pytest.raises(Unavailable):
        get(cut(OTHER, 150_000))  # under the name of the same version
    assert get(honest(BODY), sha256=SHA256) == SHA256
    assert (tmp_path / "file").read_bytes() == BODY
    assert "do not fit together" in get.told.lines[0]


def test_another_file_than_the_published_one_is_not_kept(get, tmp_path):
    with pytest.raises(Unavailable, match=f"wanted {SHA256}"):
        get(whole(OTHER), sha256=SHA256)
    assert left(tmp_path) == []


@pytest.mark.parametrize("size", [1, len(BODY) - 1, len(BODY) + 1])
@pytest.mark.parametrize("length", [len(BODY), None])
def test_a_file_of_another_size_is_refused(get, tmp_path, size, length):
    with pytest.raises(Unavailable):
        get(whole(BODY, Content_Length=length, etag=None), size=size)
    assert left(tmp_path) == []


def test_a_length_that_promises_too_much_is_not_believed(get, tmp_path):
    with pytest.raises(Unavailable, match="broke off|of 256,100"):
        get(whole(BODY, Content_Length=len(BODY) + 100, etag=None))
    assert left(tmp_path) == []


def test_a_length_that_promises_too_little_is_found_out_by_the_hash(get, tmp_path):
    with pytest.raises(Unavailable, match="sends another file"):
        get(whole(BODY, Content_Length=1000), sha256=SHA256)
    assert left(tmp_path) == []


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_refusal_is_told_at_once(get, web, tmp_path, code):
    with pytest.raises(Unavailable, match=f"answers {code}") as refused:
        get(status(code))
    assert not refused.value.host_is_dead
    assert len(web.asked) == 1
    assert left(tmp_path) == []


def test_what_a_server_says_cannot_steer_a_terminal(get):
    def rude(handler, _):
        handler.wfile.write(b"HTTP/1.0 404 \x1b[2Jgone\r\nContent-Length: 0\r\n\r\n")

    with pytest.raises(Unavailable, match=r"answers 404 \\x1b\[2Jgone"):
        get(rude)


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "many"])
def test_a_length_that_is_none_is_not_believed(get, tmp_path, length):
    get(whole(BODY, Content_Length=length), sha256=SHA256)
    assert (tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_passing_trouble_passes(get, web, tmp_path, code):
    get(status(code), status(code), whole(BODY))
    assert (tmp_path / "file").read_bytes() == BODY
    assert len(web.asked) == 3


def test_a_lasting_trouble_is_given_up(get, web):
    with pytest.raises(Unavailable, match="answers 500 Internal Server Error, 3 times"):
        get(status(500))
    assert len(web.asked) == 3


@pytest.mark.parametrize(("asks", "gets"), [(1, 1), (5, 5), (3600, 5), ("soon", 0)])
def test_a_server_is_given_the_time_it_asks_for_but_not_hours(get, tmp_path, clock, asks, gets):
    patience = dataclasses.replace(FAST, longest_wait=5)
    get(status(503, Retry_After=asks), whole(BODY), patience=patience)
    assert clock.slept == [gets]
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_server_that_says_nothing_is_dead(get, web):
    with pytest.raises(Unavailable, match="in time") as refused:
        get(silence)
    assert refused.value.host_is_dead
    assert len(web.asked) == 2


def test_a_machine_without_a_server_is_dead(web, tmp_path):
    wanted = source("http://127.0.0.1:9/file")
    with pytest.raises(Unavailable, match="no connection") as refused:
        download(wanted, tmp_path / "file", DownloadWatch(), FAST, http=True)
    assert refused.value.host_is_dead


def test_a_name_that_nobody_knows_is_dead(web, tmp_path, monkeypatch):
    def unknown(*_):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    wanted = source("http://corpus.invalid/file")
    with pytest.raises(Unavailable, match="is there a network") as refused:
        download(wanted, tmp_path / "file", DownloadWatch(), FAST, http=True)
    assert refused.value.host_is_dead


def test_a_redirect_is_followed(get, web, tmp_path):
    web("/elsewhere", whole(BODY))
    get(status(302, Location="/elsewhere"))
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_circle_of_redirects_is_left(get, web):
    with pytest.raises(Unavailable, match="too many redirects"):
        get(status(302, Location="/file"))
    assert len(web.asked) == 4


@pytest.mark.parametrize(
    "place", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x", "http://[x"]
)
def test_a_redirect_leads_nowhere_but_to_the_web(get, tmp_path, place):
    with pytest.raises(Unavailable, match="not an address of the web"):
        get(status(302, Location=place))
    assert left(tmp_path) == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "/etc/passwd", "http://", "x"])
def test_an_address_is_of_the_web(tmp_path, url):
    with pytest.raises(DataError, match="not an address of the web"):
        download(source(url), tmp_path / "file", DownloadWatch(), FAST, http=True)
    assert left(tmp_path) == []


def test_a_page_is_not_the_file(get, tmp_path):
    with pytest.raises(Unavailable, match="web page"):
        get(whole(b"<html>sign in</html>", Content_Type="text/html; charset=utf-8"))
    assert left(tmp_path) == []


def test_a_compressed_archive_stays_one(get, tmp_path):
    archive = gzip.compress(b"pictures")
    get(whole(archive, Content_Encoding="x-gzip"), name="file.tar.gz")
    assert (tmp_path / "file.tar.gz").read_bytes() == archive


@pytest.mark.parametrize("encoding", ["gzip", "br", "x-gzip"])
def test_what_was_compressed_on_the_way_is_not_the_file(get, tmp_path, encoding):
    with pytest.raises(Unavailable, match=f"compressed .{encoding}., which was not asked"):
        get(whole(gzip.compress(BODY), Content_Encoding=encoding), name="labels.csv")
    assert left(tmp_path) == []


PAGES = [
    b"<html>sign in</html>",
    b"\xef\xbb\xbf\n <!DOCTYPE html><p>quota exceeded",
    b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    b"<script>location='/login'</script>",
]


@pytest.mark.parametrize("body", PAGES)
@pytest.mark.parametrize("name", ["file", "a.csd", "a.pkl", "a.csv", "a.json", "a.tar.gz"])
def test_a_page_under_another_type_is_not_the_file(get, tmp_path, name, body):
    with pytest.raises(Unavailable, match="sends what is not .* .begins"):
        get(whole(body, Content_Type="application/octet-stream"), name=name)
    assert left(tmp_path) == []


FILES = {
    "a.csd": b"\x89HDF\r\n\x1a\n...",
    "a.pkl": pickle.dumps({"train": []}, protocol=4),
    "old.pkl": pickle.dumps({"train": []}, protocol=0),
    "a.zip": b"PK\x03\x04...",
    "a.tar.gz": gzip.compress(b"pictures"),
    "a.json": b'\xef\xbb\xbf {"1": {}}',
    "a.csv": b"id,label\n1,<html>\n",
    "a.html": b"<html>a page that is wanted</html>",
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", FILES)
def test_a_file_begins_as_its_name_says(get, tmp_path, name, content):
    suffix = name.rpartition(".")[2]
    tells = suffix not in ("csv", "html")  # text may begin with anything but markup
    wrong = not content.endswith(suffix) if tells else suffix == "csv" and content == "a.html"
    if wrong:
        with pytest.raises(Unavailable, match="sends what is not"):
            get(whole(FILES[content]), name=name)
    else:
        get(whole(FILES[content]), name=name)
    assert left(tmp_path) == ([] if wrong else [name])


def test_what_has_the_published_hash_needs_no_look(get, tmp_path):
    page = b"<html>"
    get(whole(page), name="a.pkl", sha256=hashlib.sha256(page).hexdigest())
    assert left(tmp_path) == ["a.pkl"]


def test_plain_http_is_refused_unless_it_is_allowed(web, tmp_path):
    wanted = source(web("/file", whole(BODY)))
    with pytest.raises(Unavailable, match="plain http.*--allow_http"):
        download(wanted, tmp_path / "file", DownloadWatch(), FAST)
    assert web.asked == []
    assert left(tmp_path) == []


def test_a_redirect_to_plain_http_is_refused(web, tmp_path, monkeypatch):
    """An address of https that leads to http; a proxy stands for the net and speaks no TLS."""
    leaps = []

    class Net(urllib3.PoolManager):
        def request(self, method, url, **options):
            leaps.append(url)
            return super().request(method, url.replace("https://safe", web.address), **options)

    monkeypatch.setattr(urllib3, "PoolManager", Net)
    web("/file", status(302, Location="http://elsewhere.invalid/file"))
    with pytest.raises(Unavailable, match="plain http"):
        download(source("https://safe/file"), tmp_path / "file", DownloadWatch(), FAST)
    assert leaps == ["https://safe/file"]
    assert left(tmp_path) == []


@pytest.fixture
def dripping(clock, monkeypatch):
    """Let each read take so many seconds and give a hundred bytes."""

    def every(seconds):
        read1 = urllib3.HTTPResponse.read1

        def slow(response, amt=None, decode_content=None):
            clock.now += seconds
            return read1(response, 100, decode_content)

        monkeypatch.setattr(urllib3.HTTPResponse, "read1", slow)

    return every


def test_a_server_that_sends_a_little_now_and_then_is_left(get, tmp_path, dripping):
    dripping(10)
    with pytest.raises(Unavailable, match="only 1,300 bytes came in 120 s, 3 times"):
        get(whole(BODY), patience=dataclasses.replace(FAST, stall=120))
    assert left(tmp_path) == ["file.part", "file.part.json"]


def test_a_header_that_never_ends_is_left(get, web, tmp_path):
    """Its bytes come ever again in time; here it is silent, and only the timer can end it."""

    def endless(handler, web):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Padding: ")
        handler.wfile.flush()
        web.closing.wait()

    with pytest.raises(Unavailable, match="does not answer"):
        get(endless, patience=dataclasses.replace(FAST, stall=0.05))
    assert left(tmp_path) == []


def test_a_file_has_one_deadline(get, tmp_path, clock, dripping):
    dripping(10)
    with pytest.raises(Unavailable, match="takes longer than 3,600 s"):
        get(whole(BODY), patience=dataclasses.replace(FAST, total=3600))
    assert clock.now == pytest.approx(3600, abs=20)
    assert left(tmp_path) == ["file.part", "file.part.json"]


def test_waiting_for_another_attempt_counts_too(get, tmp_path, clock):
    patience = dataclasses.replace(FAST, total=100, attempts=99, wait=7, longest_wait=7)
    with pytest.raises(Unavailable, match="takes longer than 100 s"):
        get(status(503), patience=patience)
    assert clock.now == 100
    assert left(tmp_path) == []


def test_the_rest_from_another_place_is_not_joined(get, web, tmp_path):
    """Another mirror may use the same ETag for another file."""
    web("/mirror1", cut(BODY, 150_000))
    web("/mirror2?signature=1", honest(OTHER))
    get(status(302, Location="/mirror1"), status(302, Location="/mirror2?signature=1"))
    assert (tmp_path / "file").read_bytes() == OTHER


def test_a_place_may_change_its_signature(get, web, tmp_path):
    web("/store?signature=1", cut(BODY, 150_000))
    web("/store?signature=2", honest(BODY))
    get(*(status(302, Location=f"/store?signature={n}") for n in (1, 2)))
    assert (tmp_path / "file").read_bytes() == BODY
    assert web.ranges("/store?signature=2")[0] is not None


def careless(body, **headers):
    """Give the rest of a file for any Range, whatever its version."""

    def answer(handler, _):
        wanted = handler.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        told = f"bytes {start}-{len(body) - 1}/{len(body)}" if wanted else None
        said(handler, 206 if wanted else 200, body[start:], Content_Range=told, **headers)

    return answer


@pytest.mark.parametrize("headers", [{}, {"ETag": '"two"'}, {"ETag": 'W/"one"'}])
def test_a_rest_of_no_known_version_is_not_joined(get, tmp_path, headers):
    get(cut(BODY, 150_000), careless(OTHER, **headers))
    assert (tmp_path / "file").read_bytes() == OTHER


def test_a_date_of_this_moment_names_no_version(get, web, tmp_path, monkeypatch):
    now = "Fri, 01 Mar 2024 10:00:00 GMT"
    headers = {"etag": None, "Last_Modified": now}
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda *_: now)
    get(cut(BODY, 150_000, **headers), whole(BODY))
    assert web.ranges("/file") == [None, None]


@pytest.mark.parametrize("length", [len(BODY) - 150_000 + 7, None])
def test_a_rest_longer_than_it_says_is_not_used(get, tmp_path, length):
    def liar(handler, _):
        start = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        told = f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"
        body = BODY[start:] + b"more..."
        said(handler, 206, body, ETag=ETAG, Content_Range=told, Content_Length=length)

    with (
        pytest.raises(Unavailable, match="sends another file .more than 256,000")
        if (length is None)
        else nullcontext()
    ):
        get(cut(BODY, 150_000), liar, whole(BODY))
        assert (tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize("prefix", ["http://", ""])
def test_the_proxy_of_the_environment_is_used(prefix, web, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", prefix + web.address.removeprefix("http://"))
    monkeypatch.setenv("no_proxy", "")
    web("http://corpus.invalid/file", whole(BODY))
    wanted = source("http://corpus.invalid/file")
    download(wanted, tmp_path / "file", DownloadWatch(), FAST, http=True)
    assert (tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize("proxy", ["socks5://me:secret@127.0.0.1:1", "http://[x", "x:99999"])
def test_a_proxy_that_is_none_of_http_is_told(proxy, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(DataError) as caught:
        wanted = source("http://corpus.invalid/file")
        download(wanted, tmp_path / "file", DownloadWatch(), FAST, http=True)
    assert str(caught.value) == (
        "the environment's http_proxy is no address that begins with http:// or https://; correct "
        "it, or give the server in no_proxy"
    )


def test_what_does_not_fit_on_the_disk_is_not_begun(get, tmp_path):
    with pytest.raises(DataError, match="make room"):
        get(cut(b"", 0, Content_Length=2**59))
    assert left(tmp_path) == []


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"url": 1, "validator": "x", "total": "y"}'])
def test_a_note_that_is_damaged_means_beginning_anew(get, web, tmp_path, note):
    part = PartialFile(tmp_path / "file")
    part.path.write_bytes(b"x" * 10)
    (tmp_path / "file.part.json").write_text(note)
    get(honest(BODY))
    assert web.ranges("/file") == [None]
    assert (tmp_path / "file").read_bytes() == BODY
    assert left(tmp_path) == ["file"]
