import numpy as np

from deadpan.data.formats.own.features import find_clip_table, looks_like_own, read_modality
from deadpan.data.formats.own.folders import feature_folders

from ....refusals import refusal_of


def save(folder, **files):
    """Write arrays, as NAME=rows, into a folder."""
    folder.mkdir(exist_ok=True)
    for name, rows in files.items():
        np.save(folder / f"{name}.npy", np.array(rows, dtype=np.float32))
    return folder


def read_folder(home, *ids):
    (folder,) = feature_folders(home)
    return read_modality(folder, folder.files_of(ids), ids, "labels.csv")


def refusal(call, *arguments):
    return refusal_of("", call, *arguments)


def test_a_folder_with_one_table_is_own_data(tmp_path):
    assert not looks_like_own(tmp_path)
    assert not looks_like_own(tmp_path / "none")
    table = tmp_path / "any.CSV"
    table.write_text("id,label\na,1\n")
    (tmp_path / "._any.csv").write_bytes(b"\0")  # macOS puts it on foreign disks
    (tmp_path / "folder.csv").mkdir()
    assert looks_like_own(tmp_path)
    assert not looks_like_own(table)
    assert find_clip_table(tmp_path) == table
    table.write_text("name,score\na,1\n")
    assert not looks_like_own(tmp_path)


def test_no_table_or_two_are_told(tmp_path):
    assert "has no clip table; give it one" in refusal(find_clip_table, tmp_path)
    assert not looks_like_own(tmp_path)
    for name in ("a.csv", "b.tsv"):
        (tmp_path / name).write_text("id,label\na,1\n")
    assert looks_like_own(tmp_path)
    assert "has 2 tables: a.csv, b.tsv; give one of them" in refusal(find_clip_table, tmp_path)


def test_the_one_that_is_a_clip_table_is_found_among_others(tmp_path):
    (tmp_path / "labels.CSV").write_text("ID;Label\na;1\n")
    (tmp_path / "notes.csv").write_text("what,when\nx,y\n")
    (tmp_path / "settings.json").write_text('{"id": 1, "label": 2}')
    (tmp_path / "~$labels.xlsx").write_bytes(b"PK\x03\x04xl/")
    assert find_clip_table(tmp_path).name == "labels.CSV"


def test_a_folder_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    def deny(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.iterdir", deny)
    assert not looks_like_own(tmp_path)
    assert refusal(find_clip_table, tmp_path).startswith(
        f"{tmp_path}: cannot be read (Permission denied)"
    )
    assert refusal(feature_folders, tmp_path).startswith(f"{tmp_path}: cannot be read (Permission")


def test_what_each_clip_has(tmp_path):
    folder = save(
        tmp_path / "face", a=[[1, 2]], none=np.zeros((0, 2)), old=[[1, 2]], older=[[0, 0]]
    )
    (folder / "b.c.CSV").write_text("3,4\n5,6\n")
    (folder / ".DS_Store").touch()
    clips, warnings = read_folder(tmp_path, "a", "b.c", "none", "absent")
    assert {name: x.values.tolist() for name, x in clips.items()} == {
        "a": [[1, 2]],
        "b.c": [[3, 4], [5, 6]],
    }
    assert warnings == [
        "1 clips have no file in 'face' (first: 'absent'): they lack face",
        "1 files in 'face' have no step (first: 'none.npy'): their clips lack face",
        "2 files in 'face' are of no clip in labels.csv (first: 'old.npy', 'older.npy'): they were "
        "ignored",
    ]


def test_no_file_of_any_clip(tmp_path):
    save(tmp_path / "face", clip_1=[[1]])
    assert refusal(read_folder, tmp_path, "1", "2") == (
        f"{tmp_path / 'face'}: no file is named by an id (a file is 'clip_1.npy', an id '1'); "
        f"name the files by ids, or move the folder elsewhere"
    )


def test_no_file_with_a_step(tmp_path):
    save(tmp_path / "face", a=np.zeros((0, 2)))
    assert "no file has a step" in refusal(read_folder, tmp_path, "a")


def test_widths_that_differ(tmp_path):
    save(tmp_path / "face", a=[[1, 2]], b=[[1, 2, 3]])
    assert refusal(read_folder, tmp_path, "a", "b") == (
        f"{tmp_path / 'face' / 'b.npy'}: has 3 features per step, a.npy has 2; wanted one width"
    )


def test_columns_in_another_order(tmp_path):
    folder = save(tmp_path / "face", c=[[1, 2]])
    (folder / "a.csv").write_text("smile,frown\n1,2\n")
    (folder / "b.csv").write_text("frown,smile\n1,2\n")
    assert list(read_folder(tmp_path, "a", "c")[0]) == ["a", "c"]
    assert "b.csv: feature 1 is 'frown', in a.csv 'smile'" in refusal(
        read_folder, tmp_path, "a", "b"
    )


def test_a_file_that_is_none_matters_only_where_a_clip_names_it(tmp_path):
    folder = save(tmp_path / "face", a=[[1]])
    (folder / "b.npy").mkdir()
    assert "(first: 'b.npy'): they were ignored" in read_folder(tmp_path, "a")[1][0]
    assert "b.npy: is a directory" in refusal(read_folder, tmp_path, "a", "b")
    (folder / "c.npy").symlink_to(folder / "gone")
    assert "c.npy: no such file" in refusal(read_folder, tmp_path, "c")


def test_a_name_that_no_model_could_use(tmp_path):
    save(tmp_path / "open.face", a=[[1]])
    assert "a modality's name has only letters, digits, - and _" in refusal(
        read_folder, tmp_path, "a"
    )


def test_arrays_of_width_by_steps_are_transposed_and_told(tmp_path):
    folder = tmp_path / "mfcc"
    folder.mkdir()
    arrays = {name: np.arange(13 * n).reshape(13, n) for n, name in enumerate("abcd", 20)}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    clips, warnings = read_folder(tmp_path, *arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(clips[name].values, array.T)
    assert warnings == [
        "arrays in 'mfcc' are [13, steps], as only their second axis varies: they were transposed "
        "to [steps, 13]"
    ]
    # Most have one width: the others are of another kind, as a file too many would be.
    for name in "bcd":
        np.save(folder / f"{name}.npy", np.zeros((13, 30)))
    assert "b.npy: has 30 features per step, a.npy has 20" in refusal(
        read_folder, tmp_path, *arrays
    )


def test_arrays_of_one_axis_and_many_lengths_are_steps_of_one_feature(tmp_path):
    folder = tmp_path / "pitch"
    folder.mkdir()
    for n, name in enumerate("abc", 2):
        np.save(folder / f"{name}.npy", np.arange(n))
    clips, warnings = read_folder(tmp_path, *"abc")
    assert [x.values.shape for x in clips.values()] == [(2, 1), (3, 1), (4, 1)]
    assert "are [1, steps]" in warnings[0]


def test_tables_of_width_by_steps_are_transposed_where_columns_are_only_counted(tmp_path):
    folder = tmp_path / "mfcc"
    folder.mkdir()
    for n, name in enumerate("abc", 4):
        header = ",".join(["", *map(str, range(n))])
        rows = [",".join(map(str, [row, *[row + 0.5] * n])) for row in range(2)]
        (folder / f"{name}.csv").write_text("\n".join([header, *rows]))
    clips, _ = read_folder(tmp_path, *"abc")
    assert [x.values.shape for x in clips.values()] == [(4, 2), (5, 2), (6, 2)]
    assert clips["a"].values[0].tolist() == [0.5, 1.5]


def test_what_was_done_to_files_is_one_sentence_for_all(tmp_path):
    folder = tmp_path / "face"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.csv").write_text("frame,success,a\n1,1,7\n2,0,0\n3,0,0\n")
    assert read_folder(tmp_path, *"abc")[1] == [
        "6 steps in 'face' are without success and were left out as missing (first: 'a.csv')",
        "3 files in 'face' have columns that are no features: frame, success (first: 'a.csv')",
    ]
    (folder / "a.csv").write_text("frame,success,a\n1,0,7\n")
    assert "no file has a step (1 steps in 'face' are without success and" in refusal(
        read_folder, tmp_path, "a"
    )
