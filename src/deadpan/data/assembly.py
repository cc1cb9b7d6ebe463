"""Clips of a file made into a data set: what every layout has in common, done once."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Num

from deadpan.data.containers.files import shown
from deadpan.data.dataset import Clip, Dataset, TaskName, shared_groups
from deadpan.data.folds import split_by_group
from deadpan.data.raw import RawClip, RawClips
from deadpan.errors import DataError
from deadpan.types import SPLITS, Modality, in_order


def finite(
    steps: Num[np.ndarray, "step width"], *, modality: Modality, repairs: Counter[str]
) -> Float[np.ndarray, "step width"]:
    """A float32 copy in which every value that is not finite is 0; the other values stay.

    The rule: COVAREP writes -inf for the logarithm of nothing, and the field sets it to 0; we do
    the same with +inf and NaN, and count each kind, so that nobody is left to think the file was
    sound. A step is kept whatever was mended in it. A value beyond float32 counts as infinite.

    Args:
        steps: real steps of one sequence.
        modality: whose they are.
        repairs: receives the number of values under ``"audio: -inf set to 0"`` and so on.
    """
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


WANTED = {
    "regression": "numbers in [-3, 3]",
    "emotions": "0 or 1 for each emotion",
    "classes": "1 for one class and 0 for the others",
    "scores": "finite numbers",
}
"""What the labels of each task must be."""


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
    """A data set of a file's clips, judged and mended.

    Features that are not finite are set to 0 and counted (see ``repair.finite``). Clips of one id
    are told apart as ``id#2``, with a warning that says how many, and of which splits. Where no
    clip has a split, splits are made by group (see ``folds.split_by_group``).

    Args:
        path: the file, for messages and the data set's name.
        raw: its clips; each label [label], ready for the task.
        layout: what the file is, as a noun.
        task: what the labels are.
        labels: their names.
        repairs: what was mended so far; NaN and infinities are added.
        warnings: what the user should know, a sentence each.

    Raises:
        DataError: labels the task cannot have, or splits for some clips only.
    """
    counted: Counter[str] = Counter() if repairs is None else repairs
    told = list(warnings)
    if not raw.clips:
        raise DataError(f"{path}: has no clips; give it some")
    with np.errstate(invalid="ignore", over="ignore"):  # a signalling NaN is one like any other
        _check_labels(path, raw.clips, task)
    place: Counter[str | None] = Counter()
    clips: list[Clip] = []
    for clip in raw.clips:
        clips.append(_clip(place[clip.split], clip, counted))
        place[clip.split] += 1
    splits = _splits(path, raw.clips, clips, told)
    twice = _in_two_splits(splits)
    splits, repeated = unique(splits)
    if repeated:
        told.append(f"{repeated} clips repeat an id; they are told apart as 'id#2'{twice}")
    if raw.ignored:
        told.append(f"keys that mean nothing here were ignored: {', '.join(raw.ignored)}")
    dataset = Dataset(
        name=path.stem,
        task=task,
        labels=_polar(task, labels, clips),
        widths={modality: raw.widths[modality] for modality in in_order(raw.widths)},
        splits=splits,
        layout=layout,
        padding=raw.padding,
        repairs=dict(counted),
    )
    return dataclasses.replace(dataset, warnings=(*shared_groups(dataset), *told))


def _polar(task: TaskName, labels: tuple[str, ...], clips: Sequence[Clip]) -> tuple[str, ...]:
    """The names of the labels; scores are called sentiment only where 0 is neutral.

    Stars from 1 to 5 have no sign: Acc-2 of them would be 100 % for anyone. Scales that reach no
    further than 3 have one, whatever the file's clips happen to say.
    """
    if task != "scores" or labels != ("sentiment",):
        return labels
    values = [float(clip.label[0]) for clip in clips]
    return ("rating",) if min(values) >= 0 and max(values) > 3 else labels


def _clip(index: int, raw: RawClip, repairs: Counter[str]) -> Clip:
    return Clip(
        id=raw.id or joined(raw.name) or f"{raw.split or 'clip'}:{index}",
        sequences={
            name: finite(raw.sequences[name], modality=name, repairs=repairs)
            for name in in_order(raw.sequences)
        },
        label=raw.label.astype(np.float32),
        group=group_of(raw.name) if raw.group is None else raw.group or None,
        words=raw.words,
        times=raw.times,
    )


def _check_labels(path: Path, clips: Sequence[RawClip], task: TaskName) -> None:
    values = np.array([clip.label for clip in clips], dtype=np.float64)
    if not (wrong := unusable(values, task)).any():
        return
    kind = "NaN" if np.isnan(values[wrong]).any() else "unusable"
    which = [shown(joined(clips[i].name)) or f"clip {i}" for i in np.flatnonzero(wrong)[:3]]
    split = clips[int(np.flatnonzero(wrong)[0])].split
    where = f"split '{split}': " if split else ""
    raise DataError(
        f"{path}: {where}{int(wrong.sum())} labels are {kind} (first: {', '.join(which)}); "
        f"wanted {WANTED[task]}"
    )


def unusable(values: Float[np.ndarray, "clip label"], task: TaskName) -> Bool[np.ndarray, " clip"]:
    """Which clips have labels that the task cannot have, NaN among them."""
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
        for told, clip in zip(raw, clips, strict=True):
            splits[str(told.split)].append(clip)
        return splits
    if len(without) < len(raw):
        raise DataError(
            f"{path}: {len(without)} of {len(raw)} clips have no split (first: "
            f"'{shown(joined(without[0].name))}'); wanted one for all or for none"
        )
    by = "video or speaker" if all(clip.group is not None for clip in clips) else "clip"
    warnings.append(f"the file tells no splits; they were made by {by}, 60 / 20 / 20 %")
    return split_by_group(clips)


def _in_two_splits(splits: dict[str, list[Clip]]) -> str:
    """``, N of them in two splits (first: 'id')``; nothing where none is."""
    where: dict[str, set[str]] = {}
    for name, clips in splits.items():
        for clip in clips:
            where.setdefault(clip.id, set()).add(name)
    twice = [clip for clip, names in where.items() if len(names) > 1]
    return f"; {len(twice)} of them in two splits (first: '{shown(twice[0])}')" if twice else ""


VIDEO_CLIP = re.compile(r"(?P<video>.+)_\d+")
YOUTUBE_CLIP = re.compile(r"(?P<video>[\w-]{11})_\d+")
SEGMENT = re.compile(r"(?P<video>.+)\[(?P<clip>\d+)\]")
"""As the CMU Multimodal SDK names a part of a video."""
RAVDESS = re.compile(r"\d\d(?:-\d\d){5}-(?P<actor>\d\d)")
"""Modality, channel, emotion, intensity, statement, repetition, actor: two digits each."""


def joined(parts: Sequence[str]) -> str:
    """One id of the parts a file gives: ``VIDEO_START_END``; '' of none.

    ``VIDEO[3]`` becomes ``VIDEO_3``, as other files name it. Where start and end are both zero,
    which is how files say that they are not known, the first part names the clip by itself.
    """
    if not _one_name(parts):
        return "_".join(parts)
    match = SEGMENT.fullmatch(parts[0])
    return f"{match['video']}_{match['clip']}" if match else parts[0]


def group_of(parts: Sequence[str]) -> str | None:
    """The video of ``(VIDEO_CLIP)``, ``(VIDEO$_$CLIP)``, ``(VIDEO[CLIP])`` or ``(VIDEO, ...)``.

    For RAVDESS's names, of seven pairs of digits, the actor: the last pair.
    None where a name has none of these forms: a wrong group would be worse than none.
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
    # Beside start and end stands the video, whose own name may end in _1, or VIDEO_CLIP again.
    match = YOUTUBE_CLIP.fullmatch(name)
    return match["video"] if match else name


def unique(splits: Mapping[str, Sequence[Clip]]) -> tuple[dict[str, list[Clip]], int]:
    """The same clips with ids that differ, and how many had to be renamed (``id#2``, ``id#3``)."""
    taken = {clip.id for clips in splits.values() for clip in clips}
    seen: Counter[str] = Counter()
    renamed = 0

    def rename(clip: Clip) -> Clip:
        nonlocal renamed
        seen[clip.id] += 1
        if seen[clip.id] == 1:
            return clip
        renamed += 1
        while (name := f"{clip.id}#{seen[clip.id]}") in taken:
            seen[clip.id] += 1
        taken.add(name)
        return dataclasses.replace(clip, id=name)

    return {name: [rename(clip) for clip in clips] for name, clips in splits.items()}, renamed


def _one_name(parts: Sequence[str]) -> bool:
    """Whether the first part is the whole name: alone, or beside a start and an end of zero."""
    return len(parts) == 1 or (
        len(parts) == 3 and all(re.fullmatch(r"0(?:\.0*)?", part) for part in parts[1:])
    )


SENTIMENT = "sentiment"


def task_of(
    labels: Num[np.ndarray, "clip label"], names: Sequence[str] = ()
) -> tuple[TaskName, tuple[str, ...]]:
    """The task of a table of labels, and what its columns are called.

    One column with every number in [-3, 3] is sentiment, and its task regression. Any other (one
    column of ratings from 1 to 7, the seventeen of POM) has the task "scores".

    Args:
        labels: at least one column; NaN says nothing of the range.
        names: of the columns; those of any other number or not unique are not used. Without names,
            one column is "sentiment" and several are "label 1", "label 2" and so on.
    """
    width = labels.shape[1]
    if width == 1:
        with np.errstate(invalid="ignore"):  # NaN may be of the kind that signals
            within = not (np.abs(labels.astype(np.float64)) > 3).any()
        return "regression" if within else "scores", (SENTIMENT,)
    if len(set(names)) == len(names) == width:
        return "scores", tuple(names)
    return "scores", tuple(f"label {column + 1}" for column in range(width))
