import hashlib

import pytest

from deadpan.data.corpora import Corpus, Source
from deadpan.data.fetching.download import DownloadWatch
from deadpan.data.fetching.fetch import IncompleteCorpus, default_folder, fetch_corpus
from deadpan.errors import DataError, DeadpanError
from deadpan.locks import LOCK

from ...held import held_elsewhere
from .web import FAST, cut, silence, status, whole

BODY = b"word " * 1000
SHA256 = hashlib.sha256(BODY).hexdigest()


def corpus(*sources, **about):
    facts = {"name": "TINY", "title": "", "about": "", "task": "regression", "language": ""}
    facts |= {"labels": ("sentiment",), "label_range": (-3.0, 3.0), "clips": 1, "videos": None}
    facts |= {"hours": None, "licence": "", "citation": "", "traps": (), "layout": ""}
    return Corpus(**facts, sources=sources, **about)


def source(url, file="a.csd", **known):
    return Source(url=url, file=file, note="a friend", **known)


def got(of, folder, **options):
    return fetch_corpus(of, folder, patience=FAST, allow_http=True, **options)


def left(folder):
    """The files of a folder, with those of its own folders."""
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return sorted(path.as_posix() for path in files)


def digest(body):
    return hashlib.sha256(body).hexdigest()


def test_every_file_is_fetched(web, tmp_path):
    tiny = corpus(
        source(web("/a", whole(BODY)), sha256=SHA256, size=len(BODY)),
        source(web("/b", whole(b"b")), "b.csv"),
    )
    a, b = got(tiny, tmp_path / "deep" / "TINY")
    assert (a.path, b.path) == (
        tmp_path / "deep/TINY/a.csd",
        tmp_path / "deep/TINY/unverified/b.csv",
    )
    assert (a.size, a.sha256, a.verified, a.was_there) == (len(BODY), SHA256, True, False)
    assert (b.size, b.verified) == (1, False)
    assert a.path.read_bytes() == BODY
    assert left(tmp_path / "deep" / "TINY") == ["SHA256SUMS", "a.csd", "unverified/b.csv"]


@pytest.mark.parametrize("wrong", [status(404), status(500), whole(b"x"), cut(BODY, 9)])
def test_the_next_source_is_tried(web, tmp_path, wrong):
    tiny = corpus(source(web("/first", wrong), sha256=SHA256), source(web("/second", whole(BODY))))
    told = []

    class Listener(DownloadWatch):
        def say(self, line):
            told.append(line)

    (file,) = got(tiny, tmp_path, watch=Listener())
    assert file.path.read_bytes() == BODY
    assert left(tmp_path) == ["a.csd"]


def test_where_no_source_answers_it_is_told_and_the_rest_is_kept(web, tmp_path):
    tiny = corpus(
        source(web("/a", status(404))),
        source(web("/also-a", status(403))),
        source(web("/b", whole(b"b")), "b.csv"),
    )
    with pytest.raises(IncompleteCorpus) as refused:
        got(tiny, tmp_path)
    assert str(refused.value) == (
        "TINY: 1 of 2 files could not be fetched (a.csd: 127.0.0.1 answers 404 Not Found; "
        "127.0.0.1 answers 403 Forbidden); 'deadpan data list TINY' lists what to get by hand"
    )
    assert refused.value.missing == ("a.csd",)
    assert left(tmp_path) == ["SHA256SUMS", "unverified/b.csv"]


def test_a_server_that_does_not_answer_is_not_asked_again(web, tmp_path):
    tiny = corpus(source(web("/a", silence)), source(web("/b", silence), "b.csv"))
    with pytest.raises(IncompleteCorpus, match="2 of 2 files"):
        got(tiny, tmp_path)
    assert {path for path, _ in web.asked} == {"/a"}


def test_what_is_there_is_verified_and_not_fetched_again(web, tmp_path):
    tiny = corpus(
        source(web("/a", whole(BODY)), sha256=SHA256), source(web("/b", whole(b"b")), "b.csv")
    )
    got(tiny, tmp_path)
    web.asked.clear()
    a, b = got(tiny, tmp_path)
    assert (a.was_there, a.verified, b.was_there, b.verified) == (True, True, True, False)
    assert web.asked == []


@pytest.mark.parametrize("known", [{"sha256": SHA256}, {"size": 7}])
def test_another_file_under_the_name_is_left_alone(web, tmp_path, known):
    (tmp_path / "a.csd").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"a\.csd: is another file \(4 bytes, SHA-256 .*move it"):
        got(corpus(source(web("/a", whole(BODY)), **known)), tmp_path)
    assert (tmp_path / "a.csd").read_bytes() == b"mine"
    assert web.asked == []


def test_a_folder_under_the_name_is_told(web, tmp_path):
    (tmp_path / "a.csd").mkdir()
    with pytest.raises(DataError, match=r"a\.csd: is not a file and in the way"):
        got(corpus(source(web("/a", whole(BODY)))), tmp_path)


def test_a_file_for_the_folder_is_told(web, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file: is not a folder"):
        got(corpus(source(web("/a", whole(BODY)))), tmp_path / "file")
    with pytest.raises(DataError, match=r"cannot be written \(Not a directory\)"):
        got(corpus(source(web("/a", whole(BODY)))), tmp_path / "file" / "below")


def test_a_full_disk_is_told_and_nothing_stands_under_the_name(web, tmp_path):
    (tmp_path / "unverified").mkdir()
    (tmp_path / "unverified" / "a.csd.part").symlink_to("/dev/full")
    with pytest.raises(DataError, match=r"a\.csd: cannot be written \(No space left on device\)"):
        got(corpus(source(web("/a", whole(BODY)))), tmp_path)
    assert not (tmp_path / "unverified" / "a.csd").exists()


def test_a_folder_that_may_not_be_written_to_is_told(web, tmp_path, monkeypatch):
    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("deadpan.data.fetching.download.PartialFile.restart", forbidden)
    with pytest.raises(DataError, match=r"a\.csd: cannot be written \(Permission denied\)"):
        got(corpus(source(web("/a", whole(BODY)))), tmp_path)
    assert left(tmp_path) == []


def test_a_single_file_can_be_had(web, tmp_path):
    tiny = corpus(source(web("/a", whole(BODY))), source(web("/b", whole(b"b")), "b.csv"))
    assert [file.path.name for file in got(tiny, tmp_path, file="b.csv")] == ["b.csv"]
    assert left(tmp_path) == ["SHA256SUMS", "unverified/b.csv"]
    with pytest.raises(DataError, match=r"unknown file of TINY 'c\.csv'; did you mean"):
        got(tiny, tmp_path, file="c.csv")


def test_what_takes_a_person_is_not_asked_for(web, tmp_path):
    page = source(web("/page", whole(BODY)), by_hand=True, sha256=SHA256)
    with pytest.raises(IncompleteCorpus, match="no source can be fetched by a program"):
        got(corpus(page), tmp_path / "new")
    with pytest.raises(IncompleteCorpus, match="which only a person can follow"):
        got(corpus(page), tmp_path, file="a.csd")
    assert web.asked == []
    assert not (tmp_path / "new").exists()


def test_what_a_person_put_there_is_verified(web, tmp_path):
    page = source(web("/page", whole(BODY)), by_hand=True, sha256=SHA256)
    (tmp_path / "a.csd").write_bytes(BODY)
    (file,) = got(corpus(page), tmp_path)
    assert (file.was_there, file.verified) == (True, True)
    (tmp_path / "a.csd").write_bytes(BODY[1:])
    with pytest.raises(DataError, match="is another file"):
        got(corpus(page), tmp_path)


def test_an_address_that_is_not_of_the_web_is_refused(tmp_path):
    with pytest.raises(DataError, match="not an address of the web"):
        got(corpus(source("file:///etc/passwd")), tmp_path)
    assert left(tmp_path) == []


def test_a_corpus_has_its_folder():
    assert str(default_folder(corpus())) == "data/TINY"


def test_the_first_download_of_an_unverified_file_is_recorded(web, tmp_path):
    lines = []

    class Listener(DownloadWatch):
        def say(self, line):
            lines.append(line)

    tiny = corpus(source(web("/a", whole(b"id,label")), "a.csv"))
    (file,) = got(tiny, tmp_path, watch=Listener())
    assert file.path == tmp_path / "unverified" / "a.csv"
    assert not file.verified
    assert "unverified, because nobody published its SHA-256" in lines[-1]
    record = (tmp_path / "SHA256SUMS").read_text()
    assert record == f"{digest(b'id,label')}  unverified/a.csv\n"


def test_later_downloads_are_held_to_the_first(web, tmp_path):
    tiny = corpus(source(web("/a", whole(b"1,2")), "a.csv"))
    (first,) = got(tiny, tmp_path)
    first.path.unlink()
    moved = corpus(
        source(web("/mirror", whole(b"3,4")), "a.csv"), source(web("/a", whole(b"1,2")), "a.csv")
    )
    (again,) = got(moved, tmp_path)  # the first mirror has another file
    assert again.path.read_bytes() == b"1,2"
    again.path.unlink()
    web("/a", whole(b"5,6"))
    with pytest.raises(IncompleteCorpus, match="SHA256SUMS holds the SHA-256 of the first"):
        got(tiny, tmp_path)
    assert left(tmp_path) == ["SHA256SUMS"]
    (tmp_path / "SHA256SUMS").unlink()
    (new,) = got(tiny, tmp_path)
    assert new.path.read_bytes() == b"5,6"


def test_an_unverified_file_that_changed_on_disk_is_told(web, tmp_path):
    tiny = corpus(source(web("/a", whole(b"1,2")), "a.csv"))
    (first,) = got(tiny, tmp_path)
    assert got(tiny, tmp_path)[0].was_there
    first.path.write_bytes(b"1,3")
    with pytest.raises(DataError, match="is another file"):
        got(tiny, tmp_path)


def test_a_record_of_several_files_keeps_all(web, tmp_path):
    tiny = corpus(*(source(web(f"/{n}", whole(n.encode())), f"{n}.csv") for n in "ab"))
    got(tiny, tmp_path)
    assert (tmp_path / "SHA256SUMS").read_text() == (
        f"{digest(b'a')}  unverified/a.csv\n{digest(b'b')}  unverified/b.csv\n"
    )


def test_a_file_from_before_the_record_is_recorded(web, tmp_path):
    tiny = corpus(source(web("/a", whole(b"1,2")), "a.csv"))
    (file,) = got(tiny, tmp_path)
    (tmp_path / "SHA256SUMS").unlink()  # or the process was killed before it was written
    assert got(tiny, tmp_path)[0].was_there
    assert file.sha256 in (tmp_path / "SHA256SUMS").read_text()
    assert len(web.asked) == 1


@pytest.mark.parametrize("record", ["rubbish", "12  unverified/a.csv", b"\xff\xfe"])
def test_a_record_that_is_damaged_is_told(web, tmp_path, record):
    record = record if isinstance(record, bytes) else record.encode()
    (tmp_path / "SHA256SUMS").write_bytes(record)
    with pytest.raises(DataError, match="SHA256SUMS.*remove it to trust the next download"):
        got(corpus(source(web("/a", whole(b"1,2")), "a.csv")), tmp_path)
    assert web.asked == []


def test_a_hash_that_one_source_published_holds_for_all(web, tmp_path):
    tiny = corpus(
        source(web("/first", status(404)), sha256=SHA256), source(web("/second", whole(b"x")))
    )
    with pytest.raises(IncompleteCorpus, match=f"wanted {SHA256}"):
        got(tiny, tmp_path)
    assert left(tmp_path) == []


def test_a_file_that_the_user_put_there_is_not_moved(web, tmp_path):
    (tmp_path / "a.csv").write_bytes(b"mine")
    (file,) = got(corpus(source(web("/a", whole(b"1,2")), "a.csv")), tmp_path)
    assert (file.path, file.was_there, file.verified) == (tmp_path / "a.csv", True, False)
    assert web.asked == []


def test_of_two_at_once_one_goes_on_and_one_is_told(web, tmp_path):
    tiny = corpus(source(web("/a", whole(b"1,2")), "a.csv"))
    with held_elsewhere(tmp_path / LOCK):
        with pytest.raises(DeadpanError, match="another 'deadpan data fetch' works there"):
            got(tiny, tmp_path)
        assert web.asked == []
    (file,) = got(tiny, tmp_path)
    assert file.path.read_bytes() == b"1,2"


def test_plain_http_is_refused_with_the_option_that_allows_it(web, tmp_path):
    tiny = corpus(source(web("/a", whole(b"1,2")), "a.csv"))
    with pytest.raises(IncompleteCorpus, match="--allow_http"):
        fetch_corpus(tiny, tmp_path, patience=FAST)
    assert web.asked == []
