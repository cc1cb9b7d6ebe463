from pathlib import Path

import pytest

from deadpan.recordings.files import recordings_of

from ..refusals import refusal_of

TABLE = Path("labels.csv")


@pytest.fixture
def folder(tmp_path):
    for name in (
        *("a.mp4", "b.wav", "b.json", "deep/c.MOV", "deep/d_1.mkv", ".hidden.mp4", "a.png"),
        *("both.wav", "both.mp4", "notes.txt"),
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


@pytest.mark.parametrize(
    ("clip", "file"),
    [
        ("a", "a.mp4"),
        ("a.mp4", "a.mp4"),
        ("b", "b.wav"),
        ("c", "deep/c.MOV"),
        ("deep/c", "deep/c.MOV"),
        ("deep_c", "deep/c.MOV"),
        ("both", "both.mp4"),
        ("both.wav", "both.wav"),
    ],
)
def test_a_recording_is_found_by_its_clips_id(folder, clip, file):
    assert recordings_of(folder, [clip], {}, TABLE) == {clip: folder / file}


def test_a_column_of_files_goes_before_the_id(folder):
    files = {"a": "deep/c.MOV", "x": str(folder / "b.wav"), "y": "d_1", "z": "nowhere.mp4"}
    assert recordings_of(folder, ["a", "b", "x", "y", "z", "w"], files, TABLE) == {
        "a": folder / "deep/c.MOV",
        "b": folder / "b.wav",
        "x": folder / "b.wav",
        "y": folder / "deep/d_1.mkv",
    }


def test_several_clips_may_be_of_one_file(folder):
    by_id = recordings_of(folder, ["x", "y"], {"x": "c", "y": "c"}, TABLE)
    assert set(by_id.values()) == {folder / "deep/c.MOV"}


def test_two_videos_of_one_name_are_refused(folder):
    (folder / "a.mkv").touch()
    text = refusal_of(folder, recordings_of, folder, ["a"], {}, TABLE)
    assert text.endswith("keep one file per clip")
    assert recordings_of(folder, ["a"], {"a": "a.mkv"}, TABLE) == {"a": folder / "a.mkv"}


def test_a_folder_that_does_not_fit_is_refused(folder):
    text = refusal_of(folder, recordings_of, folder, ["x9"], {}, TABLE)
    assert "no recording is named as labels.csv names clips (a recording is 'a.mp4', a clip" in text
    (folder / "empty").mkdir()
    empty = folder / "empty"
    assert "holds no recording" in refusal_of(empty, recordings_of, empty, ["a"], {}, TABLE)
    missing = folder / "missing"
    assert "no such folder" in refusal_of(missing, recordings_of, missing, ["a"], {}, TABLE)
    file = folder / "a.mp4"
    assert "is no folder" in refusal_of(file, recordings_of, file, ["a"], {}, TABLE)
