"""The pickles of MMSA: MOSI, MOSEI, CH-SIMS and the output of MMSA-FET."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Num

from deadpan.data.alignment import Alignment, judge_alignment
from deadpan.data.assembly import RawClips
from deadpan.data.containers.files import printable
from deadpan.data.dataset import Dataset
from deadpan.data.formats.pickled_values import (
    PaddedSplit,
    SplitTable,
    as_list,
    as_text,
    check_count,
    clip_ids,
    counting_key,
    cut_clips,
    every_split_has,
    number_column,
    numeric_array,
    padded_arrays,
    parse_splits,
)
from deadpan.data.labels import choose_labels, labelled_dataset
from deadpan.data.padding import StepRange, array_steps, real_steps
from deadpan.errors import DataError
from deadpan.types import AUDIO, MODALITIES, TEXT, VISION, Modality

LABELS = {
    "M": "regression_labels",
    "T": "regression_labels_T",
    "A": "regression_labels_A",
    "V": "regression_labels_V",
}
"""The key of each label: multimodal, and CH-SIMS's labels of text, audio and vision alone."""
CLASSES = tuple(key.replace("regression", "classification") for key in LABELS.values())
LENGTHS = {AUDIO: "audio_lengths", VISION: "vision_lengths"}
UNDERSTOOD = {
    *MODALITIES,
    *LABELS.values(),
    *CLASSES,
    *LENGTHS.values(),
    *("id", "raw_text", "text_bert", "annotations"),
}
"""The keys of the format. Classes and annotations are the signs of the labels and are not read."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Split(PaddedSplit):
    """A split with labels [clip, 4], BERT's mask of its text, if any, and lengths per modality."""

    mask: Bool[np.ndarray, "clip _"] | None
    lengths: Mapping[Modality, Float[np.ndarray, " clip"]]


def looks_like_mmsa(content: object) -> bool:
    """Whether an unpickled value is a dict of splits that each have MMSA's keys of labels.

    Splits without labels are recognised by other keys of the format.
    """
    if every_split_has(content, LABELS["M"], CLASSES[0]):
        return True
    marks = ("raw_text", "text_bert", *LENGTHS.values())
    unlabelled = every_split_has(content, *MODALITIES) and not every_split_has(content, "labels")
    return unlabelled and every_split_has(content, *marks)


def mmsa_clips(
    path: Path, content: object, repairs: Counter[str], *, aligned: bool | None = None
) -> RawClips:
    """Parse the clips of a pickle in MMSA's format, cut to their real steps (see ``real_steps``).

    A file without lengths is taken as aligned by tokens if its arrays have one length and it has
    BERT's mask, as MMSA leaves lengths out of such files, or else if the padding tells so (see
    ``judge_alignment``), unless ``aligned`` says what is so. A clip has words if its file has no
    mask, by which a step would be a token, and the transcript has one word per step. ``repairs``
    receives the number of lengths that were not used.

    Returns:
        Clips whose label [4] is of M, T, A and V (see ``LABELS``), NaN where the file has none.

    Raises:
        DataError: the value does not fit the format, or shapes do not match.
    """
    splits = parse_splits(path, content, f"text, audio, vision, {LABELS['M']}", _split)
    alignment = _alignment(path, list(splits.values()), aligned)
    raw = cut_clips(splits, lambda split: _steps(split, aligned=alignment.aligned, repairs=repairs))
    return dataclasses.replace(raw, alignment=alignment.reason)


def _split(table: SplitTable) -> _Split:
    beside, count = counting_key(table, LABELS["M"], "MMSA")
    if beside != LABELS["M"] and not table.keys().isdisjoint((*LABELS.values(), *CLASSES)):
        keys = ", ".join(sorted(map(printable, table)))
        raise DataError(f"has no '{LABELS['M']}' (found {keys}); wanted the format of MMSA")
    labels = {name: number_column(key, table[key]) for name, key in LABELS.items() if key in table}
    for name, values in labels.items():
        check_count(LABELS[name], values, count, LABELS["M"])
    sequences = padded_arrays(table, count, beside)
    none = np.full(count, np.nan)
    ignored = table.keys() - UNDERSTOOD
    if TEXT not in sequences:  # token indices alone are no features
        ignored |= table.keys() & {"text_bert"}
    mask = None
    if "text_bert" in table and TEXT in sequences:
        mask = _mask(table["text_bert"], sequences[TEXT])
    transcripts = _transcripts(table["raw_text"], count) if "raw_text" in table else ()
    return _Split(
        sequences=sequences,
        labels=np.stack([labels.get(name, none) for name in LABELS], axis=1),
        ids=clip_ids(table, count, beside),
        # By a mask, a step is a token and not a word.
        words=tuple(tuple(text.split()) for text in transcripts) if mask is None else (),
        transcripts=transcripts,
        mask=mask,
        lengths={m: _lengths(k, table[k], count) for m, k in LENGTHS.items() if k in table},
        ignored=tuple(map(printable, sorted(ignored))),
    )


def _lengths(name: str, value: object, count: int) -> Float[np.ndarray, " clip"]:
    lengths = number_column(name, value)
    check_count(name, lengths, count, LABELS["M"])
    if (wrong := lengths != np.floor(lengths)).any():  # also true of NaN
        raise DataError(f"'{name}' holds {lengths[wrong][0]:g}; wanted whole numbers of steps")
    return lengths


def _transcripts(value: object, count: int) -> tuple[str, ...]:
    texts = as_list("raw_text", value)
    check_count("raw_text", texts, count, LABELS["M"])
    for text in texts:
        if not isinstance(text, str | bytes):
            raise DataError(f"'raw_text' holds a {type(text).__name__}; wanted text")
    return tuple(as_text(text) for text in texts)


def _mask(value: object, text: Num[np.ndarray, "clip step _"]) -> np.ndarray | None:
    """BERT's mask of the steps of text; None if the steps of text are not the tokens."""
    tokens = numeric_array("text_bert", value)
    if tokens.ndim != 3 or tokens.shape[1] != 3 or len(tokens) != len(text):
        expected = f"[{len(text)}, 3, step]: numbers of tokens, mask, segments"
        raise DataError(f"'text_bert' has shape {tokens.shape}; wanted {expected}")
    mask = tokens[:, 1]
    if not np.isin(mask, (0, 1)).all():
        raise DataError("'text_bert' has a mask of other values than 0 and 1; wanted such a mask")
    return mask != 0 if mask.shape == text.shape[:2] and mask.size else None


def _alignment(path: Path, splits: Sequence[_Split], aligned: bool | None) -> Alignment:
    """Judge whether steps are aligned: lengths and masks of the file come before its padding."""
    if aligned is None and any(split.lengths for split in splits):
        return Alignment(
            aligned=False, reason="steps are not aligned: the file has lengths of its modalities"
        )
    steps = [array_steps(split.sequences) for split in splits]
    if (
        aligned is None
        and all(split.mask is not None for split in splits if len(split.ids))
        and all(len(set(arrays.values())) <= 1 for arrays in steps)
    ):
        return Alignment(
            aligned=True, reason="steps are aligned: every array has those of BERT's mask"
        )
    ranges = [_steps(split, aligned=False, repairs=Counter()) for split in splits]
    return judge_alignment(path, list(zip(steps, ranges, strict=True)), aligned)


def _steps(split: _Split, *, aligned: bool, repairs: Counter[str]) -> Mapping[Modality, StepRange]:
    return real_steps(
        split.sequences,
        mask=split.mask,
        lengths=split.lengths,
        aligned=aligned,
        repairs=repairs,
    )


def mmsa_dataset(
    path: Path,
    content: object,
    *,
    label: str = "",
    task: str = "auto",
    labels: str = "",
    aligned: bool | None = None,
) -> Dataset:
    """Read a data set from an unpickled value in MMSA's format (see ``mmsa_clips``).

    Labels are sentiment in [-3, 3], as in MOSI, unless they are classes (see ``infer_task``) or the
    file is like CH-SIMS: then they are scores. A file is like CH-SIMS if it also has labels of
    single modalities, and all its labels lie in [-1, 1], also those that are not chosen. So a part
    of MOSI with small labels is still sentiment, and the choice of the label does not change the
    scale.

    Args:
        path: path of the pickle.
        content: its value, as ``read_pickle`` returns it.
        label: M (multimodal), or T, A or V (of text, audio or vision alone); "" is M.
        task: regression, emotions, classes or scores; "auto" infers it.
        labels: the same as ``label``, or several of them, separated by commas.
        aligned: whether step k is the same token in every modality; without it, the file's lengths,
            its mask or its padding tell.

    Raises:
        DataError: the value does not fit the format, labels are missing or do not fit the task, or
            the padding does not tell whether steps are aligned.
    """
    if label and labels:
        raise DataError(f"{path}: got label and labels, which are one option; give one of them")
    repairs: Counter[str] = Counter()
    raw = mmsa_clips(path, content, repairs, aligned=aligned)
    values = np.array([clip.label for clip in raw.clips]).reshape(-1, len(LABELS))
    labelled = not np.isnan(values).all()  # without labels, any may be asked for
    available = [
        name
        for name, column in zip(LABELS, values.T, strict=True)
        if name == "M" or not labelled or not np.isnan(column).all()
    ]
    small = not (np.abs(values) > 1).any()  # NaN is not above 1
    columns = [list(LABELS).index(name) for name in available]
    values, names = choose_labels(path, values[:, columns], available, labels or label or "M")
    clips = [
        dataclasses.replace(clip, label=row) for clip, row in zip(raw.clips, values, strict=True)
    ]
    return labelled_dataset(
        path,
        dataclasses.replace(raw, clips=clips),
        layout="a pickle in MMSA's format",
        task=task,
        labels="",
        names=names if len(names) > 1 else (),
        scale="scores" if small and len(available) > 1 else "regression",
        repairs=repairs,
    )
