import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from deadpan.data.formats.own.feature_files import read_features
from deadpan.errors import DataError

from ....refusals import refusal_of


def file_refusal(path, content=None):
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return refusal_of(f"{path}: ", read_features, path)


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


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ((768,), (1, 768)),
        ((1, 4, 3), (4, 3)),
        ((4, 1, 3), (4, 3)),
        ((1, 1, 3), (1, 3)),
        ((1, 4, 1), (4, 1)),
        ((1, 0, 3), (0, 0)),
    ],
)
def test_an_axis_less_or_more_does_not_change_what_an_array_means(shape, wanted, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(shape))
    assert read_features(tmp_path / "x.npy").values.shape == wanted


def test_an_array_of_truth_values_is_one_of_numbers(tmp_path):
    np.save(tmp_path / "x.npy", np.array([[True, False], [False, True]]))
    assert read_features(tmp_path / "x.npy").values.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("shape", [(0,), (0, 7)])
def test_an_array_without_steps(shape, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(shape))
    assert len(read_features(tmp_path / "x.npy").values) == 0


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (np.array([{}], dtype=object), "'array' holds a dict; wanted numbers"),
        (np.array([["a"]]), "'array' is an array of str32; wanted an array of numbers"),
        (np.array([[1j]]), "holds complex128; save numbers"),
        (np.zeros(2, dtype=[("a", "f4")]), "; save numbers"),
        (np.zeros(()), "has shape (); wanted (steps, width)"),
        (np.zeros((2, 2, 3)), "has shape (2, 2, 3)"),
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
        ("(-1, 2)", "has the wrong size: shape (-1, 2)"),
        ("(2, 2", "no array of numpy"),
        ("[2, 2]", "no array of numpy"),
        ("(" * 3000, "no array of numpy"),
        ("__import__('os').abort(),", "no array of numpy"),
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
    got = csv(tmp_path, f"b,{name},a\n1,0,7\n2,0.5,8\n3,0.75,9\n")
    assert (got.names, got.values.tolist()) == (("b", "a"), [[1, 7], [2, 8], [3, 9]])
    assert got.remarks == ()
    assert got.times.tolist() == [[0, 0.5], [0.5, 0.75], [0.75, 1]]
    assert csv(tmp_path, f"{name},a\n2,7\n").times.tolist() == [[2, 2]]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("a,b\n1,2\n3\n", "line 3: has 1 fields; wanted 2"),
        ("1,2\n3,4,5\n", "line 2: has 3 fields; wanted 2"),
        ("a,b\n1,2\n3,x\n", "line 3: column 'b' is 'x', no number as others are; mend it, or"),
        ("1,2\n3,x\n", "line 2: column 2 is 'x', no number as others are"),
        ("a\nx\n", "has no column of features (only a); add one"),
        ("time,a\nsoon,1\n", "line 2: column 'time' is 'soon', no time; mend it"),
        *(
            (f"time,a\n{long},1\n", f"line 2: column 'time' is '{long[:20]}")
            for long in ("9" * 400 + " days", "9" * 5000 + ":00", "0:" + "9" * 400 + ":00")
        ),
        ("a;b\n0,5;1\n1.5;2\n", "line 2: '0,5' has a decimal comma, line 3: '1.5' a point"),
        ("start,a\n1,2\n", "has a column start alone; wanted start and end, or neither"),
        ("start,end\n1,2\n", "has no column of features (only start, end); add one"),
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


@pytest.mark.parametrize(
    "field", ["-nan(ind)", "1.#QNAN", "-1.#IND00", "NA", "null", "", "?", "NaT", "FIT_FAILED"]
)
def test_what_is_missing_is_nan_as_any_tool_writes_it(field, tmp_path):
    got = csv(tmp_path, f"a,b\n{field},1\n2,3\n")
    np.testing.assert_array_equal(got.values, [[np.nan, 1], [2, 3]])
    np.testing.assert_array_equal(csv(tmp_path, f"{field},1\n2,3\n").values[1], [2, 3])


def test_infinity_truth_and_decimal_commas(tmp_path):
    got = csv(tmp_path, "a;b;c\n1,5;1.#INF;True\n-0,25;-1.#INF;False\n")
    assert got.values.tolist() == [[1.5, np.inf, 1], [-0.25, -np.inf, 0]]


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        ("0 days 00:00:00.02", 0.02),
        ("1 days 01:01:01", 90061),
        ("0 days", 0),
        ("00:01.5", 1.5),
        ("00:00:01,25", 1.25),
        ("1970-01-01 00:00:02", 2),
        ("1970-01-01T00:00:03+00:00", 3),
    ],
)
def test_times_as_any_tool_writes_them(field, seconds, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(f'time,a\n"{field}",1\n')
    assert read_features(path).times.tolist() == [[seconds, seconds]]


@pytest.mark.parametrize("separator", [";", "\t", " ", "  "])
def test_fields_separated_by_anything(separator, tmp_path):
    rows = [["1.5", "2.5"], ["3.5", "4.5"]]
    got = csv(tmp_path, "\n".join(separator.join(row) for row in rows))
    assert got.values.tolist() == [[1.5, 2.5], [3.5, 4.5]]


def test_blank_columns_and_rows_at_the_end_are_none(tmp_path):
    got = csv(tmp_path, "a,b,,\n1,2,,\n3,4,,\n,,,\n")
    assert (got.names, got.values.tolist()) == (("a", "b"), [[1, 2], [3, 4]])
    assert csv(tmp_path, "1,2,\n3,4,\n").values.tolist() == [[1, 2], [3, 4]]


def test_columns_of_text_are_skipped_and_named(tmp_path):
    got = csv(tmp_path, "speaker,a\nann,1\n,2\n")
    assert (got.names, got.values.tolist()) == (("a",), [[1], [2]])
    assert [remark.predicate for remark in got.remarks] == [
        "have columns of text, which is skipped: speaker"
    ]
    unnamed = csv(tmp_path, "'x',0.5\n'x',1.5\n")
    assert unnamed.values.tolist() == [[0.5], [1.5]]
    assert unnamed.remarks[0].predicate == "have columns of text, which is skipped: column 1"


def test_ids_with_underscores_are_text(tmp_path):
    got = csv(tmp_path, "clip,a\n1_1,7\n1_2,8\n")
    assert (got.names, got.values.tolist()) == (("a",), [[7], [8]])
    assert "line 3: column 'a' is '1_2', no number" in file_refusal(
        tmp_path / "x.csv", "a,b\n1,7\n1_2,8\n"
    )


@pytest.mark.parametrize("name", ["word", "words", "Token", "text", "phone", "phoneme"])
def test_a_word_may_be_a_number(name, tmp_path):
    got = csv(tmp_path, f"{name},start,end,a\nchapter,0,1,7\n7,1,2,8\n")
    assert (got.names, got.values.tolist()) == (("a",), [[7], [8]])


def test_a_row_with_a_time_is_a_step_and_no_header(tmp_path):
    got = csv(tmp_path, "00:00:01.5,3,4\n00:00:02.5,5,6\n")
    assert (got.names, got.values.tolist()) == ((), [[3, 4], [5, 6]])


def test_a_header_that_may_be_a_step_is_told(tmp_path):
    (remark,) = csv(tmp_path, "speech,3,4\n0,5,6\n").remarks
    assert remark.predicate == (
        "begin with a row of text and whole numbers, which was taken as names"
    )
    for header in ("a,b,c", "speech,0,1", "3,4,time"):
        told = [x.predicate for x in csv(tmp_path, f"{header}\n7,8,9\n").remarks]
        assert not any("begin with" in predicate for predicate in told)


def npz(folder, **arrays):
    np.savez(folder / "x.npz", **arrays)
    return read_features(folder / "x.npz")


def test_an_archive_of_one_array_or_of_an_array_beside_times_and_mask(tmp_path):
    steps = np.array([[1, 2], [3, 4], [5, 6]])
    assert npz(tmp_path, any_name=steps).values.tolist() == steps.tolist()
    got = npz(tmp_path, x=steps, times=np.array([0, 1.0, 3]), mask=np.array([True, False, True]))
    assert got.values.tolist() == [[1, 2], [5, 6]]
    assert got.times.tolist() == [[0, 1], [3, 5]]
    assert [(x.count, x.noun) for x in got.remarks] == [(1, "steps")]
    assert npz(tmp_path, x=steps, rate=16000, name="a").remarks[0].predicate == (
        "hold what is no array, ignored: name, rate"
    )
    spans = np.array([[0, 0.5], [1, 1.5], [2, 2.5]])
    assert npz(tmp_path, x=steps, times=spans).times.tolist() == spans.tolist()


@pytest.mark.parametrize("name", ["time_ms", "times_ms", "timestamp_milliseconds"])
def test_times_of_an_archive_in_milliseconds(name, tmp_path):
    got = npz(tmp_path, x=np.ones((2, 3)), **{name: np.array([0, 40])})
    np.testing.assert_allclose(got.times, [[0, 0.04], [0.04, 0.08]])


@pytest.mark.parametrize(
    ("arrays", "wanted"),
    [
        ({"a": np.ones((2, 3)), "b": np.ones((2, 3))}, "holds a, b; wanted one array, or one"),
        ({"mask": np.ones(2)}, "holds mask; wanted one array"),
        ({"x": np.ones((2, 3)), "times": np.ones(3)}, "'times' has shape (3,); wanted (2,) or"),
        ({"x": np.ones((2, 3)), "times": np.array([1, 0])}, "step 1 has the time 1; wanted"),
        (
            {"x": np.ones((2, 3)), "time": np.arange(2), "timestamp": np.arange(2)},
            "time and timestamp are both times of steps; keep one of them",
        ),
        ({"x": np.ones((2, 3)), "mask": np.ones(3)}, "'mask' has shape (3,) of float64; wanted"),
        ({"x": np.ones((2, 3)), "mask": np.array([1, 2])}, "wanted 0 or 1 for each of 2 steps"),
        ({"x": np.array([{}])}, "holds x; wanted one array"),
    ],
)
def test_archives_that_do_not_fit(arrays, wanted, tmp_path):
    np.savez(tmp_path / "x.npz", **arrays)
    assert wanted in file_refusal(tmp_path / "x.npz")


def test_a_tensor_alone_or_beside_times_and_mask(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "x.pt"
    torch.save(torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True), path)
    assert read_features(path).values.tolist() == [[1, 2], [3, 4]]
    torch.save(torch.zeros(768), path)
    assert read_features(path).values.shape == (1, 768)
    value = {"features": torch.tensor([[1, 2], [3, 4]]), "mask": torch.tensor([True, False])}
    torch.save({**value, "rate": 16000, "times": torch.tensor([0, 0.5])}, path)
    got = read_features(path)
    assert (got.values.tolist(), got.times.tolist()) == ([[1, 2]], [[0, 0.5]])
    assert got.remarks[1].predicate == "hold what is no array, ignored: rate"
    torch.save([torch.zeros(2, 2), "a"], path)
    assert "'array' holds a str; wanted numbers" in file_refusal(path)


def test_an_array_in_a_dict_that_numpy_saved(tmp_path):
    np.save(tmp_path / "x.npy", {"x": np.ones((2, 3)), "rate": 16000})
    assert read_features(tmp_path / "x.npy").values.shape == (2, 3)


def test_an_array_in_a_pickle(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(np.ones((2, 3))))
    assert read_features(path).values.shape == (2, 3)
    path.write_bytes(pickle.dumps({"x": np.ones((2, 3)), "mask": np.array([0, 1])}))
    assert read_features(path).values.shape == (1, 3)
    assert "not a pickle" in file_refusal(path, b"abc")
