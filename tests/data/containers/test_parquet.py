import datetime
import sys

import numpy as np
import pytest

from deadpan.data.containers import memory
from deadpan.data.containers.parquet import read_parquet
from deadpan.data.formats.own.feature_files import read_features
from deadpan.errors import DeadpanError

from ...refusals import refusal_of

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def write(path, **columns):
    parquet.write_table(pyarrow.table(columns), path)
    return path


def refusal(path):
    return refusal_of(f"{path}: ", read_parquet, path)


def test_columns_of_numbers_with_nulls(tmp_path):
    path = write(tmp_path / "x.parquet", a=[1, None, 3], b=pyarrow.array([1.5, 2, 3], "float32"))
    names, values, texts = read_parquet(path)
    assert names == ("a", "b")
    np.testing.assert_array_equal(values, [[1, 1.5], [np.nan, 2], [3, 3]])


def test_several_row_groups_and_columns_of_one_name(tmp_path):
    table = pyarrow.Table.from_arrays([pyarrow.array([1, 2, 3])] * 2, names=["a", "a"])
    parquet.write_table(table, tmp_path / "x.parquet", row_group_size=1)
    names, values, texts = read_parquet(tmp_path / "x.parquet")
    assert (names, values.tolist()) == (("a", "a"), [[1, 1], [2, 2], [3, 3]])


def test_an_index_that_pandas_wrote_is_left_out_and_times_are_known(tmp_path):
    columns = {"start": [0.0, 1], "a": [7.0, 8], "end": [1.0, 2], "__index_level_0__": ["x", "y"]}
    got = read_features(write(tmp_path / "x.parquet", **columns))
    assert (got.names, got.values.tolist()) == (("a",), [[7], [8]])
    assert got.times.tolist() == [[0, 1], [1, 2]]


def test_a_file_without_rows_or_columns(tmp_path):
    assert read_parquet(write(tmp_path / "x.parquet", a=pyarrow.array([], "float32")))[1].size == 0
    assert read_parquet(write(tmp_path / "y.parquet"))[0] == ()


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        ([b"x"], "column 'a' holds binary; wanted numbers"),
        ([[1.0, 2.0]], "column 'a' holds list"),
    ],
)
def test_columns_of_no_numbers(column, wanted, tmp_path):
    assert wanted in refusal(write(tmp_path / "x.parquet", a=column))


def test_a_damaged_file(tmp_path):
    path = write(tmp_path / "x.parquet", a=np.arange(100.0))
    whole = path.read_bytes()
    for end in (1, 4, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        assert "not a parquet file that can be read" in refusal(path)


def test_runs_of_one_value_may_not_swell_without_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CONSTANT", 1 << 20)
    path = write(tmp_path / "x.parquet", a=np.zeros(4_000_000))
    assert path.stat().st_size < 30_000
    assert "bytes in 1 file stand for more than" in refusal(path)


@pytest.mark.parametrize("module", ["pyarrow", "pyarrow.parquet"])
def test_without_pyarrow_the_command_that_installs_it_is_told(module, tmp_path, monkeypatch):
    path = write(tmp_path / "x.parquet", a=[1])
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DeadpanError) as caught:
        read_parquet(path)
    assert str(caught.value) == (
        f"{path}: reading parquet needs pyarrow; run: pip install 'deadpan[parquet]'"
    )


def test_tables_of_extractors(tmp_path):
    milliseconds = [datetime.timedelta(milliseconds=20 * step) for step in range(2)]
    columns = {
        "file": ["a.wav", "a.wav"],
        "kind": pyarrow.array(["x", "y"]).dictionary_encode(),
        "start": milliseconds,
        "end": [x + datetime.timedelta(milliseconds=20) for x in milliseconds],
        "voiced": [True, None],
        "F0": [1.5, 2.5],
    }
    path = write(tmp_path / "x.parquet", **columns)
    names, values, texts = read_parquet(path)
    assert (names, texts) == (tuple(columns), (0, 1))
    np.testing.assert_allclose(
        values, [[np.nan, np.nan, 0, 0.02, 1, 1.5], [np.nan, np.nan, 0.02, 0.04, np.nan, 2.5]]
    )
    got = read_features(path)
    assert got.names == ("voiced", "F0")
    np.testing.assert_allclose(got.times, [[0, 0.02], [0.02, 0.04]])
    assert [remark.predicate for remark in got.remarks] == [
        "have columns that are no features: file, start, end",
        "have columns of text, which is skipped: kind",
    ]
