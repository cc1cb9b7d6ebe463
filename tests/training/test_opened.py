import errno
import json
import os

import pytest

from deadpan.errors import RunError
from deadpan.training.environment import DataFacts, Environment
from deadpan.training.opened import RunDirectory
from deadpan.training.settings import Settings

SETTINGS = Settings(data="controlled")
ENVIRONMENT = Environment(
    command="deadpan train",
    commit=None,
    dirty=None,
    deadpan="0.1.0",
    python="3.11.7",
    torch="2.9.0",
    platform="Linux",
    threads=2,
    native=True,
    started="2025-11-23T18:30:00+00:00",
    parameters=7,
    task="regression",
    labels=("sentiment",),
    modalities=("text",),
    dataset=DataFacts(
        name="controlled",
        task="regression",
        splits={"train": 3},
        fingerprint="0f1e",
        repairs={},
        warnings=["beware"],
    ),
)


def create(path):
    return RunDirectory.create(path, SETTINGS, ENVIRONMENT)


def test_a_new_run_can_be_read_again(tmp_path):
    run = create(tmp_path / "deep" / "run")
    assert RunDirectory(run.path).settings() == SETTINGS
    assert run.environment() == ENVIRONMENT
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


def test_leftovers_are_cleaned_and_nothing_else(tmp_path):
    run = create(tmp_path / "run")
    (run.path / ".epochs.csv.1.tmp").write_text("")
    (run.path / "notes.tmp").write_text("")
    (run.path / ".hidden").write_text("")
    run.clean()
    names = sorted(p.name for p in run.path.iterdir())
    assert names == [".hidden", "config.yaml", "environment.json", "notes.tmp"]


def test_an_environment_may_say_more_but_not_less(tmp_path):
    run = create(tmp_path / "run")
    values = json.loads(run.environment_file.read_text())
    # A later version's, and one from before models could warn.
    run.environment_file.write_text(json.dumps(values | {"gpu": "none"}))
    assert run.environment() == ENVIRONMENT
    del values["warnings"]
    run.environment_file.write_text(json.dumps(values))
    assert run.environment() == ENVIRONMENT
    for changed, reason in (
        ({"parameters": "many"}, "parameters wants a whole number; got 'many'"),
        ({"labels": "sentiment"}, "labels wants a list; got 'sentiment'"),
        ({"dataset": {}}, "dataset: has no 'name'"),
        ({"dataset": values["dataset"] | {"splits": {"train": None}}}, "splits: train wants a"),
    ):
        run.environment_file.write_text(json.dumps(values | changed))
        with pytest.raises(RunError, match=reason) as refused:
            run.environment()
        assert str(refused.value).startswith(f"{run.environment_file}: ")
        assert str(refused.value).endswith("that ended one epoch or more")
