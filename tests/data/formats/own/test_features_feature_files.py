import unicodedata

import numpy as np
import pytest

from deadpan.data.formats.own.features import (
    feature_folders,
    looks_like_own,
    read_modality,
    table_of,
)
from deadpan.errors import DataError


def save(folder, **files):
    """Write arrays, as NAME=rows, into a folder."""
    folder.mkdir(exist_ok=True)
    for name, rows in files.items():
        np.save(folder / f"{name}.npy", np.array(rows, dtype=np.float32))
    return folder


def read(home, *ids):
    (folder,) = feature_folders(home)
    return read_modality(folder, ids)


def refusal(call, *arguments):
    with pytest.raises(DataError) as caught:
        call(*arguments)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_folder_with_one_table_is_own_data(tmp_path):
    assert not looks_like_own(tmp_path)
    assert not looks_like_own(tmp_path / "none")
    table = tmp_path / "any.CSV"
    table.write_text("id,label\na,1\n")
    (tmp_path / "._any.csv").write_bytes(b"\0")  # macOS puts it on foreign disks
    (tmp_path / "folder.csv").mkdir()
    assert looks_like_own(tmp_path)
    assert not looks_like_own(table)
    assert table_of(tmp_path) == table
    table.write_text("name,score\na,1\n")
    assert not looks_like_own(tmp_path)


def test_no_table_or_two_are_told(tmp_path):
    assert "wanted one clip table (.csv); found none" in refusal(table_of, tmp_path)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("id,label\na,1\n")
    assert not looks_like_own(tmp_path)
    assert "found a.csv, b.csv; name the file" in refusal(table_of, tmp_path)


def test_a_folder_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    def deny(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.iterdir", deny)
    assert not looks_like_own(tmp_path)
    assert refusal(table_of, tmp_path).startswith(f"{tmp_path}: cannot be read (Permission denied)")
    assert refusal(feature_folders, tmp_path).startswith(f"{tmp_path}: cannot be read (Permission")


def test_folders_are_modalities_unless_hidden(tmp_path):
    for name in ("face", "audio", ".git", "__pycache__"):
        save(tmp_path / name, a=[[1]])
    (tmp_path / "labels.csv").touch()
    assert [folder.path.name for folder in feature_folders(tmp_path)] == ["audio", "face"]


def test_a_folder_of_other_things_is_told_from_one_of_folders(tmp_path):
    (tmp_path / "a_raw" / "video").mkdir(parents=True)
    (tmp_path / "b_empty").mkdir()
    (tmp_path / "c_mat").mkdir()
    (tmp_path / "c_mat" / "x.mat").touch()
    found = {
        folder.path.name: (len(folder.files), folder.other) for folder in feature_folders(tmp_path)
    }
    assert found == {"a_raw": (0, False), "b_empty": (0, True), "c_mat": (0, True)}


def test_what_each_clip_has(tmp_path):
    folder = save(
        tmp_path / "face", a=[[1, 2]], none=np.zeros((0, 2)), old=[[1, 2]], older=[[0, 0]]
    )
    (folder / "b.c.CSV").write_text("3,4\n5,6\n")
    (folder / ".DS_Store").touch()
    got = read(tmp_path, "a", "b.c", "none", "absent")
    assert {name: x.values.tolist() for name, x in got.clips.items()} == {
        "a": [[1, 2]],
        "b.c": [[3, 4], [5, 6]],
    }
    assert (got.width, got.missing, got.unknown) == (2, ("absent",), ("old.npy", "older.npy"))
    assert [path.name for path in got.empty] == ["none.npy"]


def test_ids_that_differ_in_case_or_are_written_in_any_script(tmp_path):
    save(tmp_path / "face", x=[[1]], X=[[2]], 片段=[[3]])
    got = read(tmp_path, "x", "X", "片段")
    assert [x.values.item() for x in got.clips.values()] == [1, 2, 3]


@pytest.mark.parametrize(("name", "clip"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_written_either_way_are_the_same(name, clip, tmp_path):
    save(tmp_path / "face", **{unicodedata.normalize(name, "café"): [[1]]})
    assert read(tmp_path, unicodedata.normalize(clip, "café")).missing == ()


def test_no_file_of_any_clip(tmp_path):
    save(tmp_path / "face", clip_1=[[1]])
    assert refusal(read, tmp_path, "1", "2") == (
        f"{tmp_path / 'face'}: no file is named by an id (a file is 'clip_1.npy', an id '1'); "
        f"name the files by ids, or move the folder elsewhere"
    )


def test_no_file_with_a_step(tmp_path):
    save(tmp_path / "face", a=np.zeros((0, 2)))
    assert "no file has a step" in refusal(read, tmp_path, "a")


def test_widths_that_differ(tmp_path):
    save(tmp_path / "face", a=[[1, 2]], b=[[1, 2, 3]])
    assert refusal(read, tmp_path, "a", "b") == (
        f"{tmp_path / 'face' / 'b.npy'}: has 3 features per step, a.npy has 2; wanted one width"
    )


def test_columns_in_another_order(tmp_path):
    folder = save(tmp_path / "face", c=[[1, 2]])
    (folder / "a.csv").write_text("smile,frown\n1,2\n")
    (folder / "b.csv").write_text("frown,smile\n1,2\n")
    assert read(tmp_path, "a", "c").width == 2
    assert "b.csv: feature 1 is 'frown', in a.csv 'smile'" in refusal(read, tmp_path, "a", "b")


def test_two_files_of_one_clip(tmp_path):
    (save(tmp_path / "face", a=[[1]]) / "a.csv").write_text("1\n")
    assert "a.npy: there is a.csv too; keep one file per clip" in refusal(read, tmp_path, "a")


def test_a_file_that_is_none_matters_only_where_a_clip_names_it(tmp_path):
    folder = save(tmp_path / "face", a=[[1]])
    (folder / "b.npy").mkdir()
    assert read(tmp_path, "a").unknown == ("b.npy",)
    assert "b.npy: is a directory" in refusal(read, tmp_path, "a", "b")
    (folder / "c.npy").symlink_to(folder / "gone")
    assert "c.npy: no such file" in refusal(read, tmp_path, "c")


def test_a_name_that_no_model_could_use(tmp_path):
    save(tmp_path / "open.face", a=[[1]])
    assert "a modality's name has only letters, digits, - and _" in refusal(read, tmp_path, "a")
