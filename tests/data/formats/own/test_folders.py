import unicodedata

import numpy as np
import pytest

from deadpan.data.formats.own.folders import feature_folders
from deadpan.errors import DataError


def save(folder, *names):
    """Write an array into a folder under each of these names."""
    for name in names:
        path = folder / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.zeros((1, 1)))
    return folder


def matches(home, *ids):
    (folder,) = feature_folders(home)
    return {
        clip: path.relative_to(folder.path).as_posix()
        for clip, path in folder.files_of(ids).items()
    }


def refusal(home, *ids):
    with pytest.raises(DataError) as caught:
        matches(home, *ids)
    return str(caught.value)


def test_folders_are_modalities_unless_hidden(tmp_path):
    for name in ("face", "audio", ".git", "__pycache__"):
        save(tmp_path / name, "a")
    (tmp_path / "labels.csv").touch()
    assert [folder.path.name for folder in feature_folders(tmp_path)] == ["audio", "face"]


def test_a_folder_of_other_things_is_told_from_one_of_folders(tmp_path):
    (tmp_path / "a_raw" / "video").mkdir(parents=True)
    (tmp_path / "b_empty").mkdir()
    (tmp_path / "c_mat").mkdir()
    (tmp_path / "c_mat" / "x.mat").touch()
    found = {
        folder.path.name: (len(folder.files), folder.has_other_files)
        for folder in feature_folders(tmp_path)
    }
    assert found == {"a_raw": (0, False), "b_empty": (0, True), "c_mat": (0, True)}


def test_ids_that_differ_in_case_or_are_written_in_any_script(tmp_path):
    save(tmp_path / "face", "x", "X", "片段")
    assert matches(tmp_path, "x", "X", "片段") == {x: f"{x}.npy" for x in ("x", "X", "片段")}


@pytest.mark.parametrize(("name", "clip"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_written_either_way_are_the_same(name, clip, tmp_path):
    save(tmp_path / "face", unicodedata.normalize(name, "café"))
    assert len(matches(tmp_path, unicodedata.normalize(clip, "café"))) == 1


def test_two_files_of_one_clip(tmp_path):
    (save(tmp_path / "face", "a") / "a.csv").write_text("1\n")
    assert matches(tmp_path, "b") == {}
    assert refusal(tmp_path, "a").endswith("a.npy: there is a.csv too; keep one file per clip")


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("b", "b.mp4"),
        ("b.mp4", "b"),
        ("b.wav", "b.MP4"),
        ("a/b", "a/b.mp4"),
        ("a/b", "a\\b"),
        ("b", "a/b.mp4"),
        ("b.mp4", "x/a/b.mp4"),
        ("speaker/b", "b"),
        ("x/speaker/b", "speaker/b"),
        ("video/3", "video_3"),
    ],
)
def test_the_file_of_a_clip_may_be_named_by_a_part_of_its_path(name, clip, tmp_path):
    save(tmp_path / "face", name, "other/c")
    assert matches(tmp_path, clip, "none") == {clip: f"{name}.npy"}


@pytest.mark.parametrize(
    ("name", "clip"), [("s1/b", "s2/b"), ("b.1", "b.2"), ("b.v2", "b"), ("ab", "b")]
)
def test_names_that_are_not_of_one_clip(name, clip, tmp_path):
    save(tmp_path / "face", name)
    assert matches(tmp_path, clip) == {}


def test_the_whole_id_is_preferred(tmp_path):
    save(tmp_path / "face", "b", "old/b", "b.mp4")
    assert matches(tmp_path, "b", "b.mp4") == {"b": "b.npy", "b.mp4": "b.mp4.npy"}


def test_two_files_that_may_be_of_one_clip_are_refused(tmp_path):
    save(tmp_path / "face", "s1/b", "s2/b")
    assert refusal(tmp_path, "b") == (
        f"{tmp_path / 'face'}: s1/b.npy and s2/b.npy may both be of clip 'b'; keep one, or name it "
        f"by the whole id"
    )
    assert len(matches(tmp_path, "s1/b", "s2/b")) == 2


def test_a_file_that_may_be_of_two_clips_is_refused(tmp_path):
    save(tmp_path / "face", "1")
    assert refusal(tmp_path, "a/1", "b/1") == (
        f"{tmp_path / 'face' / '1.npy'}: may be of clip 'a/1' and of 'b/1'; name it by the whole id"
    )


@pytest.mark.parametrize("place", ["face", "face/s1", "."])
def test_a_link_that_leads_in_a_circle_or_to_what_is_here_is_not_followed(place, tmp_path):
    folder = save(tmp_path / "face", "a", "s1/b")
    (folder / "again").symlink_to(tmp_path / place)
    (folder / "s1" / "again").symlink_to(tmp_path / place)
    assert matches(tmp_path, "a", "b") == {"a": "a.npy", "b": "s1/b.npy"}


def test_a_link_to_a_folder_elsewhere_is_followed_once(tmp_path):
    home, disk = tmp_path / "home", tmp_path / "disk"
    save(disk, "s1/b", "s2/b")
    save(home / "face", "a")
    for name in ("s1", "s2"):
        (home / "face" / name).symlink_to(disk / name)
    (disk / "s1" / "other").symlink_to(disk / "s2")
    wanted = {"a": "a.npy", "s1/b": "s1/b.npy", "s2/b": "s2/b.npy"}
    assert matches(home, *wanted) == wanted
