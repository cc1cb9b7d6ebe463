import h5py
import numpy as np
import pytest

from deadpan.data.formats.csd.file import csd_file, csd_paths, csd_videos, looks_like_csd
from deadpan.data.formats.csd.file import looks_like_csd_folder as looks_like_folder

from ....refusals import refusal_of
from .computational_sequences import in_a_row, write_csd

SOUND = (np.arange(6.0).reshape(3, 2), in_a_row(0, 1, 2, 3))


def refusal(path):
    return refusal_of(f"{path}: ", lambda: list(csd_videos(csd_file(path))))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "COVAREP.csd"


@pytest.mark.parametrize("stored", [{}, {"compression": "gzip", "compression_opts": 9}])
def test_what_a_file_says_of_itself(stored, path):
    data = {"w": SOUND, "v": (np.ones((1, 2)), [[0.5, 2]])}
    write_csd(path, "COVAREP", data, description="a voice", dimensions=["pitch", "VUV"], **stored)
    file = csd_file(path)
    assert (file.path, file.root, file.description) == (path, "COVAREP", "a voice")
    assert (file.dimensions, file.holds, file.width) == (("pitch", "VUV"), "numbers", 2)
    videos = dict(csd_videos(file))
    assert list(videos) == ["v", "w"]
    (entry,) = videos["w"]
    assert entry.number is None
    np.testing.assert_array_equal(entry.features, SOUND[0])
    np.testing.assert_array_equal(entry.intervals, SOUND[1])


def test_pieces_of_a_video_come_by_number(path):
    pieces = {f"v[{i}]": ([[float(i)]], [[i, i + 1]]) for i in (10, 2, 0)}
    write_csd(path, "x", {**pieces, "w[a]": ([[5.0]], [[0, 1]])})
    videos = dict(csd_videos(csd_file(path)))
    assert [(e.number, e.features.item()) for e in videos["v"]] == [(0, 0), (2, 2), (10, 10)]
    assert [e.number for e in videos["w[a]"]] == [None]


@pytest.mark.parametrize("kind", ["fixed", "varying"])
def test_words_are_texts(kind, path):
    words = np.array([["hello"], ["sp"], ["caf\u00e9"]])
    if kind == "varying":
        with h5py.File(path, "w") as file:
            data = words.astype(object)
            file.create_dataset("words/data/v/features", data=data, dtype=h5py.string_dtype())
            file["words/data/v/intervals"] = SOUND[1]
    else:
        write_csd(path, "words", {"v": (words, SOUND[1])}, compression="gzip")
    file = csd_file(path)
    assert (file.root, file.holds, file.width) == ("words", "texts", 1)
    ((_, (entry,)),) = csd_videos(file)
    assert entry.features.tolist() == words.tolist()


def test_metadata_may_be_missing_or_no_json(path):
    write_csd(path, "x", {"v": SOUND})
    with h5py.File(path, "a") as file:
        for name, value in (
            ("computational sequence description", b"not JSON"),
            ("dimension names", b"[" * 100_000),
        ):
            if name in file["x/metadata"]:
                del file[f"x/metadata/{name}"]
            file[f"x/metadata/{name}"] = np.array([value])
    assert csd_file(path).description == "not JSON"
    assert csd_file(path).dimensions == ()
    with h5py.File(path, "a") as file:
        del file["x/metadata"]
    assert csd_file(path).description == ""


def test_entries_without_steps_are_left_out(path):
    write_csd(path, "x", {"v": SOUND, "w": (np.zeros((0, 2)), np.zeros((0, 2)))})
    assert {video: len(entries) for video, entries in csd_videos(csd_file(path))} == {
        "v": 1,
        "w": 0,
    }


def test_what_is_not_finite_survives(path):
    write_csd(path, "x", {"v": ([[np.nan], [-np.inf], [np.inf]], SOUND[1])})
    ((_, (entry,)),) = csd_videos(csd_file(path))
    assert str(entry.features.ravel().tolist()) == "[nan, -inf, inf]"


@pytest.mark.parametrize(
    ("features", "intervals", "wanted"),
    [
        (np.ones((3, 2)), in_a_row(0, 1, 2), "has shape (2, 2); wanted start and end of 3"),
        (np.ones((3, 2)), np.ones((3, 3)), "has shape (3, 3)"),
        (np.ones((3, 2)), np.ones(3), "has shape (3,)"),
        (np.ones((3, 4)), in_a_row(0, 1, 2, 3), "has shape (3, 4); wanted [step, 2]"),
        (np.ones(3), in_a_row(0, 1, 2, 3), "has shape (3,); wanted [step, 2]"),
        (np.ones((2, 2)), [[0, 1], [2, 1.5]], "step 1 is from 2 to 1.5 s (1 such steps)"),
        (np.ones((2, 2)), [[0, np.nan], [2, 1]], "step 0 is from 0 to nan s (2 such steps)"),
        (np.ones((2, 2)), [[0, 1], [2, np.inf]], "step 1 is from 2 to inf s"),
    ],
)
def test_entries_that_do_not_fit_are_named(features, intervals, wanted, path):
    write_csd(path, "x", {"a": SOUND, "v": (features, intervals)})
    text = refusal(path)
    assert wanted in text
    assert "/x/data/v/" in text


def test_a_file_of_another_format_is_told(path):
    with h5py.File(path, "w") as file:
        file["d1"] = np.ones(3)
    assert "no group holds 'data' (found d1); give a computational sequence" in refusal(path)
    with h5py.File(path, "w") as file:
        file.create_group("x/data")
    assert "'/x/data': holds no videos" in refusal(path)
    with h5py.File(path, "w") as file:
        file["x/data/v/features"] = np.ones((3, 2))
    assert "'/x/data/v/intervals': is missing (found features)" in refusal(path)
    with h5py.File(path, "w") as file:
        file["x/data/v/features"] = np.ones(3)
    assert "holds numbers of shape (3,); wanted numbers or texts [step, width]" in refusal(path)
    with h5py.File(path, "w") as file:
        file["x/data/v"] = np.ones(3)
    assert "'/x/data/v': is no group" in refusal(path)


def test_recognised_by_content(tmp_path, path):
    write_csd(path, "COVAREP", {"v": SOUND})
    other = path.rename(tmp_path / "anything.bin")
    assert looks_like_csd(other)
    assert looks_like_folder(tmp_path)
    assert csd_paths(tmp_path) == [other]
    with h5py.File(other, "w") as file:
        file["d1"] = np.ones(3)
    assert not looks_like_csd(other)
    assert not looks_like_folder(tmp_path)
    assert not looks_like_folder(tmp_path / "absent")
    assert not looks_like_csd(tmp_path / "absent")


def test_a_damaged_csd_is_still_one(tmp_path, path):
    write_csd(path, "COVAREP", {"v": SOUND})
    (tmp_path / "._COVAREP.csd").write_bytes(b"of another system")
    content = path.read_bytes()
    path.write_bytes(content[:200])
    assert looks_like_csd(path)
    assert csd_paths(tmp_path) == [path]
    path.write_bytes(b"<html>")
    assert not looks_like_csd(path)
    assert csd_paths(tmp_path) == [path]  # so that its folder says what is wrong with it
    assert "is no HDF5 file" in refusal(path)
