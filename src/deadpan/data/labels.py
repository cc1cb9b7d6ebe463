"""The meaning of a file's labels: one place decides on their task, for every format."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import cast, get_args

import numpy as np
from jaxtyping import Float, Num

from deadpan.data.assembly import RawClip, RawClips, assemble, hold_out_validation
from deadpan.data.containers.files import printable
from deadpan.data.containers.memory import charge
from deadpan.data.dataset import Dataset, TaskName
from deadpan.errors import DataError, unknown_name

SENTIMENT = "sentiment"
MOSEI_LABELS = (SENTIMENT, "happy", "sad", "anger", "surprise", "disgust", "fear")
"""MOSEI's seven numbers: sentiment in [-3, 3], then the strength of emotions in [0, 3]."""
IEMOCAP_EMOTIONS = ("Neutral", "Happy", "Sad", "Angry")
FEW = 10
"""Up to this many different whole numbers may be classes rather than scores."""
MANY_CLIPS = 20
"""So many labels of sentiment are hardly ever all of one sign."""
RARE = 0.05
"""A share of labels outside [-3, 3] up to this looks like damage, not like another scale."""
ONE_HOT = 20
"""Bytes of memory per clip and class: float64, its copy while it is checked, and float32."""

Columns = Float[np.ndarray, "clip label"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelMeaning:
    """The task of a file's labels, the names of the labels, and sentences for the user."""

    task: TaskName
    names: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def labelled_dataset(
    path: Path,
    raw: RawClips,
    *,
    layout: str,
    task: str,
    labels: str,
    names: Sequence[str] = (),
    classes: Sequence[str] = (),
    scale: TaskName | None = None,
    file: Path | None = None,
    hold_out: bool = False,
    repairs: Counter[str] | None = None,
    warnings: Sequence[str] = (),
) -> Dataset:
    """Make a data set of a file's clips, whose labels are as stored.

    Args:
        path: the file or folder, for messages and the data set's name.
        raw: see ``interpret_labels``, also for task, labels, names, classes and scale.
        layout: see ``assemble``, also for repairs and warnings.
        task: the task that the user asks for.
        labels: the labels that the user asks for.
        names: names of the labels in the file.
        classes: names of the classes in the file.
        scale: the task of one number that is no class.
        file: the file of labels, for messages, if it is another.
        hold_out: whether validation is taken from train where the file has none.
        repairs: repairs counted so far.
        warnings: sentences for the user.

    Raises:
        DataError: see ``interpret_labels`` and ``assemble``.
    """
    raw, meaning = interpret_labels(
        file or path, raw, task=task, labels=labels, names=names, classes=classes, scale=scale
    )
    held_out: list[str] = []
    if hold_out:
        clips, held_out = hold_out_validation(raw.clips)
        raw = dataclasses.replace(raw, clips=clips)
    return assemble(
        path,
        raw,
        layout=layout,
        task=meaning.task,
        labels=meaning.names,
        repairs=repairs,
        warnings=[*warnings, *meaning.warnings, *held_out],
    )


def interpret_labels(
    path: Path,
    raw: RawClips,
    *,
    task: str,
    labels: str,
    names: Sequence[str] = (),
    classes: Sequence[str] = (),
    scale: TaskName | None = None,
) -> tuple[RawClips, LabelMeaning]:
    """Decide what the labels of a file mean, and bring them to the form of their task.

    See ``infer_task`` for one number a clip and for several. Seven that are MOSEI's are its
    sentiment, unless labels are named or the task is another. Pairs (absent, present) are emotions.
    Where no clip has a label, there is none to choose from, and any task and labels are accepted.

    Args:
        path: the file, for messages.
        raw: its clips, with labels as stored: a number, [label], [label, 2], or these within
            further dimensions of 1.
        task: the task that the user asks for; "auto" infers it.
        labels: names of the labels that the user asks for, separated by commas; "" is all.
        names: names of the labels in the file, ignored unless there is a different one for each.
        classes: names of the classes that the numbers 0, 1, ... of one label stand for, where the
            format says it. They are the labels that the user may ask for, except as regression or
            scores; clips of other classes are then left out.
        scale: the task of one number that is no class, where the format says it.

    Returns:
        The clips with labels [label] for ``assemble``, and the meaning of their labels.

    Raises:
        DataError: the task or a name is unknown, labels differ in shape, or do not fit the task.
    """
    check_task(path, task)
    clips = raw.clips
    with np.errstate(invalid="ignore", over="ignore"):  # a signalling NaN is one like any other
        if clips and all(np.isnan(clip.label).all() for clip in clips):
            return raw, LabelMeaning(task="scores", names=())
        values, pairs = _columns(path, clips)
        warnings: list[str] = []
        numbered = not pairs and task not in ("regression", "scores")
        if numbered and classes and _count_classes(values, len(classes)):
            values, names = one_hot(values[:, 0], np.arange(len(classes))), tuple(classes)
            task = "classes" if task == "auto" else task
            values, names = choose_labels(path, values, names, labels)
            if task == "classes":
                clips, values = _of_classes(path, clips, values, names, warnings)
        else:
            names = _names(values, names, pairs=pairs)
            values, names = choose_labels(path, values, names, labels)
        if not labels and names == MOSEI_LABELS and task in ("auto", "regression", "emotions"):
            values, names = _part_of_mosei(values, task, warnings)
            task = "regression" if task == "auto" else task
        if task == "auto" and pairs:
            task = "emotions"
        elif task == "auto":
            task, reasons = infer_task(values, names, scale=scale)
            warnings += reasons
        values, names = _in_form(path, values, names, task, warnings)
    if task == "scores" and scale != "scores":
        names = score_names(values, names)
    clips = [
        dataclasses.replace(clip, label=label) for clip, label in zip(clips, values, strict=True)
    ]
    return dataclasses.replace(raw, clips=clips), LabelMeaning(
        task=cast("TaskName", task), names=tuple(names), warnings=tuple(warnings)
    )


def check_task(path: Path, task: str) -> None:
    """Raise DataError unless a task is "auto" or one that labels can have."""
    if task not in (tasks := ("auto", *get_args(TaskName))):
        raise DataError(f"{path}: {unknown_name('task', task, tasks)}")


def infer_task(
    values: Columns, names: Sequence[str], *, scale: TaskName | None = None
) -> tuple[TaskName, list[str]]:
    """Infer the task of columns of labels.

    One column holds classes if its numbers are 0 and 1, -1 and 1, or 0, 1, 2 and so on to at most 9
    without a gap. Otherwise it is regression if all are in [-3, 3], and scores if not. Several
    columns are classes where each clip has 1 in one and 0 in the others, emotions where all numbers
    are 0 or 1, and scores otherwise.

    Args:
        values: the labels; rows that are not finite are ignored.
        names: names of the columns, for the sentences.
        scale: the task of one column that holds no classes; None infers it.

    Returns:
        The task, and a sentence for the user where the labels could mean something else.
    """
    finite = values[np.isfinite(values).all(axis=1)]
    if values.shape[1] > 1:
        return _task_of_several(finite, names)
    numbers = np.unique(finite)
    beyond = float((np.abs(values) > 3).mean()) if values.size else 0.0
    task: TaskName = scale or ("scores" if beyond else "regression")
    if 2 <= len(numbers) <= FEW and (numbers == np.floor(numbers)).all():
        other = "classes"
        if _are_class_numbers(numbers):
            task, other = "classes", task
        return task, [
            f"{_quoted(names)} is only ever {', '.join(f'{number:g}' for number in numbers)} and "
            f"was taken as {task}; if these are {_SUBJECTS[other]}, give --data_options.task "
            f"{other}"
        ]
    if scale is None and len(numbers) and 0 < beyond <= RARE:
        return task, [
            f"{100 * beyond:.2g} % of labels are beyond [-3, 3] (they reach from {numbers[0]:g} to "
            f"{numbers[-1]:g}), so they were taken as scores; if this is sentiment, mend them"
        ]
    if task == "regression" and len(finite) >= MANY_CLIPS and numbers[0] >= 0 < numbers[-1]:
        return task, [
            f"{_quoted(names)} is never below 0, so Acc-2 and F1 tell nothing; if 0 is not neutral "
            f"on its scale, give --data_options.task scores"
        ]
    return task, []


_SUBJECTS = {"classes": "classes", "regression": "numbers on a scale", "scores": "ratings"}


def _quoted(names: Sequence[str]) -> str:
    return "the label" if names[0] == SENTIMENT else f"'{printable(names[0])}'"


def _task_of_several(finite: Columns, names: Sequence[str]) -> tuple[TaskName, list[str]]:
    if not len(finite) or not np.isin(finite, (0, 1)).all():
        if tuple(names) == MOSEI_LABELS[1:]:
            return "scores", [
                "labels are the strength of six emotions as in MOSEI; to predict which are "
                "present (above 0), give --data_options.task emotions"
            ]
        return "scores", []
    if (finite.sum(axis=1) == 1).all() and len(np.unique(finite, axis=0)) > 1:
        return "classes", [
            f"each clip has a 1 for just one of {len(names)} labels, which were taken as classes; "
            f"if several may be present, give --data_options.task emotions"
        ]
    return "emotions", []


def _are_class_numbers(numbers: Float[np.ndarray, " number"]) -> bool:
    """Whether sorted different numbers are -1 and 1, or count from 0 without a gap."""
    return numbers.tolist() in ([-1, 1], list(range(len(numbers))))


def choose_labels(
    path: Path, values: Columns, names: Sequence[str], labels: str
) -> tuple[Float[np.ndarray, "clip _"], tuple[str, ...]]:
    """Choose the columns of the names that the user asks for, in that order; "" is all.

    Raises:
        DataError: a name is unknown.
    """
    chosen = tuple(dict.fromkeys(name.strip() for name in labels.split(",") if name.strip()))
    if not chosen:
        return values, tuple(names)
    for name in chosen:
        if name not in names:
            raise DataError(f"{path}: {unknown_name('label', printable(name), names)}")
    return values[:, [names.index(name) for name in chosen]], chosen


def score_names(values: Columns, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of scores, which are called sentiment only where 0 is neutral.

    Stars from 1 to 5 have no sign: their Acc-2 would be 100 % for any model.
    """
    return ("rating",) if names == (SENTIMENT,) and not (values < 0).any() else names


def one_hot(
    column: Num[np.ndarray, " clip"], numbers: Num[np.ndarray, " class"]
) -> Float[np.ndarray, "clip class"]:
    """A row for each clip, with 1 at the class whose number it has and 0 elsewhere.

    The row of NaN or an infinity is NaN. The memory of the rows is charged.
    """
    charge(ONE_HOT * len(column) * len(numbers))
    return np.where(np.isfinite(column)[:, None], column[:, None] == numbers, np.nan)


def _count_classes(values: Columns, count: int) -> bool:
    """Whether one column holds numbers of so many classes, from 0; what is not finite aside."""
    finite = values[np.isfinite(values)]
    return values.shape[1] == 1 and bool(np.isin(finite, range(count)).all())


def _of_classes(
    path: Path,
    clips: Sequence[RawClip],
    values: Columns,
    names: Sequence[str],
    warnings: list[str],
) -> tuple[list[RawClip], Float[np.ndarray, "_ label"]]:
    """The clips of the chosen classes, and their rows; a warning tells of those of others."""
    if len(names) < 2:
        raise DataError(
            f"{path}: got the class '{printable(names[0])}' alone; wanted two classes or more, or "
            f"--data_options.task emotions"
        )
    of_others = (values == 0).all(axis=1)
    if count := int(of_others.sum()):
        warnings.append(f"{count} clips are of other classes; they were left out")
    chosen = [clip for clip, other in zip(clips, of_others, strict=True) if not other]
    return chosen, values[~of_others]


def _columns(path: Path, clips: Sequence[RawClip]) -> tuple[Columns, bool]:
    """The labels as columns, and whether they are stored as pairs (absent, present)."""
    shapes = {clip.label.shape: clip.split for clip in reversed(clips)}
    pairs = bool(shapes) and all(len(x) == 2 and x[0] > 0 and x[1] == 2 for x in shapes)
    kinds = {x if pairs else tuple(size for size in x if size != 1) for x in shapes}
    if len(kinds) > 1 or any(0 in x or len(x) > 1 + pairs for x in kinds):
        listing = ", ".join(
            f"{shape} in {split}" if split else str(shape) for shape, split in shapes.items()
        )
        raise DataError(
            f"{path}: the label of a clip has shape {listing}; wanted one number, several numbers, "
            f"or (emotions, 2), the same for every clip"
        )
    if pairs:
        return _present(np.array([clip.label for clip in clips], dtype=np.float64)), True
    rows = [clip.label.ravel() for clip in clips]
    return np.array(rows, dtype=np.float64).reshape(len(clips), -1 if clips else 1), False


def _present(pairs: Float[np.ndarray, "clip emotion 2"]) -> Columns:
    """Per emotion 1 if present, 0 if absent, NaN or -1 if the pair (absent, present) is invalid."""
    valid = np.isin(pairs, (0, 1)).all(axis=2) & (pairs[:, :, 0] != pairs[:, :, 1])
    return np.where(valid, pairs[:, :, 1], np.where(np.isnan(pairs).any(axis=2), np.nan, -1.0))


def _names(values: Columns, names: Sequence[str], *, pairs: bool) -> tuple[str, ...]:
    """The names of the columns: the file's, those of a corpus it looks like, or their numbers."""
    width = values.shape[1]
    if len(set(names)) == len(names) == width:
        return tuple(names)
    if pairs and width == len(IEMOCAP_EMOTIONS):
        return IEMOCAP_EMOTIONS
    if width == 1 and not pairs:
        return (SENTIMENT,)
    for corpus in (MOSEI_LABELS, MOSEI_LABELS[1:]):
        if width == len(corpus) and _are_mosei(values):
            return corpus
    return tuple(f"{'emotion' if pairs else 'label'} {index + 1}" for index in range(width))


def _are_mosei(values: Columns) -> bool:
    """Whether columns, the last six of which are in [0, 3], look like MOSEI's.

    One before them is in [-3, 3] and has negative numbers; not all numbers are 0 and 1.
    """
    sentiment, strength = values[:, :-6], values[:, -6:]
    return bool(
        ((strength >= 0) & (strength <= 3)).all()
        and (np.abs(sentiment) <= 3).all()
        and (sentiment < 0).any() == bool(sentiment.size)
        and not np.isin(values, (0, 1)).all()
    )


def _part_of_mosei(
    values: Columns, task: str, warnings: list[str]
) -> tuple[Float[np.ndarray, "clip _"], tuple[str, ...]]:
    """MOSEI's sentiment; or its emotions, if the task is emotions."""
    if task == "emotions":
        return values[:, 1:], MOSEI_LABELS[1:]
    if task == "auto":
        warnings.append(
            f"labels have seven numbers, sentiment and six emotions as in MOSEI; sentiment was "
            f"taken: for the others give --data_options.labels {','.join(MOSEI_LABELS[1:])}"
        )
    return values[:, :1], MOSEI_LABELS[:1]


def _in_form(
    path: Path, values: Columns, names: Sequence[str], task: str, warnings: list[str]
) -> tuple[Float[np.ndarray, "clip _"], tuple[str, ...]]:
    """The values as the task has them, and the names of its labels."""
    single = values.shape[1] == 1
    if task == "regression":
        if not single:
            raise DataError(
                f"{path}: regression wants one label, not {printable(', '.join(names))}; give "
                f"--data_options.labels NAME"
            )
        return values, (SENTIMENT,)
    if task == "classes" and single:
        # 1 and 1.0 are one class, and 10 comes after 9.
        numbers = np.unique(values[np.isfinite(values)])
        classes = tuple(str(int(x)) if x.is_integer() else repr(x) for x in numbers.tolist())
        if len(classes) < 2:
            raise DataError(
                f"{path}: the label is {classes[0] if classes else 'no number'} in every clip; "
                f"wanted two classes or more"
            )
        return one_hot(values[:, 0], numbers), classes
    if task == "classes" and tuple(names) == tuple(f"label {i + 1}" for i in range(len(names))):
        return values, tuple(map(str, range(len(names))))
    if task == "emotions" and set(names) <= set(MOSEI_LABELS[1:]) and (values > 0).any():
        present = np.where(values > 0, 1.0, values)  # what is not a number stays so, and is refused
        if (present != values).any():
            warnings.append("emotions of a strength above 0 were taken as present")
        return present, tuple(names)
    return values, tuple(names)
