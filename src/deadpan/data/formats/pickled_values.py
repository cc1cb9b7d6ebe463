"""Parsing what the pickle formats share: splits, ids, columns of numbers and padded arrays."""

import dataclasses
import math
import sys
from collections.abc import Callable, Mapping, Sequence, Sized
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from jaxtyping import Float, Num

from deadpan.data.assembly import ASSUMED_TEXT, RawClip, RawClips
from deadpan.data.containers.files import printable
from deadpan.data.containers.memory import charge
from deadpan.data.padding import Arrays, StepRange, measure_padding, real_sequences
from deadpan.errors import DataError, unknown_name
from deadpan.types import MODALITIES, SPLITS, TEXT, Modality, split_name

SplitTable = Mapping[str, object]
"""The values of a split by key."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PaddedSplit:
    """The arrays of one split, as stored.

    Attributes:
        sequences: padded features; a modality the file lacks is left out.
        labels: labels, one entry per clip along the first axis.
        ids: the parts of each clip's id as text; empty tuples if the file has no ids.
        words: the words of each clip; empty if the file has none.
        transcripts: what is said in each clip; empty if the file has none.
        ignored: keys that the format does not have.
    """

    sequences: Mapping[Modality, Num[np.ndarray, "clip _ _"]]
    labels: Num[np.ndarray, "clip *shape"]
    ids: tuple[tuple[str, ...], ...]
    words: tuple[tuple[str, ...], ...] = ()
    transcripts: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.labels)


Split = TypeVar("Split", bound=PaddedSplit)


def parse_splits(
    path: Path, content: object, wanted: str, parse: Callable[[SplitTable], Split]
) -> dict[str, Split]:
    """Parse a dict ``split -> {key: value}``, whose keys become text.

    Args:
        path: path of the pickle, for messages.
        content: its value, as ``read_pickle`` returns it.
        wanted: the keys that a split should have, for messages.
        parse: parses one split; its errors need not name path and split.

    Raises:
        DataError: the value is no such dict, has a split of an unknown name, or widths differ.
    """
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path}: holds no splits; wanted a dict of train, valid and test")
    splits: dict[str, Split] = {}
    for key, value in cast("dict[object, object]", content).items():
        where = str(path)
        try:
            name = split_name(as_text(key))
            if name is None:
                raise DataError(unknown_name("split", printable(as_text(key)), SPLITS))
            if name in splits:
                raise DataError(f"has two splits '{name}'; wanted one")
            if not isinstance(value, dict):
                raise DataError(f"split '{name}' is no dict; wanted {wanted}")
            items = cast("dict[object, object]", value).items()
            table = {as_text(inner): entry for inner, entry in items}
            where = f"{path}: split '{name}'"
            splits[name] = parse(table)
        except DataError as error:
            raise DataError(f"{where}: {error}") from None
    _check_widths(path, splits)
    return splits


def every_split_has(content: object, *keys: str) -> bool:
    """Whether an unpickled value is a dict of splits that each have one of these keys."""
    if not isinstance(content, dict) or not content:
        return False
    splits = cast("dict[object, object]", content).values()
    either = {form for key in keys for form in (key, key.encode())}
    return all(isinstance(split, dict) and not either.isdisjoint(split) for split in splits)


def counting_key(table: SplitTable, labels: str, author: str) -> tuple[str, int]:
    """The key whose entries are counted, and their number, which is that of the clips.

    It is that of labels, or where there are none of features.

    Args:
        table: the values of the split; a key whose value is None is taken for missing.
        labels: the key of labels.
        author: of the format, for the message.
    """
    keys = (key for key in (labels, *MODALITIES) if table.get(key) is not None)
    if (key := next(keys, None)) is None:
        names = ", ".join(sorted(map(printable, table))) or "nothing"
        raise DataError(f"has no '{labels}' (found {names}); wanted the format of {author}")
    value = table[key]
    if isinstance(value, list | tuple):
        return key, len(cast("list[object]", value))
    # Sequences of different lengths are an array of objects.
    array = value if isinstance(value, np.ndarray) else numeric_array(key, value)
    if not array.ndim:
        raise DataError(f"'{key}' is a single number; wanted one entry per clip")
    if len(array) and not array.size:  # checked before memory is allocated per declared clip
        raise DataError(f"'{key}' has shape {array.shape}; wanted one entry per clip")
    return key, len(array)


def cut_clips(
    splits: Mapping[str, Split], steps: Callable[[Split], Mapping[Modality, StepRange]]
) -> RawClips:
    """Cut the clips of padded splits to their real steps, which ``steps`` finds for a split.

    A clip has words only if there is one for each step of its text.
    """
    clips: list[RawClip] = []
    padded: list[tuple[Arrays, Mapping[Modality, StepRange]]] = []
    for name in SPLITS:
        if name not in splits:
            continue
        split = splits[name]
        ranges = steps(split)
        padded.append((split.sequences, ranges))
        for index, parts in enumerate(split.ids):
            sequences = real_sequences(split.sequences, ranges, index)
            words = split.words[index] if split.words else ()
            clip = RawClip(
                name=parts,
                split=name,
                sequences=sequences,
                label=np.asarray(split.labels[index]),
                words=words if len(words) == len(sequences.get(TEXT, ())) else (),
                transcript=split.transcripts[index] if split.transcripts else "",
            )
            clips.append(clip)
    return RawClips(
        clips=clips,
        widths={m: x.shape[2] for split in splits.values() for m, x in split.sequences.items()},
        padding=measure_padding(padded),
        unscaled=ASSUMED_TEXT,
        ignored=tuple(sorted({key for split in splits.values() for key in split.ignored})),
    )


def as_text(value: object) -> str:
    """Convert a name or an id to text; DataError if it is neither text nor a number.

    A text stays the object that it is, which a pickle may refer to a million times; one that is
    made is charged.
    """
    if isinstance(value, bytes):
        text = value.decode("utf-8", errors="backslashreplace")
    elif isinstance(value, str):
        # Half a surrogate pair cannot be encoded in UTF-8.
        text = value.encode("utf-8", errors="backslashreplace").decode("utf-8")
        if type(value) is str and text == value:
            return value
    elif isinstance(value, int | float):  # numpy's float64 is one too
        text = str(value)
    elif isinstance(value, np.generic):
        return as_text(value.item())
    else:
        raise DataError(f"an id is a {type(value).__name__}; wanted text or a number")
    charge(sys.getsizeof(text))
    return text


def check_count(name: str, values: Sized, count: int, beside: str) -> None:
    """Refuse values of another number of clips than ``count``, which are under ``beside``."""
    if len(values) != count:
        raise DataError(f"'{name}' has {len(values)} clips, '{beside}' {count}")


def clip_ids(table: SplitTable, count: int, beside: str) -> tuple[tuple[str, ...], ...]:
    """Parse the parts of each clip's id; empty where a split has none.

    Ids are str, bytes or numbers, one per clip or a row of several. ``count`` is the number of
    clips, which is the length of the value under ``beside``.
    """
    if "id" not in table:
        return ((),) * count
    entries = as_list("id", table["id"])
    check_count("id", entries, count, beside)  # before texts are made of them
    return tuple(map(id_parts, entries))


def as_list(name: str, value: object) -> list[object]:
    """Convert a list, a tuple or an array to a list."""
    if isinstance(value, np.ndarray) and value.ndim:
        if len(value) and not value.size:  # checked before memory is allocated per entry
            raise DataError(f"'{name}' has shape {value.shape}; wanted one entry per clip")
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise DataError(f"'{name}' is a {type(value).__name__}; wanted one entry per clip")
    return list(cast("list[object]", value))


def id_parts(entry: object) -> tuple[str, ...]:
    """Parse the parts of one id, as text."""
    values = entry.ravel().tolist() if isinstance(entry, np.ndarray) else entry
    for _ in range(2):  # [N, 1, 1] comes as a list of one in a list of one
        if isinstance(values, list | tuple) and len(values) == 1:
            values = cast("list[object]", values)[0]
    parts = cast("list[object]", values) if isinstance(values, list | tuple) else [values]
    return tuple(map(as_text, parts))


def numeric_array(name: str, value: object) -> Num[np.ndarray, "*shape"]:
    """An array of integers or floats: as it is, or of truth values, of lists or of objects.

    Raises:
        DataError: there is anything but numbers in it, or lists differ in length.
    """
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.dtype.hasobject):
        _check_numbers(name, value)
        plain = value.tolist() if isinstance(value, np.ndarray) else value
        try:
            value = np.array(plain)
        except (ValueError, OverflowError):
            raise DataError(f"'{name}' has lists of different lengths; wanted one shape") from None
    if not isinstance(value, np.ndarray):
        raise DataError(f"'{name}' is a {type(value).__name__}; wanted an array of numbers")
    if value.dtype.kind == "b":
        return value.view(np.uint8)
    if value.dtype.kind not in "iuf":
        raise DataError(f"'{name}' is an array of {value.dtype.name}; wanted an array of numbers")
    return value


def number_rows(path: Path, name: str, value: object) -> Num[np.ndarray, "row width"]:
    """The numbers of an array or of lists [row, width]; of [row] alone, each is a row.

    Args:
        path: the file of the value, for messages.
        name: name of the value, for messages.
        value: an array, or lists of numbers or of arrays.

    Raises:
        DataError: there is anything but numbers in it, or rows differ in length.
    """
    try:
        array = numeric_array(name, value)
        if array.ndim not in (1, 2):
            raise DataError(f"'{name}' has shape {array.shape}; wanted [row, width]")
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return array[:, np.newaxis] if array.ndim == 1 else array


def number_row(name: str, value: object) -> Num[np.ndarray, " width"]:
    """The numbers of an array, of a list, or a number, along one axis."""
    return numeric_array(name, value if isinstance(value, CONTAINERS) else [value]).ravel()


DEEPEST = 8
"""Levels of lists in lists; features have three."""
NUMBER, ARRAY = 8, 256
"""Bytes of memory of a number in an array, and of an array of none with a view of it."""


def _check_numbers(name: str, value: object) -> None:
    """Raise DataError if anything but numbers is in lists and arrays; charge the array of them.

    A pickle may say that each of a million entries is the same list, so lists are counted once.
    """
    counts: dict[int, int] = {}

    def count(entry: object, depth: int) -> int:
        if not isinstance(entry, CONTAINERS):
            _check_number_types(name, {type(entry)})
            return 1
        if id(entry) in counts:
            return counts[id(entry)]
        if depth == DEEPEST:
            raise DataError(f"'{name}' has lists in lists, {DEEPEST} deep; wanted numbers")
        total = entry.size if isinstance(entry, np.ndarray) else len(entry)
        if not isinstance(entry, np.ndarray) or entry.dtype.hasobject:
            flat = entry.ravel().tolist() if isinstance(entry, np.ndarray) else entry
            entries = cast("list[object]", flat)
            kinds = set(map(type, entries))  # faster than a call per number
            if kinds.isdisjoint(CONTAINERS):
                _check_number_types(name, kinds)
            else:
                total = sum(count(inner, depth + 1) for inner in entries)
        counts[id(entry)] = total
        return total

    charge(ARRAY + NUMBER * count(value, 0))


CONTAINERS = (list, tuple, np.ndarray)


def _check_number_types(name: str, kinds: set[type]) -> None:
    for kind in kinds:
        if not issubclass(kind, int | float | np.number | np.bool_):
            raise DataError(f"'{name}' holds a {kind.__name__}; wanted numbers")


def feature_array(name: str, value: object) -> Num[np.ndarray, "clip step width"]:
    """The features of clips as an array; sequences of different lengths are padded with zeros.

    Raises:
        DataError: there is anything but numbers, or no sequence per clip.
    """
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        array = numeric_array(name, value)
    else:
        entries = as_list(name, value)
        array = _pad(name, [_sequence(name, entry) for entry in entries])
    if array.ndim != 3:
        raise DataError(f"'{name}' has shape {array.shape}; wanted [clip, step, width]")
    return array


def _sequence(name: str, entry: object) -> Num[np.ndarray, "*shape"] | None:
    """The features of one clip; None if it has none."""
    if entry is None:
        return None
    array = numeric_array(name, entry)
    return array if len(array.shape) and len(array) else None


def _pad(name: str, sequences: Sequence[np.ndarray | None]) -> np.ndarray:
    """Sequences, with zeros after each that is shorter than the longest."""
    filled = [x for x in sequences if x is not None]
    shapes = {x.shape[1:] for x in filled}
    if len(shapes) > 1 or (filled and filled[0].ndim < 2):
        shown = " and ".join(
            sorted(str(x.shape) for x in {x.shape: x for x in filled}.values())[:2]
        )
        raise DataError(f"'{name}' has clips of shape {shown}; wanted [step, width], one width")
    steps, shape = max(map(len, filled), default=0), next(iter(shapes), (1,))
    charge(NUMBER * len(sequences) * steps * math.prod(shape))
    dtype = np.result_type(*{x.dtype for x in filled}) if filled else np.dtype(np.float32)
    padded = np.zeros((len(sequences), steps, *shape), dtype)
    for row, x in zip(padded, sequences, strict=True):
        if x is not None:
            row[: len(x)] = x
    return padded


def number_column(name: str, value: object) -> Float[np.ndarray, " clip"]:
    """Convert an array or a list of one number per clip to float64; [clip, 1, ...] is flattened."""
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        array = numeric_array(name, value)
        if not array.ndim or array.size != len(array):
            raise DataError(f"'{name}' has shape {array.shape}; wanted one number per clip")
        return array.reshape(len(array)).astype(np.float64)
    return np.array([_number(name, entry) for entry in as_list(name, value)], dtype=np.float64)


def _number(name: str, entry: object) -> float:
    if isinstance(entry, np.ndarray) and entry.size == 1:
        entry = entry.item()
    elif isinstance(entry, list | tuple) and len(entry) == 1:
        entry = cast("list[object]", entry)[0]
    if not isinstance(entry, int | float | np.integer | np.floating | np.bool_):
        raise DataError(f"'{name}' holds a {type(entry).__name__}; wanted one number per clip")
    try:
        return float(entry)
    except OverflowError:  # an integer beyond every float
        return float("inf") if entry > 0 else float("-inf")


def padded_arrays(table: SplitTable, count: int, beside: str) -> dict[Modality, np.ndarray]:
    """The arrays [clip, step, width] of a split; a modality it lacks is left out.

    ``count`` is the number of clips, which is the length of the value under ``beside``.
    """
    arrays: dict[Modality, np.ndarray] = {}
    for modality in MODALITIES:
        if modality in table:
            array = feature_array(modality, table[modality])
            check_count(modality, array, count, beside)
            if not array.shape[2]:
                raise DataError(
                    f"'{modality}' has shape {array.shape}; wanted a width of 1 or more"
                )
            arrays[modality] = array
    return arrays


def _check_widths(path: Path, splits: Mapping[str, PaddedSplit]) -> None:
    """Raise DataError if a modality's width differs between splits, or no split has a modality."""
    for modality in MODALITIES:
        arrays = {name: split.sequences.get(modality) for name, split in splits.items()}
        by_split = {name: x.shape[2] for name, x in arrays.items() if x is not None}
        if len(set(by_split.values())) > 1:
            listing = ", ".join(f"{width} in {name}" for name, width in by_split.items())
            raise DataError(f"{path}: '{modality}' has width {listing}; wanted one width")
    if not any(split.sequences for split in splits.values()):
        raise DataError(f"{path}: has none of {', '.join(MODALITIES)}; wanted at least one")
