import hashlib
import json
import shutil

import pytest
from safetensors import safe_open

import deadpan
from deadpan.data import load
from deadpan.data.conversion import convert_dataset, provenance
from deadpan.data.dataset import fingerprint
from deadpan.errors import DataError

from .store.toy_datasets import assert_same

TINY = {"clips": 16, "text_width": 8, "audio_width": 6, "vision_width": 5}
MODEL = {"width": 8, "heads": 2, "layers": 1, "head_blocks": 1}


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.safetensors"


@pytest.fixture
def table(tmp_path):
    """A clip table and its word vectors."""
    path, vectors = tmp_path / "label.csv", tmp_path / "vectors.txt"
    modes = {"a": "train", "b": "valid", "ç": "test", "d": "train", "e": "train"}
    rows = "".join(f"{video},1,{video} good,1.0,{mode}\n" for video, mode in modes.items())
    path.write_text("video_id,clip_id,text,label,mode\n" + rows, encoding="utf-8")
    vectors.write_text("good 1.0 2.0\na 0.5 0\n")
    return path, vectors


def facts_in(path):
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["deadpan.dataset"])


def test_a_store_tells_what_it_was_made_of(table, out):
    path, vectors = table
    source = load(path, vectors=vectors)
    assert_same(convert_dataset(path, out, vectors=str(vectors)), source)
    facts = facts_in(out)
    assert facts["fingerprint"] == fingerprint(source)
    assert facts["source"] == {
        "name": "label.csv",
        "size": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "options": {
            "vectors": {
                "name": "vectors.txt",
                "size": 21,
                "sha256": hashlib.sha256(b"good 1.0 2.0\na 0.5 0\n").hexdigest(),
            }
        },
    }


def test_the_same_data_make_the_same_bytes_wherever_they_are(table, out, tmp_path):
    path, vectors = table
    convert_dataset(path, out, vectors=vectors)
    other = shutil.copytree(tmp_path, tmp_path / "elsewhere")
    again = other / "again"
    convert_dataset(other / "label.csv", again, vectors=other / "vectors.txt")
    assert again.read_bytes() == out.read_bytes()


def test_a_generated_data_set_is_told_by_its_options(out):
    assert_same(convert_dataset("controlled", out, **TINY), load("controlled", **TINY))
    assert facts_in(out)["source"] == {"name": "controlled", "options": TINY}


def test_options_are_those_of_the_source(table, out):
    path, vectors = table
    dataset = convert_dataset(path, out, vectors=vectors)
    assert dataset.widths == {"text": 2}
    assert facts_in(out)["source"]["options"]["vectors"]["name"] == vectors.name


def test_a_folder_is_told_by_all_its_files(tmp_path):
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "b").write_bytes(b"12")
    (folder / "deep" / "a").write_bytes(b"345")
    (folder / "none").symlink_to("nowhere")
    first = provenance(folder, {})
    hashes = {n: hashlib.sha256(x).hexdigest() for n, x in (("b", b"12"), ("deep/a", b"345"))}
    text = "".join(f"{name} {hashed}\n" for name, hashed in hashes.items())
    assert first == {
        "name": "folder",
        "size": 5,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "options": {},
    }
    (folder / "b").rename(folder / "c")
    assert provenance(folder, {})["sha256"] != first["sha256"]


def test_an_option_that_is_no_path_is_told_as_it_is(tmp_path):
    for value in (3, 0.5, None, True, "x" * 5000, "~nobody-of-this-name", "\0"):
        assert provenance(tmp_path, {"x": value})["options"] == {"x": value}
    assert provenance(tmp_path, {"x": ["a"]})["options"] == {"x": "['a']"}


def test_a_source_that_goes_away_is_told_in_one_line(tmp_path):
    with pytest.raises(DataError, match=r"gone: cannot be read \(No such file or directory\)"):
        provenance(tmp_path / "gone", {})


def test_what_is_taken_is_refused_before_the_source_is_read(out):
    out.touch()
    with pytest.raises(DataError, match="exists already; remove it or choose another name"):
        convert_dataset("no such source", out)
    out.unlink()
    with pytest.raises(DataError, match="no file or folder 'no such.csv'"):
        convert_dataset("no such.csv", out)
    assert not out.exists()


def test_places_that_would_surprise_are_refused(table, tmp_path):
    source, vectors = table
    with pytest.raises(DataError, match="names a directory; name the file"):
        convert_dataset(source, f"{tmp_path}/new/", vectors=vectors)
    with pytest.raises(DataError, match="of which it would become a part; write it elsewhere"):
        convert_dataset(tmp_path, tmp_path / "store.safetensors")
    assert sorted(tmp_path.iterdir()) == sorted(table)


def test_a_store_is_never_of_a_part(out):
    with pytest.raises(DataError, match="leave_out: a store holds the whole data set"):
        convert_dataset("controlled", out, leave_out="speaker1")
    assert not out.exists()


def test_training_on_a_store_is_training_on_its_source(out, tmp_path):
    convert_dataset("controlled", out, **TINY)
    runs = {
        source: deadpan.train(
            source, out=tmp_path / f"run{i}", epochs=1, model_options=MODEL, data_options=options
        ).path
        for i, (source, options) in enumerate((("controlled", TINY), (str(out), {})))
    }
    one, other = ((run / "model.safetensors").read_bytes() for run in runs.values())
    assert one == other
