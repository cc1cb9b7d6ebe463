"""Every source of data behind one door: ``load(NAME_OR_PATH)``."""

import hashlib
import inspect as _inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deadpan.data.clip_table import clip_table_dataset
from deadpan.data.controlled import controlled
from deadpan.data.dataset import Clip, Dataset
from deadpan.data.folds import leave_out
from deadpan.data.mult import mult_dataset
from deadpan.data.readers.clip_table import looks_like_clip_table
from deadpan.data.readers.unpickling import looks_like_pickle
from deadpan.errors import DataError, unknown_name
from deadpan.types import SPLITS, in_order

__all__ = ["DATASETS", "FILES", "Clip", "Dataset", "load"]

DATASETS: dict[str, Callable[..., Dataset]] = {"controlled": controlled}
"""Data sets that are generated, by name."""

FILES: tuple[tuple[Callable[[Path], bool], Callable[..., Dataset]], ...] = (
    (looks_like_clip_table, clip_table_dataset),
    (looks_like_pickle, mult_dataset),
)
"""Layouts of files: what recognises one, by content, and what reads it."""


def load(source: str | Path, **options: Any) -> Dataset:
    """A data set by name, or from a file whose layout is found out by its content.

    Args:
        source: ``controlled``, a pickle in MulT's layout, or a clip table in the MMSA convention.
        **options: arguments of the source (``carrier=``, ``vectors=``, ...), and for any source
            ``leave_out=GROUP``: test on that video or speaker and train on the others.

    Raises:
        DataError: no such name or path, an unknown option, or a file that does not fit.
    """
    held_out = options.pop("leave_out", None)
    make, given = _maker(str(source))
    known = {k: p for k, p in _inspect.signature(make).parameters.items() if k != "path"}
    for name in options:
        if name not in known:
            raise DataError(unknown_name(f"option of {source}", name, [*known, "leave_out"]))
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in options:
            raise DataError(
                f"{source}: needs the option '{name}'; give --data_options.{name} VALUE"
            )
    dataset = make(*given, **_typed(known, options))
    return dataset if held_out is None else leave_out(dataset, str(held_out))


def _maker(source: str) -> tuple[Callable[..., Dataset], tuple[Path, ...]]:
    if source in DATASETS:
        return DATASETS[source], ()
    try:
        path = Path(source).expanduser()
        exists = path.exists()
    except (OSError, RuntimeError) as error:  # no permission, a name too long, ~NOBODY
        raise DataError(f"{source}: cannot be opened ({error}); give another path") from error
    if not exists:
        raise DataError(f"no file '{source}', and {unknown_name('data set', source, DATASETS)}")
    for recognises, read in FILES:
        if path.is_file() and recognises(path):
            return read, (path,)
    if path.is_dir():
        raise DataError(f"{path}: is a directory; give a pickle in MulT's layout or a clip table")
    # The pickle reader knows how to say what is wrong: an empty file, no permission, no pickle.
    return mult_dataset, (path,)


def _typed(known: Mapping[str, _inspect.Parameter], options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as their parameters want them: the command line and YAML know no paths."""
    typed = dict(options)
    for name, value in options.items():
        wanted = known[name].annotation
        if wanted is Path:
            typed[name] = Path(str(value)).expanduser()
        elif wanted in (int, float) and (
            isinstance(value, bool) or not isinstance(value, int | float)
        ):
            raise DataError(f"option '{name}' wants a number; got {value!r}")
        elif wanted is int and not float(value).is_integer():  # NaN and infinity are none
            raise DataError(f"option '{name}' wants a whole number; got {value!r}")
        elif wanted is int:
            typed[name] = int(value)
    return typed


def describe(dataset: Dataset) -> dict[str, Any]:
    """What a run remembers of its data."""
    return {
        "name": dataset.name,
        "task": dataset.task,
        "splits": {name: len(clips) for name, clips in dataset.splits.items()},
        "fingerprint": fingerprint(dataset),
        "repairs": dict(dataset.repairs),
        "warnings": list(dataset.warnings),
    }


def fingerprint(dataset: Dataset) -> str:
    """A hash of all that training sees of the clips: ids, labels, features, splits."""
    digest = hashlib.sha256()
    for split in SPLITS:
        for clip in dataset.splits.get(split, ()):
            digest.update(f"{split} {clip.id} {clip.label.tolist()}".encode())
            for name in in_order(clip.sequences):
                x = np.ascontiguousarray(clip.sequences[name])
                digest.update(f"{name} {x.shape}".encode())
                digest.update(x.view(np.uint8).data)
    return digest.hexdigest()[:16]
