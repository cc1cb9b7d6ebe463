"""Loading a data set: by its name, or from a file whose format its content tells."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from deadpan.data.alignment import requested_alignment
from deadpan.data.containers.files import printable
from deadpan.data.containers.memory import memory_bound
from deadpan.data.corpora import CORPORA
from deadpan.data.dataset import Clip as Clip
from deadpan.data.dataset import Dataset, step_counts
from deadpan.data.folds import leave_out
from deadpan.data.formats import detect_format
from deadpan.data.generated.controlled import controlled
from deadpan.errors import DataError, DeadpanError, unknown_name
from deadpan.options import typed

NO_OPTIONS = ("path", "content", "featureless")
"""Arguments of readers that are no options of a data set."""
DATASETS: dict[str, Callable[..., Dataset]] = {"controlled": controlled}
"""Data sets that are generated, by name."""


def load(source: str | Path, **options: Any) -> Dataset:
    """Load a data set by name, or from a file whose format is recognised by its content.

    Args:
        source: ``controlled``, or a file or folder in any format of ``deadpan.data.formats``.
        **options: arguments of the source (``carrier=``, ``vectors=``, ...), and for any source
            ``leave_out=GROUP``: test on that video or speaker and train on the others, and
            ``aligned=``: whether step k is the same word in every modality. Where the source has
            no padding, from which this would be inferred, ``True`` refuses clips whose modalities
            differ in length.

    Raises:
        DataError: the name, path or option is unknown, the file does not fit its format, or it
            stands for more memory than files of its size may.
    """
    return _load(source, options, featureless=False)


def load_transcripts(source: str | Path, **options: Any) -> Dataset:
    """Load a data set as ``load`` does, but let clips with a transcript have no features."""
    return _load(source, options, featureless=True)


def _load(source: str | Path, options: Mapping[str, Any], *, featureless: bool) -> Dataset:
    with memory_bound(source):
        read, checked = _reader_and_options(str(source), _without_split(options))
        if featureless and "featureless" in inspect.signature(read).parameters:
            checked["featureless"] = True
        dataset = read(**checked)
    group = options.get("leave_out")
    return dataset if group is None else leave_out(dataset, str(group))


def check_data_options(source: str | Path, options: Mapping[str, Any]) -> None:
    """Refuse the options that ``load`` would refuse, without reading a clip.

    Raises:
        DataError: the name, path, format or option is unknown, or an option has a wrong value.
    """
    _reader_and_options(str(source), _without_split(options))


def _without_split(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a source, without the one that every source has: the group to leave out."""
    return {name: value for name, value in options.items() if name != "leave_out"}


def _reader_and_options(
    source: str, options: Mapping[str, Any]
) -> tuple[Callable[..., Dataset], dict[str, Any]]:
    """The function that reads or generates the data set, and its options converted to its types."""
    read, arguments = _reader_of(source, options)
    if "aligned" not in inspect.signature(read).parameters:
        read = _aligned_on_request(read)
    parameters = {
        k: p for k, p in inspect.signature(read).parameters.items() if k not in NO_OPTIONS
    }
    for name in options:
        if name not in parameters:
            raise DataError(unknown_name(f"option of {source}", name, [*parameters, "leave_out"]))
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in options:
            raise DataError(
                f"{source}: needs the option '{name}'; give --data_options.{name} VALUE"
            )
    try:  # the command line and YAML have no paths
        checked = {
            k: typed(f"option '{k}'", v, parameters[k].annotation) for k, v in options.items()
        }
    except DeadpanError as error:
        raise DataError(str(error)) from None
    return partial(read, *arguments), checked


def _not_there(source: str, path: Path) -> DataError:
    """The error for what is no path: that of a file, or of a name, whichever was meant."""
    near_file = _nearest_path(path)
    if near_file or path.suffix or any(separator in source for separator in "/\\~"):
        hint = f"did you mean '{near_file}'?" if near_file else "give the path of one that exists"
        return DataError(f"no file or folder '{source}'; {hint}")
    corpora = {name.lower(): name for name in CORPORA}
    if corpus := corpora.get(source.lower()):
        return DataError(
            f"{source}: deadpan does not hold this data set; 'deadpan data list {corpus}' says "
            "where to get it and which file to give"
        )
    return DataError(f"{unknown_name('data set', source, DATASETS)}; or give the path of a file")


def _nearest_path(path: Path) -> Path | None:
    """The entry of the same folder whose name is most like that of a missing path; or None."""
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.name[0] != "."]
    except OSError:
        return None
    return next((path.parent / n for n in get_close_matches(path.name, names, 1, 0.7)), None)


def _reader_of(
    source: str, options: Mapping[str, Any]
) -> tuple[Callable[..., Dataset], tuple[Any, ...]]:
    if source in DATASETS:
        return DATASETS[source], ()
    try:
        path = Path(source).expanduser()
        exists = path.exists()
    except (OSError, RuntimeError) as error:  # no permission, a name too long, ~NOBODY
        raise DataError(f"{source}: cannot be opened ({error}); give another path") from error
    if not exists:
        raise _not_there(source, path)
    return detect_format(path, [name for name, value in options.items() if value])


def _aligned_on_request(read: Callable[..., Dataset]) -> Callable[..., Dataset]:
    """The reader of a source without padding, with an option ``aligned`` that checks its clips."""

    def read_aligned(*arguments: Any, aligned: bool | None = None, **options: Any) -> Dataset:
        dataset = read(*arguments, **options)
        if aligned is None:
            return dataset
        if aligned:
            _refuse_unaligned(dataset)
        reason = requested_alignment(aligned).reason
        return dataclasses.replace(dataset, alignment=reason)

    signature = inspect.signature(read)
    option = inspect.signature(read_aligned).parameters["aligned"]
    parameters = [*signature.parameters.values(), option]
    read_aligned.__signature__ = signature.replace(parameters=parameters)  # pyright: ignore[reportFunctionMemberAccess]
    return read_aligned


def _refuse_unaligned(dataset: Dataset) -> None:
    """Raise DataError at the first clip whose modalities differ in length; none may be missing."""
    for clips in dataset.splits.values():
        steps = step_counts(clips, list(dataset.widths))
        longest = steps.max(axis=1, keepdims=True, initial=0)
        for index in np.flatnonzero(((steps != longest) & (steps > 0)).any(axis=1))[:1]:
            listing = ", ".join(
                f"{name} {count}"
                for name, count in zip(dataset.widths, steps[index].tolist(), strict=True)
            )
            raise DataError(
                f"{dataset.name}: clip '{printable(clips[index].id)}' is not aligned: its "
                f"modalities have different numbers of steps ({listing}); leave out "
                f"--data_options.aligned true"
            )
