import csv
import hashlib
import json

import pytest

import deadpan as library
import deadpan.data.fetching.components as fetching
from deadpan.data import components
from deadpan.data.components import COMPONENTS, Component, ComponentFile, Package

BODY = b"words"


@pytest.fixture
def tiny(monkeypatch):
    """The only component: two files, which nobody can have."""
    files = tuple(
        ComponentFile(file=name, size=5, sha256=hashlib.sha256(BODY).hexdigest(), pieces=())
        for name in ("a.txt", "b.txt")
    )
    nowhere = Package(name="x", version="1", url="https://x/x", size=1, sha256="0" * 64)
    facts = {"name": "tiny", "role": "test", "about": "", "version": "1", "licence": "MIT"}
    tiny = Component(**facts, commercial=False, files=files, packages=(nowhere,))
    monkeypatch.setattr(components, "_read_components", lambda: {"tiny": tiny})
    return tiny


@pytest.fixture
def here(tiny, tmp_path, monkeypatch):
    """Where its files are: the default folder."""
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "data" / "components" / "tiny"
    home.mkdir(parents=True)
    for file in tiny.files:
        (home / file.file).write_bytes(BODY)
    return home


def test_the_list_is_a_table(deadpan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = deadpan("components", "list")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == list(COMPONENTS)
    assert lines[1].split() == ["whisper-base", *"speech to text 147.9 MIT yes -".split()]
    assert max(map(len, lines)) <= 80


def test_the_list_says_what_is_here(deadpan, here):
    assert deadpan("components", "list")[1].splitlines()[1].split() == (
        "tiny test 0.0 MIT no data/components/tiny".split()
    )
    (here / "b.txt").unlink()
    assert deadpan("components", "list")[1].splitlines()[1].split()[-1] == "-"


def test_the_list_is_written_as_json_and_csv(deadpan, here, tmp_path):
    rows = json.loads(deadpan("components", "list", "--json", "--folder", here.parent)[1])
    assert rows == library.components(folder=here.parent)
    (row,) = rows
    assert row["files"][0] == {
        "file": "a.txt",
        "size": 5,
        "sha256": hashlib.sha256(BODY).hexdigest(),
    }
    assert (row["path"], row["size"], row["commercial"]) == (str(here), 10, False)
    assert deadpan("components", "list", "--csv", tmp_path / "list.csv")[0] == 0
    with (tmp_path / "list.csv").open(encoding="utf-8", newline="") as stream:
        (flat,) = csv.DictReader(stream)
    assert flat == {k: str(x) for k, x in row.items() if k != "files"} | {
        "path": "data/components/tiny"
    }


def test_what_is_there_is_verified_and_not_fetched(deadpan, here):
    for command in ("fetch", "verify"):
        status, out, err = deadpan("components", command, "tiny")
        assert (status, err) == (0, "")
        assert out.split("\n")[0].rstrip() == "data/components/tiny/a.txt: 5 bytes, was there"
    assert deadpan("components", "verify") == (status, out, err)
    assert [file.path.name for file in library.verify_components("tiny")] == ["a.txt", "b.txt"]


def test_what_is_wrong_or_missing_is_one_line(refused, here):
    (here / "a.txt").write_bytes(b"wurds")
    (here / "b.txt").unlink()
    for arguments in (["tiny"], [], ["tiny", "--folder", here.parent]):
        line = refused("components", "verify", *arguments)
        assert "tiny/a.txt: is another file (5 bytes" in line
        assert "tiny/b.txt: is missing" in line
    assert "tiny/a.txt: is another file" in refused("components", "fetch", "tiny")


def test_where_nothing_is_there_that_is_told(refused, tiny, tmp_path):
    line = refused("components", "verify", "--folder", tmp_path / "none")
    assert line.endswith("none: holds no component; 'deadpan components list' lists them")
    assert "a.txt: is missing" in refused("components", "verify", "tiny", "--folder", tmp_path)


def test_a_name_is_wanted_and_the_nearest_is_told(refused):
    assert "did you mean 'glove-6b-50d'?" in refused("components", "fetch", "glove-6b")
    assert "did you mean 'silero-vad'?" in refused("components", "verify", "silerovad")
    assert refused("components", "fetch").startswith("give the name of a component: whisper-base, ")


def test_an_interrupted_download_says_how_to_go_on(deadpan, tiny, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetching, "fetch_component", interrupted)
    status, _, err = deadpan("components", "fetch", "tiny", "--out", tmp_path)
    command = f"deadpan components fetch tiny --out {tmp_path}"
    assert (status, err) == (130, f"deadpan: interrupted; go on with: {command}\n")
