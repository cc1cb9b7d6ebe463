import errno
import json
import os

import pytest

from deadpan.errors import RunError
from deadpan.files import read_json, write_csv, write_json
from deadpan.training.opened import RunDirectory
from deadpan.training.settings import Settings

SETTINGS = Settings(data="controlled")


def create(path):
    return RunDirectory.create(path, SETTINGS, {"command": "test"})


def test_a_new_run_can_be_read_again(tmp_path):
    run = create(tmp_path / "deep" / "run")
    assert RunDirectory(run.path).settings() == SETTINGS
    assert run.environment() == {"command": "test"}
    assert sorted(p.name for p in run.path.iterdir()) == ["config.yaml", "environment.json"]
    assert [p.name for p in run.path.parent.iterdir()] == ["run"]


def test_a_taken_place_is_left_as_it_is(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "folder", "link"):
        with pytest.raises(RunError, match="exists already; choose another --out"):
            create(tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder", "link"]


def test_a_start_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        create(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["data: [", "- a", "", "\xff", "data: x\nepochz: 3"])
def test_a_damaged_configuration_is_refused_in_one_line(tmp_path, text):
    run = create(tmp_path / "run")
    run.config_file.write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError) as caught:
        run.settings()
    assert str(run.config_file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_json_that_is_missing_or_damaged_is_refused(tmp_path):
    path = tmp_path / "x.json"
    with pytest.raises(RunError, match="missing"):
        read_json(path)
    for text, reason in (("{", "not valid JSON"), ("[1]", "should hold a JSON object")):
        path.write_text(text)
        with pytest.raises(RunError, match=reason):
            read_json(path)


def test_json_writes_nan_as_null_at_any_depth(tmp_path):
    nan = float("nan")
    write_json(tmp_path / "x.json", {"a": nan, "b": [nan, {"c": (nan, 1)}], "ü": "ß"})
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": None, "b": [None, {"c": [None, 1]}], "ü": "ß"}
    assert "ß" in text


def test_tables_quote_what_needs_it_and_keep_every_digit(tmp_path):
    path = tmp_path / "x.csv"
    write_csv(path, [{"words": 'a "b", c\nd', "x": 0.1 + 0.2}])
    assert path.read_text() == 'words,x\n"a ""b"", c\nd",0.30000000000000004\n'


def test_no_rows_make_no_table(tmp_path):
    write_csv(tmp_path / "x.csv", [])
    assert not (tmp_path / "x.csv").exists()


def test_leftovers_are_cleaned_and_nothing_else(tmp_path):
    run = create(tmp_path / "run")
    (run.path / ".epochs.csv.1.tmp").write_text("")
    (run.path / "notes.tmp").write_text("")
    (run.path / ".hidden").write_text("")
    run.clean()
    names = sorted(p.name for p in run.path.iterdir())
    assert names == [".hidden", "config.yaml", "environment.json", "notes.tmp"]
