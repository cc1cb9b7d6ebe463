import os
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from deadpan.data.formats.own.features import (
    feature_folders,
    find_clip_table,
    looks_like_own,
    read_features,
    read_modality,
)
from deadpan.errors import DataError


def file_refusal(path, content=None):
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        read_features(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text


def csv(folder, text):
    path = folder / "x.csv"
    path.write_text(text, encoding="utf-8")
    return read_features(path)


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "|i1", ">u2", "<i8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_of_any_type_of_number(dtype, order, tmp_path):
    wanted = np.arange(6).reshape(3, 2).astype(dtype, order=order)
    np.save(tmp_path / "x.npy", wanted)
    got = read_features(tmp_path / "x.npy")
    np.testing.assert_array_equal(got.values, wanted)
    assert got.values.dtype == np.dtype(dtype)
    assert (got.names, got.times) == ((), None)


def test_an_array_of_one_axis_is_one_feature_per_step(tmp_path):
    np.save(tmp_path / "x.npy", np.array([1.5, 2.5]))
    assert read_features(tmp_path / "x.npy").values.tolist() == [[1.5], [2.5]]


@pytest.mark.parametrize("shape", [(0,), (0, 7)])
def test_an_array_without_steps(shape, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(shape))
    assert len(read_features(tmp_path / "x.npy").values) == 0


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (np.array([{}], dtype=object), "holds pickled objects, never read; save it as float32"),
        (np.array([["a"]]), "holds str32, no numbers"),
        (np.array([[True]]), "holds bool, no numbers"),
        (np.array([[1j]]), "holds complex128, no numbers"),
        (np.zeros(2, dtype=[("a", "f4")]), "no numbers"),
        (np.zeros(()), "has shape (); wanted (steps, width) or (steps,)"),
        (np.zeros((1, 2, 3)), "has shape (1, 2, 3)"),
        (np.zeros((2, 0)), "has shape (2, 0)"),
    ],
)
def test_arrays_that_are_no_sequences(value, wanted, tmp_path):
    np.save(tmp_path / "x.npy", value)
    assert wanted in file_refusal(tmp_path / "x.npy")


def npy_header(text):
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ("(1000000000000, 74)", "is cut off: shape (1000000000000, 74) of float32 is"),
        ("(1" + "0" * 400 + ", 3)", "is cut off"),
        ("(-1, 2)", "has shape (-1, 2)"),
        ("(2, 2", "no array of numbers"),
        ("[2, 2]", "no array of numbers"),
        ("(" * 3000, "no array of numbers"),
        ("__import__('os').abort(),", "no array of numbers"),
    ],
)
def test_what_a_header_declares_is_held_against_the_file(shape, wanted, tmp_path):
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    assert wanted in file_refusal(tmp_path / "x.npy", npy_header(text) + b"\0" * 8)


def test_a_truncated_array_is_refused_wherever_it_ends(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.ones((2, 3), np.float32))
    whole = path.read_bytes()
    for end in range(1, len(whole)):
        file_refusal(path, whole[:end])
    assert "is cut off: shape (2, 3) of float32 is 24 bytes, found 23" in file_refusal(
        path, whole[:-1]
    )


@given(data=st.data())
def test_a_damaged_array_is_read_or_refused(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    np.save(path, np.ones((2, 3), np.float32))
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    try:
        assert read_features(path).values.nbytes <= len(content)
    except DataError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".parquet"])
def test_what_is_no_file(suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    assert "no such file" in file_refusal(path)
    assert "is empty" in file_refusal(path, b"")
    path.unlink()
    path.mkdir()
    assert "is a directory" in file_refusal(path)
    path.rmdir()
    os.mkfifo(path)
    assert "is not a regular file" in file_refusal(path)


def test_a_table_with_or_without_names(tmp_path):
    plain = csv(tmp_path, "1,2.5\n\n-inf,1e3\n")
    np.testing.assert_array_equal(plain.values, [[1, 2.5], [-np.inf, 1e3]])
    assert plain.names == ()
    named = csv(tmp_path, "\ufeffa, b\n1,2\n")
    assert (named.names, named.values.tolist()) == (("a", "b"), [[1, 2]])


def test_fields_that_are_empty_or_nan_are_nan(tmp_path):
    got = csv(tmp_path, "a,b,c\n1,,nan\n,NaN,  \n")
    np.testing.assert_array_equal(got.values, [[1, np.nan, np.nan], [np.nan] * 3])


def test_tables_as_pandas_writes_them(tmp_path):
    indexed = csv(tmp_path, ",0,1,2\n0,7,8,9\n1,4,5,6\n")
    assert (indexed.names, indexed.values.tolist()) == (("0", "1", "2"), [[7, 8, 9], [4, 5, 6]])
    named = csv(tmp_path, ",a\n0,7\n")
    assert (named.names, named.values.tolist()) == (("a",), [[7]])
    counted = csv(tmp_path, "0,1,2\n7,8,9\n")
    assert (counted.names, counted.values.tolist()) == (("0", "1", "2"), [[7, 8, 9]])
    assert csv(tmp_path, "0,1\n7,8\n").values.tolist() == [[0, 1], [7, 8]]


def test_a_table_without_steps(tmp_path):
    assert len(csv(tmp_path, "a,b\n").values) == 0


def test_starts_and_ends_are_times_and_no_features(tmp_path):
    got = csv(tmp_path, "start,end,a\n0,0.5,7\n0.5,0.75,8\n")
    assert (got.names, got.values.tolist()) == (("a",), [[7], [8]])
    assert got.times.tolist() == [[0, 0.5], [0.5, 0.75]]


@pytest.mark.parametrize("name", ["time", "timestamp"])
def test_a_step_lasts_until_the_next(name, tmp_path):
    got = csv(tmp_path, f"frame,{name},a\n1,0,7\n2,0.5,8\n3,0.75,9\n")
    assert (got.names, got.values.tolist()) == (("frame", "a"), [[1, 7], [2, 8], [3, 9]])
    assert got.times.tolist() == [[0, 0.5], [0.5, 0.75], [0.75, 1]]
    assert csv(tmp_path, f"{name},a\n2,7\n").times.tolist() == [[2, 2]]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("a,b\n1,2\n3\n", "line 3: has 1 fields; wanted 2"),
        ("1,2\n3,4,5\n", "line 2: has 3 fields; wanted 2"),
        ("a,b\n1,x\n", "line 2: 'x' is no number; mend the row"),
        ("a;b\n1;2\n", "line 2: '1;2' is no number"),
        ("start,a\n1,2\n", "has a column start alone; wanted start and end, or neither"),
        ("start,end\n1,2\n", "has no column of features; add one"),
        ("\n\n", "has no column of features"),
        ("start,end,a\n0,1,7\n1,0.5,8\n", "step 2 has the time 1, 0.5; wanted seconds that do not"),
        ("start,end,a\n2,3,7\n1,2,8\n", "step 2 has the time 1, 2"),
        ("time,a\n0,7\n,8\n", "step 1 has the time 0;"),
        ("time,a\ninf,7\n", "step 1 has the time inf"),
        (b"a\n\xe9\n", "line 2: not UTF-8"),
    ],
)
def test_tables_that_do_not_fit(content, wanted, tmp_path):
    assert wanted in file_refusal(tmp_path / "x.csv", content)


def sequences(dtype):
    shape = arrays.array_shapes(min_dims=2, max_dims=2, max_side=6)
    # Every finite number; NaN has many bit patterns and only one spelling.
    numbers = {"allow_nan": False, "allow_infinity": False}
    return arrays.arrays(dtype, shape, elements=numbers)


@given(wanted=sequences(np.float32))
def test_arrays_come_back(wanted, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "back.npy"
    np.save(path, wanted)
    got = read_features(path).values
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)


@given(wanted=sequences(np.float64), named=st.booleans())
def test_tables_come_back(wanted, named, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "back.csv"
    header = [",".join(f"f{i}" for i in range(wanted.shape[1]))] if named else []
    lines = [",".join(map(repr, row)) for row in wanted.tolist()]
    path.write_text("\n".join(header + lines), encoding="utf-8")
    np.testing.assert_array_equal(read_features(path).values, wanted)


@given(wanted=sequences(np.float32))
def test_parquet_comes_back(wanted, tmp_path_factory):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path_factory.getbasetemp() / "back.parquet"
    columns = {f"f{i}": column for i, column in enumerate(wanted.T)}
    parquet.write_table(pyarrow.table(columns), path)
    got = read_features(path)
    assert got.values.dtype == wanted.dtype
    assert got.names == tuple(columns)
    np.testing.assert_array_equal(got.values, wanted)


def save(folder, **files):
    """Write arrays, as NAME=rows, into a folder."""
    folder.mkdir(exist_ok=True)
    for name, rows in files.items():
        np.save(folder / f"{name}.npy", np.array(rows, dtype=np.float32))
    return folder


def read_folder(home, *ids):
    (folder,) = feature_folders(home)
    return read_modality(folder, ids, "labels.csv")


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
    assert find_clip_table(tmp_path) == table
    table.write_text("name,score\na,1\n")
    assert not looks_like_own(tmp_path)


def test_no_table_or_two_are_told(tmp_path):
    assert "wanted one clip table (.csv); found none" in refusal(find_clip_table, tmp_path)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("id,label\na,1\n")
    assert not looks_like_own(tmp_path)
    assert "found a.csv, b.csv; name the file" in refusal(find_clip_table, tmp_path)


def test_a_folder_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    def deny(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.iterdir", deny)
    assert not looks_like_own(tmp_path)
    assert refusal(find_clip_table, tmp_path).startswith(
        f"{tmp_path}: cannot be read (Permission denied)"
    )
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


def test_ids_that_differ_in_case_or_are_written_in_any_script(tmp_path):
    save(tmp_path / "face", x=[[1]], X=[[2]], 片段=[[3]])
    clips, _ = read_folder(tmp_path, "x", "X", "片段")
    assert [x.values.item() for x in clips.values()] == [1, 2, 3]


@pytest.mark.parametrize(("name", "clip"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_written_either_way_are_the_same(name, clip, tmp_path):
    save(tmp_path / "face", **{unicodedata.normalize(name, "café"): [[1]]})
    _, warnings = read_folder(tmp_path, unicodedata.normalize(clip, "café"))
    assert warnings == []


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


def test_two_files_of_one_clip(tmp_path):
    (save(tmp_path / "face", a=[[1]]) / "a.csv").write_text("1\n")
    assert "a.npy: there is a.csv too; keep one file per clip" in refusal(
        read_folder, tmp_path, "a"
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
