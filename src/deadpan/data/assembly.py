"""From the raw clips of a file to a data set: names, labels, features and splits of any format."""

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Num

from deadpan.data.containers.files import printable
from deadpan.data.containers.memory import charge
from deadpan.data.dataset import (
    Clip,
    Dataset,
    Padding,
    TaskName,
    once_per_array,
    shared_group_warnings,
)
from deadpan.data.folds import split_by_group, validation_groups
from deadpan.errors import DataError
from deadpan.types import SPLITS, TEXT, Modality, in_order

RAW_CLIP, CLIP = 1000, 600
"""Bytes of memory of a clip, raw and then checked, whose arrays have no entries."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RawClip:
    """One clip of a file, not yet checked.

    Attributes:
        name: the parts of its id; empty if the file has no ids.
        split: ``train``, ``valid`` or ``test``; None if the file has no splits.
        sequences: real steps only, of any type of number, finite or not; views of the file's arrays
            where possible. A modality the clip lacks is left out.
        label: the label as stored, of any shape; may be NaN.
        group: the video or speaker; None derives it from the name, "" means that it is unknown.
        id: the id as stored, if it must not be derived from ``name``; else "".
        words: the words, one per step of ``text``; empty if unknown.
        transcript: what is said; "" if unknown.
        times: start and end of each step in seconds from the start of the clip, where known.
    """

    name: tuple[str, ...]
    split: str | None
    sequences: Mapping[Modality, Num[np.ndarray, "_ _"]]
    label: Num[np.ndarray, "*shape"]
    group: str | None = None
    id: str = ""
    words: tuple[str, ...] = ()
    transcript: str = ""
    times: Mapping[Modality, Float[np.ndarray, "_ 2"]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Charge the memory of the clip without its features."""
        charge(RAW_CLIP + 8 * len(self.words) + sum(x.nbytes for x in self.times.values()))


@dataclasses.dataclass(frozen=True, kw_only=True)
class RawClips:
    """The clips of a file.

    Attributes:
        clips: the clips in the order of the file.
        widths: features per step of each modality the file has.
        padding: the padding of each modality that is padded.
        ignored: names of keys or files that were not used.
        alignment: whether steps are aligned, and why, as a sentence; "" if nothing tells.
        unscaled: see ``Dataset``; those that the file does not have are left out.
    """

    clips: Sequence[RawClip]
    widths: Mapping[Modality, int]
    padding: Mapping[Modality, Padding] = dataclasses.field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    alignment: str = ""
    unscaled: Mapping[Modality, str] = dataclasses.field(default_factory=dict)


ASSUMED_TEXT: Mapping[Modality, str] = {TEXT: "assumed to be word vectors or states of an encoder"}
"""What the field's formats hold as text, though their files do not say so. A reader uses this where
its format says so, and never for the name alone: in a table of one's own every modality is scaled.
Distances between vectors carry the information there, and they are scaled already."""
WORD_VECTORS: Mapping[Modality, str] = {TEXT: "word vectors"}
"""The text of a source whose words were looked up in word vectors."""


def zero_non_finite(
    steps: Num[np.ndarray, "step width"], *, modality: Modality, repairs: Counter[str]
) -> Float[np.ndarray, "step width"]:
    """A sequence as float32 with every value that is not finite set to 0.

    It is a copy, unless nothing is to be changed in an array of its own.

    COVAREP writes -inf for the logarithm of 0, and the field sets it to 0. The same is done with
    +inf and NaN. Each kind is counted, so that the user learns that the file was damaged. No step
    is dropped. A value beyond the range of float32 counts as infinite.

    Args:
        steps: real steps of one sequence.
        modality: its name, for the counts.
        repairs: receives the number of values under ``"audio: -inf set to 0"`` and so on.
    """
    own = steps.dtype == np.float32 and steps.base is None and steps.flags.c_contiguous
    if own and np.isfinite(steps).all():
        return steps
    charge(4 * steps.size)
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.array(steps, dtype=np.float32, order="C")
    if np.isfinite(values).all():
        return values
    for kind, wrong in (
        ("-inf", np.isneginf(values)),
        ("+inf", np.isposinf(values)),
        ("NaN", np.isnan(values)),
    ):
        if count := int(wrong.sum()):
            repairs[f"{modality}: {kind} set to 0"] += count
    values[~np.isfinite(values)] = 0
    return values


def sequence_widths(path: Path, clips: Iterable[RawClip]) -> dict[Modality, int]:
    """Features per step of each modality that a clip has; DataError if clips differ."""
    widths: dict[Modality, int] = {}
    for index, clip in enumerate(clips):
        for name, x in clip.sequences.items():
            if widths.setdefault(name, x.shape[1]) != x.shape[1]:
                which = printable(clip.id or clip_id(clip.name)) or f"{index}"
                raise DataError(
                    f"{path}: clip '{which}' has {name} of width {x.shape[1]}; wanted "
                    f"{widths[name]} as before"
                )
    return widths


LABEL_RULES = {
    "regression": "numbers in [-3, 3]",
    "emotions": "0 or 1 for each emotion",
    "classes": "1 for one class and 0 for the others",
    "scores": "finite numbers",
}
"""The labels that each task accepts, in words."""


UNLABELLED = "no clip has a label: they can be predicted, not trained on or scored"


def assemble(
    path: Path,
    raw: RawClips,
    *,
    layout: str,
    task: TaskName,
    labels: tuple[str, ...],
    repairs: Counter[str] | None = None,
    warnings: Sequence[str] = (),
) -> Dataset:
    """Make a data set of a file's clips: check labels, repair features, name clips, make splits.

    Features that are not finite are set to 0 and counted (see ``zero_non_finite``). Clips that
    repeat an id are renamed ``id#2``; a warning gives their number and splits. Where no clip has a
    split, splits are made by group (see ``folds.split_by_group``), unless no clip has a label
    either: such clips are for prediction, and keep their order.

    Args:
        path: the file, for messages and the data set's name.
        raw: its clips; each label has the shape [label] and the values of the task, or is NaN or
            empty in all clips, which then have no labels.
        layout: the format of the file, as a noun.
        task: the task of the labels.
        labels: names of the labels.
        repairs: repairs counted so far; those of NaN and infinities are added.
        warnings: sentences for the user.

    Raises:
        DataError: the task does not accept the labels, or only some clips have a split.
    """
    all_repairs: Counter[str] = Counter() if repairs is None else repairs
    all_warnings = list(warnings)
    if not raw.clips:
        raise DataError(f"{path}: has no clips; give it some")
    with np.errstate(invalid="ignore", over="ignore"):  # a signalling NaN is one like any other
        if unlabelled := all(np.isnan(clip.label).all() for clip in raw.clips):
            none = np.zeros(0, dtype=np.float32)
            clips_without = [dataclasses.replace(clip, label=none) for clip in raw.clips]
            raw, task, labels = dataclasses.replace(raw, clips=clips_without), "scores", ()
            all_warnings.append(UNLABELLED)
        _check_labels(path, raw.clips, task)
    position: Counter[str | None] = Counter()
    clips: list[Clip] = []
    checked = once_per_array(_checked)
    for clip in raw.clips:
        clips.append(_clip(position[clip.split], clip, all_repairs, checked))
        position[clip.split] += 1
    if unlabelled and all(clip.split is None for clip in raw.clips):
        splits = {"test": clips}  # see ``Dataset.unsplit``
    else:
        splits = _splits(path, raw.clips, clips, all_warnings)
    in_two_splits = _in_two_splits(splits)
    splits, repeated = rename_repeated_ids(splits)
    if repeated:
        all_warnings.append(
            f"{repeated} clips repeat an id; they were renamed 'id#2'{in_two_splits}"
        )
    if raw.ignored:
        all_warnings.append(f"unknown keys were ignored: {', '.join(raw.ignored)}")
    dataset = Dataset(
        name=path.stem,
        task=task,
        labels=labels,
        widths={modality: raw.widths[modality] for modality in in_order(raw.widths)},
        splits=splits,
        layout=layout,
        padding=raw.padding,
        alignment=raw.alignment,
        unscaled={m: why for m, why in raw.unscaled.items() if m in raw.widths},
        repairs=dict(all_repairs),
    )
    return dataclasses.replace(dataset, warnings=(*shared_group_warnings(dataset), *all_warnings))


def _checked(
    steps: Num[np.ndarray, "step width"], modality: Modality
) -> tuple[Float[np.ndarray, "step width"], Counter[str]]:
    """What ``zero_non_finite`` makes of a sequence, and what was repaired in it."""
    repairs = Counter[str]()
    return zero_non_finite(steps, modality=modality, repairs=repairs), repairs


def _clip(
    index: int,
    raw: RawClip,
    repairs: Counter[str],
    checked: Callable[[np.ndarray, Modality], tuple[np.ndarray, Counter[str]]],
) -> Clip:
    charge(CLIP)
    sequences = {name: checked(raw.sequences[name], name) for name in in_order(raw.sequences)}
    for _, counts in sequences.values():
        repairs.update(counts)
    return Clip(
        id=raw.id or clip_id(raw.name) or f"{raw.split or 'clip'}:{index}",
        sequences={name: x for name, (x, _) in sequences.items()},
        label=raw.label.astype(np.float32),
        group=_group(raw),
        words=raw.words,
        transcript=raw.transcript,
        times=raw.times,
    )


def _group(clip: RawClip) -> str | None:
    return group_from_name(clip.name) if clip.group is None else clip.group or None


def _check_labels(path: Path, clips: Sequence[RawClip], task: TaskName) -> None:
    values = np.array([clip.label for clip in clips], dtype=np.float64)
    if not (wrong := invalid_labels(values, task)).any():
        return
    kind = "NaN" if np.isnan(values[wrong]).any() else "unusable"
    which = [printable(clip_id(clips[i].name)) or f"clip {i}" for i in np.flatnonzero(wrong)[:3]]
    split = clips[int(np.flatnonzero(wrong)[0])].split
    where = f"split '{split}': " if split else ""
    other = ", or give --data_options.task scores" if task == "regression" else ""
    raise DataError(
        f"{path}: {where}{int(wrong.sum())} labels are {kind} (first: {', '.join(which)}); "
        f"wanted {LABEL_RULES[task]}{other if np.isfinite(values).all() else ''}"
    )


def invalid_labels(
    values: Float[np.ndarray, "clip label"], task: TaskName
) -> Bool[np.ndarray, " clip"]:
    """Mask of the clips whose labels the task does not accept; NaN is never accepted."""
    if task in ("regression", "scores"):
        most = 3 if task == "regression" else np.finfo(np.float32).max
        return np.logical_not((np.abs(values) <= most).all(axis=1))  # not <= is also true of NaN
    binary = np.isin(values, (0, 1)).all(axis=1)
    one = values.sum(axis=1) == 1
    return np.logical_not(binary & one if task == "classes" else binary)


def _splits(
    path: Path, raw: Sequence[RawClip], clips: Sequence[Clip], warnings: list[str]
) -> dict[str, list[Clip]]:
    without = [clip for clip in raw if clip.split is None]
    if not without:
        splits: dict[str, list[Clip]] = {name: [] for name in SPLITS}
        for source, clip in zip(raw, clips, strict=True):
            splits[str(source.split)].append(clip)
        return splits
    if len(without) < len(raw):
        raise DataError(
            f"{path}: {len(without)} of {len(raw)} clips have no split (first: "
            f"'{printable(clip_id(without[0].name))}'); wanted one for all or for none"
        )
    by = "video or speaker" if all(clip.group is not None for clip in clips) else "clip"
    warnings.append(f"the file has no splits; they were made by {by}, 60 / 20 / 20 %")
    return split_by_group(clips)


def hold_out_validation(clips: Sequence[RawClip]) -> tuple[list[RawClip], list[str]]:
    """Make a tenth of the training clips validation, by group, if a file has train and test alone.

    Returns:
        The clips in the same order, and a warning if any was moved.
    """
    splits = {clip.split for clip in clips}
    by = "video or speaker" if all(map(_group, clips)) else "clip"
    groups = [_group(clip) or clip_id(clip.name) for clip in clips]
    training = [group for group, clip in zip(groups, clips, strict=True) if clip.split == "train"]
    chosen = validation_groups(training) if splits == {"train", "test"} else frozenset[str]()
    if not chosen:
        return list(clips), []
    moved = [
        dataclasses.replace(clip, split="valid")
        if clip.split == "train" and group in chosen
        else clip
        for group, clip in zip(groups, clips, strict=True)
    ]
    count = sum(clip.split == "valid" for clip in moved)
    return moved, [
        f"the file has no validation split; {count} of its training clips were taken, by {by}"
    ]


def _in_two_splits(splits: dict[str, list[Clip]]) -> str:
    """``; N of them in two splits (first: 'id')``; empty if no id is in two splits."""
    where: dict[str, set[str]] = {}
    for name, clips in splits.items():
        for clip in clips:
            where.setdefault(clip.id, set()).add(name)
    twice = [clip for clip, names in where.items() if len(names) > 1]
    return f"; {len(twice)} of them in two splits (first: '{printable(twice[0])}')" if twice else ""


VIDEO_CLIP = re.compile(r"(?P<video>.+)_\d+")
YOUTUBE_CLIP = re.compile(r"(?P<video>[\w-]{11})_\d+")
SEGMENT = re.compile(r"(?P<video>.+)\[(?P<clip>\d+)\]")
"""The name that the CMU Multimodal SDK gives a segment of a video."""
RAVDESS = re.compile(r"\d\d(?:-\d\d){5}-(?P<actor>\d\d)")
"""Modality, channel, emotion, intensity, statement, repetition, actor: two digits each."""


def clip_id(parts: Sequence[str]) -> str:
    """Join the parts of a clip's name to its id: ``VIDEO_START_END``; '' for no parts.

    ``VIDEO[3]`` becomes ``VIDEO_3``, as other files name it. Where start and end are both zero,
    which marks unknown times, the first part alone is the id.
    """
    if not _one_name(parts):
        return "_".join(parts)
    match = SEGMENT.fullmatch(parts[0])
    return f"{match['video']}_{match['clip']}" if match else parts[0]


def group_from_name(parts: Sequence[str]) -> str | None:
    """Extract the group of a clip from the parts of its name.

    It is the video of ``(VIDEO_CLIP)``, ``(VIDEO$_$CLIP)``, ``(VIDEO[CLIP])`` or ``(VIDEO, ...)``,
    and the actor of RAVDESS's names, which are seven pairs of digits with the actor last. None for
    any other form: a wrong group would be worse than none.
    """
    if not parts:
        return None
    name = parts[0]
    if match := RAVDESS.fullmatch(name):
        return f"actor-{match['actor']}"
    if "$_$" in name:
        return name.rpartition("$_$")[0]
    if match := SEGMENT.fullmatch(name):
        return match["video"]
    if _one_name(parts):
        match = VIDEO_CLIP.fullmatch(name)
        return match["video"] if match else None
    # The part before start and end is a video, whose own name may end in _1, or VIDEO_CLIP.
    match = YOUTUBE_CLIP.fullmatch(name)
    return match["video"] if match else name


MANY_VIDEOS = 10
"""From this number on, the different parts before the last _ of names are taken for videos."""


def video_groups(names: Sequence[str]) -> list[str]:
    """The group of each clip by names of the form VIDEO_CLIP; "" for all if they tell of none.

    ``happy_1`` and ``happy_2``, or ``sample_1`` and ``sample_2``, are not of one video.
    """
    videos = [group_from_name((name,)) for name in names]
    if None in videos or len(set(videos)) < MANY_VIDEOS:
        return [""] * len(names)
    return [str(video) for video in videos]


def rename_repeated_ids(splits: Mapping[str, Sequence[Clip]]) -> tuple[dict[str, list[Clip]], int]:
    """Make ids unique: the clips, repeated ids renamed ``id#2``, ``id#3``; and their number."""
    ids = {clip.id for clips in splits.values() for clip in clips}
    count: Counter[str] = Counter()
    renamed = 0

    def rename(clip: Clip) -> Clip:
        nonlocal renamed
        count[clip.id] += 1
        if count[clip.id] == 1:
            return clip
        renamed += 1
        while (name := f"{clip.id}#{count[clip.id]}") in ids:
            count[clip.id] += 1
        ids.add(name)
        return dataclasses.replace(clip, id=name)

    return {name: [rename(clip) for clip in clips] for name, clips in splits.items()}, renamed


def _one_name(parts: Sequence[str]) -> bool:
    """Whether the first part is the whole name: alone, or beside a start and an end of zero."""
    return len(parts) == 1 or (
        len(parts) == 3 and all(re.fullmatch(r"0(?:\.0*)?", part) for part in parts[1:])
    )
