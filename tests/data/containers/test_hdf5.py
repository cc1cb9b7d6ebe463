import struct
import tracemalloc
import zlib

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.data.containers import memory
from deadpan.data.containers.hdf5 import BoundedFile, looks_like_hdf5, open_hdf5
from deadpan.errors import DataError

from ...refusals import refusal_of


def read(path, *names):
    """The array at the end of these names."""
    with open_hdf5(path, "an HDF5 file") as group:
        for name in names[:-1]:
            group = group.group(name)
        kind, shape = group.kind_and_shape(names[-1])
        array = group.texts(names[-1]) if kind == "texts" else group.numbers(names[-1])
        assert array.shape == shape
        return array


def refusal(path, *names):
    return refusal_of(f"{path}: ", read, path, *names)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.h5"


STORED = [
    {},
    {"chunks": (2, 3)},
    {"chunks": (4, 4), "compression": "gzip"},
    {"chunks": (3, 2), "compression": "gzip", "compression_opts": 9, "shuffle": True},
    {"chunks": (100, 7), "maxshape": (None, None)},
    {"chunks": (2, 2), "shuffle": True},
]


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f8", "i1", "u2", ">i4", "i8"])
def test_numbers_of_any_type_and_storage(stored, dtype, path):
    wanted = np.random.default_rng(0).normal(0, 50, (11, 7)).astype(dtype)
    with h5py.File(path, "w") as file:
        file.create_dataset("group/x", data=wanted, **stored)
    array = read(path, "group", "x")
    np.testing.assert_array_equal(array, wanted)
    assert array.dtype == wanted.dtype


@given(
    shape=st.lists(st.integers(0, 9), min_size=1, max_size=4),
    chunk=st.lists(st.integers(1, 9), min_size=4, max_size=4),
    gzip=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_shape_and_chunk_comes_back(shape, chunk, gzip, seed, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "shapes.h5"
    wanted = np.random.default_rng(seed).normal(size=shape)
    edges = tuple(chunk[: len(shape)])
    if wanted.size:
        edges = tuple(min(pair) for pair in zip(edges, shape, strict=True))
    stored = {"chunks": edges, "maxshape": (None,) * len(shape)}
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=wanted, compression="gzip" if gzip else None, **stored)
    np.testing.assert_array_equal(read(path, "x"), wanted)


@pytest.mark.parametrize("version", ["earliest", ("v108", "v108")])
@pytest.mark.parametrize("stored", [{}, {"chunks": (2, 2)}, {"chunks": (2, 2), "shuffle": True}])
@pytest.mark.parametrize(
    ("dtype", "value"),
    [("f4", None), ("f4", 2.5), (">f8", np.nan), ("i2", -3), ("S3", None), ("S3", b"abc")],
)
def test_what_was_never_written_has_the_value_that_the_file_declares(
    dtype, value, stored, version, path
):
    with h5py.File(path, "w", libver=version) as file:
        file.create_dataset("none", (3, 5), dtype, fillvalue=value, **stored)
        if stored:
            file.create_dataset("some", (3, 5), dtype, fillvalue=value, **stored)[2:, 1:] = 1
    with h5py.File(path) as file:
        for name in file:
            wanted = file[name][()]
            wanted = wanted.astype(str) if wanted.dtype.kind == "S" else wanted
            np.testing.assert_array_equal(read(path, name), wanted)


def test_texts_of_varying_length_that_were_never_written_are_empty(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("none", (2,), h5py.string_dtype())
        file.create_dataset("some", (3,), h5py.string_dtype(), chunks=(2,))[2] = "word"
    assert read(path, "none").tolist() == ["", ""]
    assert read(path, "some").tolist() == ["", "", "word"]


def test_what_was_never_written_takes_memory(path, monkeypatch):
    monkeypatch.setattr(memory, "CONSTANT", 1 << 20)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (1 << 18,), "f8")
        file.create_dataset("y", (1 << 18,), "f8", chunks=(1 << 10,))
    for name in "xy":
        assert "bytes in 1 file stand for more than" in refusal(path, name)


@pytest.mark.parametrize("layout", ["COMPACT", "CONTIGUOUS"])
def test_numbers_beside_their_name_or_elsewhere(layout, path):
    wanted = np.arange(6.0).reshape(2, 3)
    how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    how.set_layout(getattr(h5py.h5d, layout))
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create_simple(wanted.shape)
        made = h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F64LE, space, dcpl=how)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, wanted)
    np.testing.assert_array_equal(read(path, "x"), wanted)


def test_numbers_that_are_not_finite_survive(path):
    wanted = np.array([np.nan, np.inf, -np.inf, -0.0])
    with h5py.File(path, "w") as file:
        file["x"] = wanted
        file["one"] = 1.5
    assert read(path, "x").tobytes() == wanted.tobytes()
    assert read(path, "one").shape == ()


@pytest.mark.parametrize("stored", [{}, {"compression": "gzip", "shuffle": True}])
@pytest.mark.parametrize("dtype", ["S9", "varying"])
def test_texts_of_fixed_and_varying_length(dtype, stored, path):
    words = [["hello"], ["sp"], [""], ["na\u00efve"], ["sp"]]
    with h5py.File(path, "w") as file:
        if dtype == "varying":
            data = np.array(words, dtype=object)
            file.create_dataset("x", data=data, dtype=h5py.string_dtype(), **stored)
        else:
            data = np.array([[word.encode()] for (word,) in words], dtype=dtype)
            file.create_dataset("x", data=data, **stored)
    assert read(path, "x").tolist() == words


def test_text_that_is_not_utf8_is_shown(path):
    with h5py.File(path, "w") as file:
        file["x"] = np.array([b"\xff\xfea"])
    assert read(path, "x").tolist() == ["\\xff\\xfea"]


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_groups_with_few_and_many_names(version, path):
    names = [f"video{i:04}" for i in range(600)]
    with h5py.File(path, "w", libver=version) as file:
        for i, name in enumerate(names):
            file[f"many/{name}"] = i
        file["few/x"] = 1
    with open_hdf5(path, "an HDF5 file") as root:
        assert root.names == ["few", "many"]
        many = root.group("many")
        assert many.names == names
        assert [int(many.numbers(name)) for name in names] == list(range(600))


def test_groups_in_a_circle_lead_nowhere(path):
    with h5py.File(path, "w") as file:
        file["a/x"] = [1.0]
        file["a/back"] = file["/"]
        file["a/self"] = file["a"]
    assert read(path, "a", "back", "a", "self", "x").tolist() == [1]


def test_attributes_are_not_read(path):
    with h5py.File(path, "w") as file:
        file["x"] = [1.0]
        file["x"].attrs["kind"] = np.array(["a"] * 3, dtype=object)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"kind\0", b"\xff\xff\xff\xff\0"))  # no such text
    assert read(path, "x").tolist() == [1]


def odd(path):
    with h5py.File(path, "w") as file:
        file["numbers"] = np.zeros(3)
        file["texts"] = np.array([b"a"])
        file["group/x"] = 1
        file["truth"] = np.array([True])
        file["complex"] = np.array([1j])
        file["pairs"] = np.zeros(2, dtype="i4,f4")
        file["soft"] = h5py.SoftLink("/numbers")
        file["void"] = h5py.Empty("f4")
        parts = h5py.VirtualLayout((3,), "f8")
        parts[:] = h5py.VirtualSource(file["numbers"])
        file.create_virtual_dataset("virtual", parts)
        file.create_dataset("elsewhere", (5, 5), "f4", external=[("file.raw", 0, 100)])
        file.create_dataset("lzf", data=np.zeros((9, 9)), compression="lzf")
        file.create_dataset("checked", data=np.zeros((9, 9)), fletcher32=True)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("group", "'/group': is a group; wanted an array of numbers"),
        ("truth", "holds neither numbers nor texts; wanted an array of numbers"),
        ("complex", "holds neither numbers nor texts"),
        ("pairs", "holds neither numbers nor texts"),
        ("absent", "'/absent': is missing (found checked, complex, elsewhere, group, lzf, ...)"),
        ("soft", "is a link to another name"),
        ("void", "holds no values"),
        ("virtual", "storage of class 3 is not known here"),
        ("elsewhere", "is stored in other files"),
        ("lzf", "is compressed by filter 32000; write it with gzip"),
        ("checked", "is compressed by filter 3; write it with gzip"),
    ],
)
def test_what_is_no_array_of_numbers_is_told(name, wanted, path):
    odd(path)
    assert wanted in refusal(path, name)


def test_a_dataset_is_no_group_and_numbers_are_no_texts(path):
    odd(path)
    assert "'/numbers': is no group" in refusal(path, "numbers", "x")
    with open_hdf5(path, "x") as root:
        assert root.kind_and_shape("group") == ("group", ())
        assert root.kind_and_shape("truth")[0] == "other"
        with pytest.raises(DataError, match="'/numbers': holds numbers; wanted an array of texts"):
            root.texts("numbers")


def test_paths_that_are_no_hdf5(tmp_path, path):
    assert "no such file; give an HDF5 file" in refusal(path, "x")
    path.write_bytes(b"")
    assert "is empty" in refusal(path, "x")
    path.write_bytes(b"<html>404</html>")
    assert "is no HDF5 file; give an HDF5 file" in refusal(path, "x")
    assert not looks_like_hdf5(path)
    assert not looks_like_hdf5(tmp_path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    assert looks_like_hdf5(path)
    assert "damaged" in refusal(path, "x")


def small(path, **stored):
    with h5py.File(path, "w") as file:
        file.create_dataset("g/x", data=np.arange(24.0).reshape(6, 4), **stored)
        file["g/t"] = np.array(["one", "two"], dtype=object)
    return path.read_bytes()


def test_every_truncation_is_one_line(path):
    content = small(path, compression="gzip")
    for end in range(8, len(content), 97):
        path.write_bytes(content[:end])
        with pytest.raises(DataError) as caught:
            read(path, "g", "x")
            read(path, "g", "t")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("stored", [{}, {"chunks": (3, 4)}, {"compression": "gzip"}])
@pytest.mark.parametrize("shape", [(2**40, 4), (6, 2**40), (2**62, 2**62), (2**63, 0)])
def test_declared_shapes_are_held_against_the_file(shape, stored, path):
    content = small(path, **stored)
    sound = struct.pack("<QQ", 6, 4)
    assert sound in content
    path.write_bytes(content.replace(sound, struct.pack("<QQ", *shape)))
    tracemalloc.start()
    memory_of_chunks = stored and all(shape)  # those that were never written take memory alone
    wanted = "stand for more than" if memory_of_chunks else "'/g/x': cannot be read ("
    assert wanted in refusal(path, "g", "x")
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_rows_beyond_those_of_the_file_are_refused_or_were_never_written(path):
    sound, more = struct.pack("<QQ", 6, 4), struct.pack("<QQ", 600, 4)
    path.write_bytes(small(path).replace(sound, more))
    assert "its arrays take more bytes than the file has" in refusal(path, "g", "x")
    path.write_bytes(small(path, chunks=(3, 4)).replace(sound, more))
    array = read(path, "g", "x")
    assert array[:6].tolist() == np.arange(24.0).reshape(6, 4).tolist()
    assert not array[6:].any()


def test_declared_chunks_are_held_against_the_file(path):
    for stored in ({"chunks": (3, 4)}, {"chunks": (3, 4), "compression": "gzip"}):
        content = small(path, **stored)
        sound = struct.pack("<II", 3, 4)
        assert sound in content
        path.write_bytes(content.replace(sound, struct.pack("<II", 3, 2**30)))
        assert "bytes declares 25769803776" in refusal(path, "g", "x")


def test_a_chunk_that_swells_is_refused(path):
    # 64 MB of zeros in some 64 kB, where the file declares 24 numbers.
    content = small(path, chunks=(6, 4), compression="gzip")
    with h5py.File(path) as file:
        place = file["g/x"].id.get_chunk_info(0)
    bomb = zlib.compress(bytes(64 << 20), 9)
    entry = struct.pack("<IIQQQQ", place.size, 0, 0, 0, 0, place.byte_offset)
    assert entry in content
    moved = struct.pack("<IIQQQQ", len(bomb), 0, 0, 0, 0, len(content))
    path.write_bytes(content.replace(entry, moved) + bomb)
    tracemalloc.start()
    assert "a chunk has 193 bytes; declared 192" in refusal(path, "g", "x")
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_an_index_that_multiplies_is_left(path):
    # Six levels of nodes, each naming the next sixty times: 60 ** 6 leaves in 14 kB.
    content = small(path, chunks=(6, 4))
    root = struct.pack("<BQ", 3, content.index(b"TREE\1"))
    assert content.count(root) == 1
    nodes = b""
    for level in range(6):
        below = len(content) + len(nodes) - (24 + 60 * 40)
        key = struct.pack("<IIQQQQ", 192, 0, 0, 0, 0, below if level else 0)
        nodes += struct.pack("<4sBBHQQ", b"TREE", 1, level, 60, 0, 0) + 60 * key
    top = struct.pack("<BQ", 3, len(content) + len(nodes) - (24 + 60 * 40))
    path.write_bytes(content.replace(root, top) + nodes)
    assert "refers to the same bytes again and again" in refusal(path, "g", "x")


def test_texts_are_not_made_by_the_million_of_little(path, monkeypatch):
    monkeypatch.setattr(memory, "CONSTANT", 1 << 20)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.zeros(10**6, "S1"), compression="gzip")
    assert "bytes in 1 file stand for more than" in refusal(path, "x")


def test_arrays_may_not_share_their_bytes(path):
    # A thousand names for one large array would else be a thousand arrays.
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(1000)
        for i in range(9):
            file[f"x{i}"] = file["x"]
    with open_hdf5(path, "an HDF5 file") as root:
        root.numbers("x")
        with pytest.raises(DataError, match="its arrays take more bytes than the file has"):
            for i in range(9):
                root.numbers(f"x{i}")


def test_a_file_is_not_read_over_and_over(path):
    path.write_bytes(bytes(1000))
    with path.open("rb") as stream:
        file = BoundedFile(stream)
        file.seek(992)
        assert file.read(8) == bytes(8)
        assert file.tell() == 1000
        for place, count in ((0, 1001), (1000, 1), (5, -1)):
            file.seek(place)
            with pytest.raises(ValueError, match="beyond the end"):
                file.read(count)
        for place, whence in ((1001, 0), (-1, 0), (0, 1), (0, 2)):
            with pytest.raises(ValueError, match="beyond the end"):
                file.seek(place, whence)
        with pytest.raises(ValueError, match="again and again"):
            for _ in range(300_000):
                file.read(0)


@given(
    spots=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4),
    gzip=st.booleans(),
)
def test_damage_is_an_array_or_one_line(spots, gzip, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "damaged.h5"
    content = bytearray(small(path, compression="gzip" if gzip else None))
    for place, value in spots:
        content[place % len(content)] = value
    path.write_bytes(content)
    try:
        read(path, "g", "x")
        read(path, "g", "t")
    except DataError as error:
        assert len(str(error).splitlines()) == 1
