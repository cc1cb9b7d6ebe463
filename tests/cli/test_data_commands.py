import csv
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deadpan.cli import data_commands
from deadpan.cli.failures import Shown
from deadpan.data import corpora
from deadpan.data.corpora import CORPORA, Corpus, Source
from deadpan.errors import DeadpanError

BODY = b"word " * 20_000


@pytest.fixture
def said(capsys):
    """Run a command's function: what it printed, what it told on stderr."""

    def run(command, *arguments):
        command([str(argument) for argument in arguments])
        return capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def address():
    """Of a server that has /file and nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found = self.path == "/file"
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(BODY) if found else 0))
            self.end_headers()
            self.wfile.write(BODY if found else b"")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def tiny(address, monkeypatch):
    """A corpus of one file that is there, one that is not, and one for a person."""
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    sources = (
        Source(url=f"{address}/file", file="a.csd", note="CMU", size=len(BODY)),
        Source(url=f"{address}/gone", file="b.csd", note="CMU"),
        Source(url=f"{address}/page", file="c.pkl", note="MMSA", sha256="0" * 64, by_hand=True),
    )
    corpus = Corpus(
        name="TINY",
        title="Tiny",
        about="Small.",
        task="classes",
        labels=("no", "yes"),
        label_range=None,
        language="English",
        clips=3,
        videos=None,
        hours=None,
        licence="None.",
        citation="None.",
        traps=("It is small.",),
        layout="None.",
        sources=sources,
        how_to_get="Ask.",
    )
    monkeypatch.setitem(corpora.CORPORA, "TINY", corpus)
    return corpus


@pytest.mark.parametrize("columns", [80, 120])
def test_the_list_fits_on_a_terminal(said, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = said(data_commands.data_list).out
    assert max(map(len, out.splitlines())) <= columns
    rows = out.splitlines()[1:]
    assert [row.split()[0] for row in rows[: len(CORPORA)]] == list(CORPORA)
    assert rows[1].split() == (
        "MOSEI regression -3 to 3 22,856 3,228 65.9 16326/1871/4659 5 files".split()
    )


@pytest.mark.parametrize("name", CORPORA)
def test_everything_about_one_is_told(said, name):
    corpus = CORPORA[name]
    out = said(data_commands.data_list, name.lower()).out
    flat = " ".join(out.split())
    for text in (corpus.title, corpus.licence, corpus.citation, corpus.layout, *corpus.traps):
        assert text in flat
    assert corpus.how_to_get in flat
    for source in corpus.sources:
        assert source.url in out.split()  # on one line, to be copied
        assert (source.sha256 or "") in out
    assert f"{corpus.clips:,}" in out


def test_the_list_is_json(said):
    listed = json.loads(said(data_commands.data_list, "--json").out)
    assert [corpus["name"] for corpus in listed] == list(CORPORA)
    one = json.loads(said(data_commands.data_list, "MELD", "--json").out)
    assert one == listed[list(CORPORA).index("MELD")]
    assert one["splits"] == {"train": 9989, "valid": 1109, "test": 2610}


def test_the_list_is_a_table(said, tmp_path):
    file = tmp_path / "list.csv"
    assert said(data_commands.data_list, "--csv", file).err == f"{file}: 9 data sets\n"
    assert "(replaced)" in said(data_commands.data_list, "--csv", file).err
    with file.open(encoding="utf-8", newline="") as stream:
        rows = {row["name"]: row for row in csv.DictReader(stream)}
    assert list(rows) == list(CORPORA)
    assert (rows["CH-SIMS"]["least_label"], rows["CH-SIMS"]["train"]) == ("-1.0", "1368")
    assert rows["MUStARD"]["train"] == rows["MUStARD"]["hours"] == rows["UR-FUNNY"]["test"] == ""


def test_no_split_is_told_from_one_that_is_not_known(said):
    assert CORPORA["UR-FUNNY"].splits is None
    listed = {line.split()[0]: line for line in said(data_commands.data_list).out.splitlines()}
    assert listed["UR-FUNNY"].split()[-3] == "?"
    assert listed["MUStARD"].split()[-3] == "none"
    assert "10,166 (splits not surely known)" in said(data_commands.data_list, "UR-FUNNY").out
    assert "690 (no standard split)" in said(data_commands.data_list, "MUStARD").out
    assert json.loads(said(data_commands.data_list, "UR-FUNNY", "--json").out)["splits"] is None


def test_a_table_that_cannot_be_written_is_told(said, tmp_path):
    with pytest.raises(DeadpanError, match="give one of them"):
        said(data_commands.data_list, "--json", "--csv", tmp_path / "x")
    with pytest.raises(DeadpanError, match="not a file in a directory"):
        said(data_commands.data_list, "--csv", tmp_path)


def test_a_table_may_go_to_the_home(said, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    said(data_commands.data_list, "--csv=~/list.csv")
    assert (tmp_path / "list.csv").is_file()


def test_help_and_typos_are_told(said):
    with pytest.raises(Shown, match="deadpan data fetch NAME"):
        said(data_commands.data_fetch, "--help")
    with pytest.raises(DeadpanError, match="did you mean 'MOSI'"):
        said(data_commands.data_fetch, "MOSSI")
    with pytest.raises(DeadpanError, match="did you mean 'MELD'"):
        said(data_commands.data_list, "MELT")


def test_what_was_fetched_is_told(said, tiny, tmp_path):
    told = said(data_commands.data_fetch, "TINY", "--out", tmp_path, "--file", "a.csd")
    flat = " ".join(told.out.split())
    assert "a.csd: 100,000 bytes, fetched" in flat
    assert hashlib.sha256(BODY).hexdigest() in flat
    assert told.err == "a.csd: 100,000 bytes\n"
    told = said(data_commands.data_fetch, "TINY", "--out", tmp_path, "--file", "a.csd")
    assert "was there" in " ".join(told.out.split())
    assert told.err == ""


def test_a_terminal_sees_a_bar(said, tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    told = said(data_commands.data_fetch, "TINY", "--out", tmp_path, "--file", "a.csd")
    assert "100.0/100.0 kB" in told.err


def test_what_could_not_be_had_is_told_with_what_to_do(tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DeadpanError, match=r"TINY: 1 of 2 files could not be fetched \(b\.csd"):
        data_commands.data_fetch(["TINY"])
    told = capsys.readouterr()
    assert "b.csd: 127.0.0.1 answers 404 Not Found" in told.err
    assert told.out.split("by hand\n")[1].splitlines() == [
        "Ask.",
        "data/TINY/b.csd",
        "    CMU",
        f"    {tiny.sources[1].url}",
        "data/TINY/c.pkl",
        "    MMSA",
        f"    {tiny.sources[2].url}",
        f"    SHA-256 {'0' * 64}",
    ]
    assert [path.name for path in (tmp_path / "data" / "TINY").iterdir()] == ["a.csd"]


def test_an_interrupted_download_says_how_to_go_on(tiny, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("deadpan.data.fetching.fetch.fetch_corpus", stop)
    with pytest.raises(KeyboardInterrupt, match="go on with: deadpan data fetch TINY --out"):
        data_commands.data_fetch(["TINY", "--out", str(tmp_path)])
