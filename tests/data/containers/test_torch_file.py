import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deadpan.data.containers.torch_file import read_torch
from deadpan.errors import DataError

from ...refusals import refusal_of

VALUES = torch.tensor([[1.0, 2.0, 3.0], [4.0, 0.0, -1.5]])


def saved(folder, value):
    torch.save(value, folder / "x.pt")
    return read_torch(folder / "x.pt")


def refusal(path, content=None):
    if content is not None:
        path.write_bytes(content)
    return refusal_of(f"{path}: ", read_torch, path)


@pytest.mark.parametrize(
    "dtype",
    [
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.bool),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8),
    ],
)
def test_a_tensor_of_any_type_comes_back(dtype, tmp_path):
    value = VALUES.to(dtype)
    np.testing.assert_array_equal(saved(tmp_path, value), value.float().numpy())


def test_views_parameters_and_empty_tensors_come_back(tmp_path):
    views = (VALUES.T, VALUES[1:], VALUES[:, ::2], VALUES[0, 1], torch.zeros(0, 3))
    for value in (*views, torch.nn.Parameter(VALUES)):
        np.testing.assert_array_equal(saved(tmp_path, value), value.detach().numpy())


def test_tensors_in_plain_values_come_back(tmp_path):
    got = saved(tmp_path, {"x": VALUES, "same": [VALUES], "array": np.arange(3), "rate": 16000})
    np.testing.assert_array_equal(got["x"], got["same"][0])
    assert (got["array"].tolist(), got["rate"]) == ([0, 1, 2], 16000)


def test_what_is_no_tensor(tmp_path):
    path = tmp_path / "x.pt"
    torch.save(VALUES, path, _use_new_zipfile_serialization=False)
    assert "is a file of torch before 1.6; write it again: python -c" in refusal(path)
    torch.save(torch.nn.Linear(2, 2), path)
    assert "asks for 'torch.nn.modules.linear.Linear'; deadpan never executes" in refusal(path)
    torch.save(VALUES[:1, :1].expand(1000, 1000), path)
    assert "holds a tensor that repeats its values (expand); save x.clone()" in refusal(path)
    assert "no file of torch" in refusal(path, b"abc")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/y", "z")
    assert "is an archive without data.pkl" in refusal(path)


def archive_of(data, storage=bytes(24), compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("x/data.pkl", data)
        archive.writestr("x/data/0", storage)
    return stream.getvalue()


def test_nothing_is_executed(tmp_path):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    assert "asks for 'posix.mkdir'" in refusal(
        tmp_path / "x.pt", archive_of(pickle.dumps(Attack()))
    )
    assert not (tmp_path / "executed").exists()


def test_an_archive_that_swells_is_refused(tmp_path):
    content = archive_of(b"", bytes(32 << 20), zipfile.ZIP_DEFLATED)
    assert "declares more than it holds" in refusal(tmp_path / "x.pt", content)


@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "damaged.pt"
    torch.save({"x": VALUES, "mask": VALUES > 0}, path)
    with zipfile.ZipFile(path) as archive:
        pickled = bytearray(archive.read("damaged/data.pkl"))
        storage = archive.read("damaged/data/0")
    # Damage within the pickle, which the archive's checksums would not let through.
    for place in data.draw(st.lists(st.integers(0, len(pickled) - 1), max_size=3)):
        pickled[place] = data.draw(st.integers(0, 255))
    path.write_bytes(archive_of(bytes(pickled), storage))
    try:
        read_torch(path)
    except DataError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017


def test_a_negative_view_is_refused(tmp_path):
    negative = torch.tensor([1 + 2j]).conj().imag
    assert negative.is_neg()
    torch.save(negative, tmp_path / "x.pt")
    with pytest.raises(DataError, match="negative or conjugate view; save x.clone()"):
        read_torch(tmp_path / "x.pt")
