import dataclasses
import hashlib
import random
import socket

import pytest

from deadpan.data.corpora import Source
from deadpan.data.fetching.download import (
    DownloadWatch,
    PartialFile,
    Unavailable,
    download,
)
from deadpan.errors import DataError

from .web import ETAG, FAST, cut, honest, said, silence, stalled, status, whole

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

    def get(*answers, patience=FAST, **known):
        get.told = Told()
        url = web("/file", *answers)
        return download(source(url, **known), tmp_path / "file", get.told, patience)

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


def test_a_file_of_unknown_size_comes_too(get, tmp_path):
    assert get(whole(BODY, Content_Length=None)) == SHA256
    assert (tmp_path / "file").read_bytes() == BODY


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


def test_the_rest_of_another_version_is_not_put_behind_the_first(get, tmp_path):
    def careless(handler, _):  # heeds Range, but not If-Range
        wanted = handler.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        told = f"bytes {start}-{len(OTHER) - 1}/{len(OTHER)}" if wanted else None
        said(handler, 206 if wanted else 200, OTHER[start:], ETag='"two"', Content_Range=told)

    get(cut(BODY, 150_000), careless)
    assert (tmp_path / "file").read_bytes() == OTHER


@pytest.mark.parametrize(
    "told", ["bytes 5-9/256000", "bytes 1-2/3", "rubbish", f"bytes {2**70}-{2**70}/*"]
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
    get(whole(BODY, Content_Length=length))
    assert (tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_passing_trouble_passes(get, web, tmp_path, code):
    get(status(code), status(code), whole(BODY))
    assert (tmp_path / "file").read_bytes() == BODY
    assert len(web.asked) == 3


def test_a_lasting_trouble_is_given_up(get, web):
    with pytest.raises(Unavailable, match="too many 500 error responses"):
        get(status(500))
    assert len(web.asked) == 3


@pytest.mark.parametrize(("asks", "gets"), [(1, 1), (5, 5), (3600, 5)])
def test_a_server_is_given_the_time_it_asks_for_but_not_hours(get, tmp_path, slept, asks, gets):
    patience = dataclasses.replace(FAST, longest_wait=5)
    get(status(503, Retry_After=asks), whole(BODY), patience=patience)
    assert slept == [gets]
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_server_that_says_nothing_is_dead(get, web):
    with pytest.raises(Unavailable, match="in time") as refused:
        get(silence)
    assert refused.value.host_is_dead
    assert len(web.asked) == 2


def test_a_machine_without_a_server_is_dead(web, tmp_path):
    wanted = source("http://127.0.0.1:9/file")
    with pytest.raises(Unavailable, match="no connection") as refused:
        download(wanted, tmp_path / "file", DownloadWatch(), FAST)
    assert refused.value.host_is_dead


def test_a_name_that_nobody_knows_is_dead(web, tmp_path, monkeypatch):
    def unknown(*_):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    wanted = source("http://corpus.invalid/file")
    with pytest.raises(Unavailable, match="is there a network") as refused:
        download(wanted, tmp_path / "file", DownloadWatch(), FAST)
    assert refused.value.host_is_dead


def test_a_redirect_is_followed(get, web, tmp_path):
    web("/elsewhere", whole(BODY))
    get(status(302, Location="/elsewhere"))
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_circle_of_redirects_is_left(get, web):
    with pytest.raises(Unavailable, match="too many redirects"):
        get(status(302, Location="/file"))
    assert len(web.asked) == 4


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x"])
def test_a_redirect_leads_nowhere_but_to_the_web(get, tmp_path, place):
    with pytest.raises(Unavailable, match="not an address of the web"):
        get(status(302, Location=place))
    assert left(tmp_path) == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "/etc/passwd", "http://", "x"])
def test_an_address_is_of_the_web(tmp_path, url):
    with pytest.raises(DataError, match="not an address of the web"):
        download(source(url), tmp_path / "file", DownloadWatch(), FAST)
    assert left(tmp_path) == []


def test_a_page_is_not_the_file(get, tmp_path):
    with pytest.raises(Unavailable, match="web page"):
        get(whole(b"<html>sign in</html>", Content_Type="text/html; charset=utf-8"))
    assert left(tmp_path) == []


def test_a_compressed_archive_stays_one(get, tmp_path):
    get(whole(BODY, Content_Encoding="x-gzip"))
    assert (tmp_path / "file").read_bytes() == BODY


def test_the_proxy_of_the_environment_is_used(web, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", web.address)
    monkeypatch.setenv("no_proxy", "")
    web("http://corpus.invalid/file", whole(BODY))
    wanted = source("http://corpus.invalid/file")
    download(wanted, tmp_path / "file", DownloadWatch(), FAST)
    assert (tmp_path / "file").read_bytes() == BODY


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
