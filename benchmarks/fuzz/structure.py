"""Damage to what a file means: tensors renamed, reshaped or retyped, values of metadata edited.

The files stay well-formed: bytes that are merely flipped seldom get past a container's checks.
"""

import io
import json
import math
import random
from collections.abc import Callable

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
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "I8": 1, "BOOL": 1}


def restructured(name: str, content: bytes, seed: int) -> bytes | None:
    """The content with one to three edits of its structure; None for a file of another kind."""
    chance = random.Random(seed)
    suffix = name.rpartition(".")[2]
    if suffix not in EDITS:
        return None
    return EDITS[suffix](content, chance)


def edited(value, chance):
    """A JSON value with one value in it replaced, removed, repeated or renamed."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(sorted(value))
        kind = chance.random()
        changed = dict(value)
        if kind < 0.1:
            del changed[key]
        elif kind < 0.2:
            changed[chance.choice(("x", "", "..", key + "x"))] = changed.pop(key)
        else:
            changed[key] = edited(value[key], chance)
        return changed
    if isinstance(value, list) and value and chance.random() < 0.9:
        index = chance.randrange(len(value))
        kind = chance.random()
        if kind < 0.1:
            return value[:index] + value[index + 1 :]
        if kind < 0.2:
            return value[:index] + value[index : index + 1] * 2 + value[index + 1 :]
        return value[:index] + [edited(value[index], chance)] + value[index + 1 :]
    if isinstance(value, str) and value[:1] in ("{", "[") and chance.random() < 0.9:
        return json.dumps(edited(json.loads(value), chance))
    return chance.choice(VALUES)


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


EDITS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "safetensors": safetensors,
    "json": as_json,
    "yaml": as_yaml,
    "csv": table,
    "onnx": graph,
}
