import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest

from deadpan.data import DATASETS, load
from deadpan.data.conversion import convert_dataset
from deadpan.data.dataset import describe, fingerprint
from deadpan.data.health.inspection import inspect_dataset
from deadpan.data.loading import load_transcripts

from ..refusals import refusal_of

TINY = {"clips": 12, "text_width": 4, "audio_width": 4, "vision_width": 4}


def refusal(source, **options):
    return refusal_of("", load, source, **options)


@pytest.fixture
def table(tmp_path):
    """A clip table and its word vectors."""
    path, vectors = tmp_path / "label.csv", tmp_path / "vectors.txt"
    modes = {"a": "train", "b": "valid", "c": "test", "d": "train"}
    rows = "".join(f"{video},1,good,1.0,{mode}\n" for video, mode in modes.items())
    path.write_text("video_id,clip_id,text,label,mode\n" + rows)
    vectors.write_text("good 1.0 2.0\n")
    return path, vectors


@pytest.fixture
def mult(tmp_path):
    """A pickle in MulT's format under a name that tells nothing."""
    path = tmp_path / "features"
    splits = {
        split: {
            "text": np.ones((2, 3, 4), np.float32),
            "labels": np.zeros((2, 1, 1), np.float32),
            "id": np.array([f"{split}_0", f"{split}_1"]),
        }
        for split in ("train", "valid", "test")
    }
    path.write_bytes(pickle.dumps(splits))
    return path


def test_every_generated_data_set_loads_by_name():
    for name in DATASETS:
        assert load(name, **TINY).name == name
    assert set(DATASETS) == {"controlled"}


def test_a_file_is_known_by_its_content(table, mult):
    path, vectors = table
    renamed = path.rename(path.with_suffix(".data"))
    assert load(renamed, vectors=vectors).widths == {"text": 2}
    assert load(mult).widths == {"text": 4}


def test_a_path_may_be_text_and_may_start_at_home(table, monkeypatch):
    path, vectors = table
    monkeypatch.setenv("HOME", str(path.parent))
    dataset = load("~/label.csv", vectors=f"~/{vectors.name}")
    assert dataset["train"][0].sequences["text"].tolist() == [[1.0, 2.0]]


def test_an_unknown_name_is_answered_with_the_nearest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal("controled") == (
        "unknown data set 'controled'; did you mean 'controlled'? known: controlled; or give the "
        "path of a file"
    )


@pytest.mark.parametrize("name", ["MOSI", "ur-funny"])
def test_a_corpus_that_must_be_got_first_says_so(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert f"'deadpan data list {name.upper()}' says where to get it" in refusal(name)


def test_a_missing_path_and_a_directory_are_refused(tmp_path):
    assert "give the path of one that exists" in refusal(tmp_path / "nothing.pkl")
    assert "empty folder" in refusal(tmp_path)


@pytest.mark.parametrize("missing", ["mosi.pkl", "here/mosi", "~/mosi", "here\\mosi"])
def test_what_looks_like_a_path_is_one(tmp_path, monkeypatch, missing):
    monkeypatch.chdir(tmp_path)
    text = refusal(missing)
    assert text == f"no file or folder '{missing}'; give the path of one that exists"


@pytest.mark.parametrize(
    ("missing", "there"), [("mosi-data.pkl", "mosi_data.pkl"), ("mydat", "mydata")]
)
def test_a_missing_path_is_answered_with_the_nearest(tmp_path, monkeypatch, missing, there):
    monkeypatch.chdir(tmp_path)
    (tmp_path / there).touch()
    assert refusal(missing) == f"no file or folder '{missing}'; did you mean '{there}'?"
    full = tmp_path / missing
    assert refusal(full) == f"no file or folder '{full}'; did you mean '{tmp_path / there}'?"


def test_a_path_that_cannot_be_looked_up_is_refused():
    assert "cannot be opened" in refusal("x" * 5000)
    assert "cannot be opened" in refusal("~no-such-user-here/file.pkl")


def test_an_unknown_option_is_answered_with_the_nearest():
    text = refusal("controlled", carier="text")
    assert "unknown option of controlled 'carier'" in text
    assert "did you mean 'carrier'?" in text
    assert "leave_out" in text  # it is an option of every source
    assert "path" not in text


def test_a_table_needs_its_vectors(table):
    text = refusal(table[0])
    assert "needs the option 'vectors'" in text
    assert "--data_options.vectors" in text


def test_options_that_want_numbers_refuse_all_else():
    for value in (True, "12", None, [12]):
        assert "option 'clips' wants a whole number" in refusal("controlled", clips=value)
        assert "option 'incongruity' wants a number" in refusal("controlled", incongruity=value)
    for value in (12.5, float("nan"), float("inf")):
        assert "option 'clips' wants a whole number" in refusal("controlled", clips=value)


def test_a_whole_number_may_come_as_a_float():
    assert len(load("controlled", **{**TINY, "clips": 12.0})["train"]) == 7


@pytest.mark.parametrize("load", [load, load_transcripts])
def test_leaving_a_group_out_works_for_any_source(load, table):
    path, vectors = table
    dataset = load(path, vectors=Path(vectors), leave_out="b")
    assert [clip.group for clip in dataset["test"]] == ["b"]
    assert [clip.group for clip in dataset["train"]] == ["a"]
    assert "unknown group 'z'" in refusal(path, vectors=vectors, leave_out="z")


def test_a_run_remembers_what_matters_of_its_data(mult):
    facts = describe(load(mult))
    assert facts["name"] == "features"
    assert facts["splits"] == {"train": 2, "valid": 2, "test": 2}
    assert facts["repairs"] == {}
    assert isinstance(facts["warnings"], list)


def test_a_fingerprint_sees_splits_and_groups(mult):
    dataset = load(mult)
    known = fingerprint(dataset)
    swapped = {"train": dataset["test"], "valid": dataset["valid"], "test": dataset["train"]}
    assert fingerprint(dataclasses.replace(dataset, splits=swapped)) != known
    moved = [dataclasses.replace(clip, group="elsewhere") for clip in dataset["train"]]
    splits = {**dataset.splits, "train": moved}
    assert fingerprint(dataclasses.replace(dataset, splits=splits)) != known


def test_steps_may_be_said_to_be_aligned(tmp_path):
    folder = tmp_path / "own"
    for name, lengths in (("audio", (3, 4, 5)), ("face", (3, 4, 2))):
        (folder / name).mkdir(parents=True)
        for clip, steps in enumerate(lengths):
            np.save(folder / name / f"c{clip}.npy", np.ones((steps, 2), np.float32))
    (folder / "labels.csv").write_text("id,label\nc0,-1.5\nc1,0.5\nc2,2\n")
    text = refusal(folder, aligned=True)
    assert "clip 'c2' is not aligned: its modalities have different numbers of steps" in text
    assert "(audio 5, face 2); leave out --data_options.aligned true" in text
    assert load(folder, aligned=False).alignment.startswith("steps are not aligned: --data_opt")
    assert load(folder).alignment == ""
    (folder / "face" / "c2.npy").unlink()  # a missing modality is beside any number of steps
    stored = tmp_path / "own.safetensors"
    convert_dataset(folder, stored, aligned=True)
    said = "steps are aligned: --data_options.aligned says so"
    assert load(stored).alignment == load(folder, aligned=True).alignment == said
    assert load(stored, aligned=True).alignment == said
    assert "'aligned' wants true or false; got 'yes'" in refusal(stored, aligned="yes")
    note = {"gravity": "note", "sentence": said}
    assert note in inspect_dataset(load(stored))["findings"]
