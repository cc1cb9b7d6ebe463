import pathlib
import pickle
import subprocess
import zipfile

import h5py
import numpy as np
import pytest
import scipy.io
import torch

import deadpan
from deadpan.data.formats.foreign import TORCH, foreign_format

from ...refusals import refusal_of

ARRAY = np.arange(6, dtype=np.float32).reshape(3, 2)


def reason(path):
    return refusal_of(f"{path}: ", deadpan.load, path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n", "git lfs pull"),
        ("no table\n".encode("utf-16"), "begins like text in UTF-16"),
        (b"\n  <!DOCTYPE html>\n<html><body>Sign in</body></html>", "is a web page"),
        (b"<HTML><head>", "is a web page"),
        (b"\x1f\x8b\x08\x00" + bytes(20), "tar -xzf file"),
        (b"BZh91AY&SY" + bytes(20), "tar -xjf file"),
        (b"\xfd7zXZ\x00" + bytes(20), "tar -xJf file"),
        (b"\x28\xb5\x2f\xfd" + bytes(20), "unzstd file"),
        (b"Rar!\x1a\x07\x00" + bytes(20), "unrar x file"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(20), "7z x file"),
        (b"PK\x03\x04" + bytes(20), "cut short or damaged"),
        (b"RIFF" + bytes(4) + b"WAVEfmt ", "is a recording"),
        (bytes(4) + b"ftypisom" + bytes(20), "is a recording"),
        (bytes(16) + b"\xde\xc0\xef\xbe" + bytes(20), "LMDB"),
        (b"SQLite format 3\x00" + bytes(20), "SQLite"),
        (b"ARROW1\x00\x00" + bytes(20), "pyarrow.parquet.write_table"),
    ],
)
def test_files_of_other_tools_are_named_with_the_way_out(tmp_path, content, words):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert words in reason(path)


def test_a_line_to_copy_has_the_whole_name(tmp_path):
    path = tmp_path / f"{'long' * 20}.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
    assert reason(path).endswith(f"unzstd {path.name}")
    path = tmp_path / f"{'long' * 20}.pkl"
    path.write_bytes(pickle.dumps({"train": {"text": torch.ones(2, 3, 4)}}))
    assert f"pathlib.Path('{path.name}')" in reason(path)


def test_an_archive_is_to_be_unpacked_and_says_how(tmp_path):
    path = tmp_path / "mosi.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mosi/train.pkl", b"x")
    assert "python -m zipfile -e mosi.zip" in reason(path)


def test_the_line_for_matlab_converts_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scipy.io.savemat("clip.mat", {"VARIABLE": ARRAY})
    line = reason(tmp_path / "clip.mat").split("in Python: ")[1]
    exec(line, {"numpy": np, "scipy": scipy})  # noqa: S102 - a line of ours, which users copy
    assert (np.load("ID.npy") == ARRAY).all()


def test_matlab_7_3_is_hdf5_and_still_named(tmp_path):
    path = tmp_path / "clip.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["VARIABLE"] = ARRAY
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")
    assert "h5py.File('clip.mat')" in reason(path)


@pytest.mark.parametrize("modern", [True, False])
def test_the_line_for_torch_converts_it(tmp_path, monkeypatch, modern):
    monkeypatch.chdir(tmp_path)
    content = {
        split: {
            "text": torch.ones(2, 3, 4),
            "labels": torch.tensor([[[1.0]], [[-2.0]]]),
            "id": [f"{split}{i}_1" for i in range(2)],
        }
        for split in ("train", "valid", "test")
    }
    path = tmp_path / "mosi.dt"
    torch.save(content, path, _use_new_zipfile_serialization=modern)
    text = reason(path)
    assert text.endswith(TORCH.replace("FILE", "mosi.dt"))
    line = text.split("in Python: ")[1]
    exec(line, {"pickle": pickle, "pathlib": pathlib, "torch": torch})  # noqa: S102
    assert deadpan.load("data.pkl").widths == {"text": 4}


def test_a_pickle_of_tensors_or_of_a_table_is_named_with_the_way_out(tmp_path):
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps({"train": {"text": torch.ones(2, 3, 4)}}))
    assert "holds tensors of torch" in reason(path)
    path.write_bytes(b"\x80\x02cpandas.core.frame\nDataFrame\n.")
    assert "pandas.read_pickle('data.pkl').to_csv" in reason(path)


def test_the_line_for_arff_keeps_its_rows(tmp_path):
    path = tmp_path / "clip.arff"
    path.write_text("% by openSMILE\n@RELATION x\n@attribute a numeric\n\n@DATA\n1,2\n3,4\n")
    text = reason(path)
    command = text.split("its rows as CSV: ")[1].split(" (")[0]
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)  # noqa: S602
    assert (tmp_path / "ID.csv").read_text() == "1,2\n3,4\n"


def test_folders_of_databases_are_named(tmp_path):
    (tmp_path / "lmdb").mkdir()
    (tmp_path / "lmdb" / "data.mdb").write_bytes(bytes(100))
    assert "LMDB" in reason(tmp_path / "lmdb")
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "state.json").write_text("{}")
    (tmp_path / "hf" / "data-00000-of-00001.arrow").write_bytes(b"\xff\xff\xff\xff")
    assert "datasets.load_from_disk('hf')" in reason(tmp_path / "hf")


def test_what_deadpan_reads_is_not_foreign(tmp_path):
    np.save(tmp_path / "a.npy", ARRAY)
    np.savez(tmp_path / "a.npz", a=ARRAY)
    (tmp_path / "a.csv").write_text("id,label\na,1\n")
    for path in (*tmp_path.iterdir(), tmp_path, tmp_path / "missing"):
        assert foreign_format(path) == ""
