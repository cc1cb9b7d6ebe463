"""Damage to what a file means: arrays renamed, reshaped or retyped, values of metadata edited.

The files stay well-formed: bytes that are merely flipped seldom get past a container's checks.
Some edits make a small file that stands for much memory: constants that compress a thousandfold,
lists that hold the same list again and again.
"""

import io
import json
import math
import pickle
import random
import zipfile
from collections.abc import Callable
from contextlib import contextmanager

import numpy as np
import yaml
from fuzz.mutate import NUMBERS

VALUES = (
    *NUMBERS,
    -1,
    0.5,
    -1e300,
    math.nan,
    math.inf,
    None,
    True,
    "",
    "x",
    "1",
    "\n",
    [],
    {},
    [[]],
)
NAMES = ("x", "", "..")
KEYS = ("x", b"x", 7, None, (1, 2))
"""Other names of an entry, in JSON and in a pickle."""
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "I8": 1, "BOOL": 1}


def restructured(name: str, content: bytes, seed: int) -> bytes | None:
    """The content with one to three edits of its structure; None for a file of another kind.

    A fifth of the files of a kind that can swell do.
    """
    chance = random.Random(seed)
    suffix = name.rpartition(".")[2]
    if suffix in SWELLING and chance.random() < 0.2:
        return SWELLING[suffix](content, chance)
    return EDITS[suffix](content, chance) if suffix in EDITS else None


def any_value(_, chance):
    return chance.choice(VALUES)


def edited(value, chance, change=any_value, names=NAMES, lose=0.1):
    """A value of JSON or of a pickle, with ``change`` applied to one value in it.

    On the way to that value, at each level, an entry is lost instead with the probability ``lose``;
    as often one of a dict gets another of the ``names``, or one of a list stands twice.
    """
    if chance.random() < 0.1:
        return change(value, chance)
    if isinstance(value, dict) and value:
        key = chance.choice(sorted(value, key=repr))
        kind, changed = chance.random(), dict(value)
        if kind < lose:
            del changed[key]
        elif kind < 2 * lose:
            changed[chance.choice(names)] = changed.pop(key)
        else:
            changed[key] = edited(value[key], chance, change, names, lose)
        return changed
    if isinstance(value, list | tuple) and value:
        index = chance.randrange(len(value))
        kind, parts = chance.random(), list(value)
        if kind < lose:
            del parts[index]
        elif kind < 2 * lose:
            parts.insert(index, parts[index])
        else:
            parts[index] = edited(parts[index], chance, change, names, lose)
        return type(value)(parts)
    if isinstance(value, str) and value[:1] in ("{", "["):  # JSON within JSON
        return json.dumps(edited(json.loads(value), chance, change, names, lose))
    return change(value, chance)


def safetensors(content, chance):
    size = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    metadata = header.pop("__metadata__", {})
    tensors = {
        name: [x["dtype"], x["shape"], data[slice(*x["data_offsets"])]]
        for name, x in header.items()
    }
    for _ in range(chance.choice((1, 1, 2, 3))):
        if chance.random() < 0.35 and metadata:
            changed = edited(metadata, chance)
            entries = changed.items() if isinstance(changed, dict) else ()
            metadata = {k: v if isinstance(v, str) else str(v) for k, v in entries}
        elif tensors:
            tensor_edit(tensors, chance)
    return packed(tensors, metadata, consistent=chance.random() < 0.8)


def tensor_edit(tensors, chance):
    name = chance.choice(sorted(tensors))
    kind, shape, data = tensors[name]
    action = chance.randrange(6)
    if action == 0:
        del tensors[name]
    elif action == 1:
        words = name.split("/")
        words[chance.randrange(len(words))] = chance.choice(("99", "0", "-1", "", "x", "exp_avg"))
        tensors["/".join(words)] = tensors.pop(name)
    elif action == 2:  # fewer or more values, of the same type
        shape = [chance.choice((0, 1, 2, 3, 1000)) for _ in range(chance.randrange(4))]
        count = math.prod(shape) * SIZES.get(kind, 4)
        if count <= 1 << 20:
            tensors[name] = [
                kind,
                shape,
                (data * (count // max(1, len(data)) + 1) + bytes(count))[:count],
            ]
    elif action == 3:  # the same bytes as another type
        other = chance.choice(sorted(SIZES))
        if len(data) % SIZES[other] == 0:
            tensors[name] = [other, [len(data) // SIZES[other]], data]
    elif action == 4:  # a number that is not finite, or of the wrong range
        value = bytearray(data)
        width = SIZES.get(kind, 4)
        for start in range(0, len(value), width)[:: chance.choice((1, 7))]:
            value[start : start + width] = chance.choice((b"\xff", b"\x7f", b"\0")) * width
        tensors[name] = [kind, shape, bytes(value)]
    else:  # the shape alone
        tensors[name] = [kind, edited(shape, chance), data]


def packed(tensors, metadata, *, consistent):
    header, data, end = {}, b"", 0
    for name, (kind, shape, values) in tensors.items():
        offsets = [end, end + len(values)] if consistent else [0, len(values)]
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": offsets}
        data += values
        end += len(values)
    if metadata:
        header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def as_json(content, chance):
    return json.dumps(edited(json.loads(content), chance)).encode()


def as_yaml(content, chance):
    return yaml.safe_dump(edited(yaml.safe_load(content), chance)).encode()


def table(content, chance):
    lines = [line.split(",") for line in content.decode().splitlines()]
    row = chance.choice(lines)
    row[chance.randrange(len(row))] = str(chance.choice(VALUES)).strip() or ","
    if chance.random() < 0.2:
        del lines[chance.randrange(len(lines))]
    return "\n".join(map(",".join, lines)).encode()


def graph(content, chance):
    """An ONNX file with tensors, nodes, inputs or its description edited."""
    import onnx

    model = onnx.load(io.BytesIO(content))
    for _ in range(chance.choice((1, 1, 2, 3))):
        action = chance.randrange(7)
        tensor = chance.choice(model.graph.initializer)
        node = chance.choice(model.graph.node)
        if action == 0:
            tensor.name += "x"
        elif action == 1 and tensor.dims:
            tensor.dims[chance.randrange(len(tensor.dims))] = chance.choice(
                (0, 1, 2, 1000, 2**40, -1)
            )
        elif action == 2:
            tensor.data_type = chance.choice((1, 6, 7, 9, 10, 11, 8, 99))
        elif action == 3:
            tensor.raw_data = bytes(chance.choice((0, 1, 4, 1000)))
        elif action == 4:
            node.op_type = chance.choice(("Add", "Expand", "Tile", "Reshape", "Gather", "Nothing"))
        elif action == 5:
            value = chance.choice((model.graph.input, model.graph.output))
            dims = chance.choice(value).type.tensor_type.shape.dim
            if dims:
                chance.choice(dims).dim_value = chance.choice((0, 1, 3, 2**40))
        else:
            entry = chance.choice(model.metadata_props)
            entry.value = json.dumps(edited(json.loads(entry.value), chance))
    return model.SerializeToString()


def changed_value(value, chance):
    """Another array in place of an array, anything else in place of anything else."""
    if isinstance(value, np.ndarray) and chance.random() < 0.9:
        return changed_array(value, chance)
    return chance.choice((*VALUES, b"x", (), set(), np.float32(1), np.zeros(2)))


def changed_array(x, chance):
    """An array of another type or shape, or of other values."""
    action = chance.randrange(7)
    if action == 0:
        kinds = ("f2", ">f8", "i1", "u8", "?", "U3", "O", "c8")
        return x.astype(chance.choice(kinds)) if x.dtype.kind in "biuf" else x.astype("O")
    if action == 1:
        return x.ravel()
    if action == 2:
        return x[:0] if x.ndim else x.reshape(1)
    if action == 3:
        return x[..., np.newaxis]
    if action == 4:
        return x.T
    if action == 5:
        return np.concatenate([x, x]) if x.ndim else x
    x = x.copy()
    if x.size and x.dtype.kind == "f":
        x.flat[chance.randrange(x.size)] = chance.choice((math.nan, math.inf, -math.inf, 1e30))
    return x


def repeated(value, chance):
    """Lists that hold the same list again and again; two bytes of a pickle each."""
    value = value if isinstance(value, list | np.ndarray) else [0.5] * 40
    for times in chance.choice(((300_000,), (300, 300), (1000, 1000), (60, 60, 60))):
        value = [value] * times
    return value


def as_pickle(content, chance, change=changed_value, lose=0.1):
    protocol = content[1] if content[0] == 0x80 else 0
    value = pickle.loads(content)  # the fuzzer's own
    return pickle.dumps(edited(value, chance, change, KEYS, lose), protocol=protocol)


def swollen_pickle(content, chance):
    return as_pickle(content, chance, repeated, lose=0)


def zeros(_, chance):
    """Tens of megabytes that compress a thousandfold."""
    shape = chance.choice(((12 << 20,), (3 << 20, 4), (9, 1 << 18, 5), (1, 1, 12 << 20)))
    return np.zeros(shape, chance.choice(("f4", "i4")))


def npy(content, chance):
    file = io.BytesIO()
    np.save(file, changed_array(np.load(io.BytesIO(content)), chance))
    return file.getvalue()


def npz(content, chance, change=changed_value, lose=0.1):
    with np.load(io.BytesIO(content), allow_pickle=True) as archive:
        arrays = dict(archive)
    name = chance.choice(sorted(arrays))
    if chance.random() < lose:
        del arrays[name]
    elif arrays[name].dtype.hasobject and not arrays[name].ndim:
        value = edited(arrays[name].item(), chance, change, KEYS, lose)
        arrays[name] = np.array(value, dtype=object)
    else:
        arrays[name] = np.asarray(change(arrays[name], chance))
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def swollen_npz(content, chance):
    return npz(content, chance, zeros, lose=0)


def hdf5(content, chance):
    """One data set of a file replaced or removed."""
    with hdf5_arrays(content) as (file, root, arrays):
        name = chance.choice(sorted(arrays))
        del root[name]
        if chance.random() < 0.9:
            changed = changed_array(arrays[name], chance)
            root[name] = changed.astype("f8") if changed.dtype.kind in "UO" else changed
    return file.getvalue()


def swollen_hdf5(content, chance):
    """The data sets of one group as constants."""
    with hdf5_arrays(content) as (file, root, arrays):
        group = chance.choice(sorted(arrays)).rpartition("/")[0]
        for name, x in arrays.items():
            if name.rpartition("/")[0] == group:
                del root[name]
                constant = np.zeros((1 << 20, *x.shape[1:]), "f8")
                root.create_dataset(name, data=constant, compression="gzip")
    return file.getvalue()


@contextmanager
def hdf5_arrays(content):
    """A copy of a file, as bytes and opened, and its arrays of numbers by name."""
    import h5py

    file, arrays = io.BytesIO(content), {}

    def add(name, x):
        if isinstance(x, h5py.Dataset) and x.dtype.kind in "iuf":
            arrays[name] = x[()]

    with h5py.File(file, "r+") as root:
        root.visititems(add)
        yield file, root, arrays


def swollen_parquet(content, chance):
    """The columns of a file, each one value a million times."""
    import pyarrow
    import pyarrow.parquet

    names = pyarrow.parquet.read_schema(io.BytesIO(content)).names
    column = np.full(1 << 20, chance.choice((0.0, 1.5)))
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(dict.fromkeys(names, column)), file)
    return file.getvalue()


def swollen_xlsx(content, chance):
    """A sheet of one wide row, or many texts that sheets share."""
    part, before, more = chance.choice(
        (
            ("xl/worksheets/sheet1.xml", "</sheetData>", f"<row>{'<c/>' * 200_000}</row>"),
            ("xl/worksheets/sheet1.xml", "</sheetData>", '<row><c r="XFD1"/></row>' * 500),
            ("xl/sharedStrings.xml", "</sst>", "<si><t>a</t></si>" * 300_000),
        )
    )
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name == part:
                text = text.replace(before.encode(), f"{more}{before}".encode())
            new.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def torch_file(content, chance):
    import torch

    x = torch.load(io.BytesIO(content), weights_only=True)
    kind = chance.choice((torch.float16, torch.bfloat16, torch.int8, torch.bool, torch.cfloat))
    shapes = (x.T, x.flatten(), x[:0], x[:, :1], x.flatten()[:1].expand(1 << 22, 12))
    file = io.BytesIO()
    torch.save(chance.choice((*shapes, x.to(kind), torch.nn.Parameter(x))), file)
    return file.getvalue()


EDITS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "safetensors": safetensors,
    "json": as_json,
    "yaml": as_yaml,
    "csv": table,
    "onnx": graph,
    **dict.fromkeys(("pkl", "pickle", "p"), as_pickle),
    "npy": npy,
    "npz": npz,
    "pt": torch_file,
    **dict.fromkeys(("h5", "hdf5", "csd"), hdf5),
}
SWELLING: dict[str, Callable[[bytes, random.Random], bytes]] = {
    **dict.fromkeys(("pkl", "pickle", "p"), swollen_pickle),
    "npz": swollen_npz,
    **dict.fromkeys(("h5", "hdf5", "csd"), swollen_hdf5),
    "parquet": swollen_parquet,
    "xlsx": swollen_xlsx,
}
