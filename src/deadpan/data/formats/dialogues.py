"""The feature pickles of conv-emotion (DialogueRNN, DialogueGCN, bc-LSTM): IEMOCAP, MELD, AVEC."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from deadpan.data.assembly import ASSUMED_TEXT, RawClip, RawClips, sequence_widths
from deadpan.data.containers.files import printable
from deadpan.data.dataset import Dataset
from deadpan.data.formats.pickled_values import as_text, number_row
from deadpan.data.labels import labelled_dataset
from deadpan.errors import DataError, unknown_name
from deadpan.types import AUDIO, TEXT, VISION, Modality

IEMOCAP_CLASSES = ("happy", "sad", "neutral", "angry", "excited", "frustrated")
MELD_CLASSES = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
MELD_SENTIMENT = ("neutral", "positive", "negative")
ALIGNED = "steps are aligned: an utterance is one in every modality"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parts:
    """The positions of what a pickle's tuple holds; each of a dict by video has utterances."""

    ids: int
    labels: Mapping[str, int]  # by the name that the option ``label`` gives them
    features: Mapping[Modality, int]
    train: int
    test: int


IEMOCAP = Parts(
    ids=0, labels={"emotion": 2}, features={TEXT: 3, AUDIO: 4, VISION: 5}, train=7, test=8
)
"""videoIDs, Speakers, Labels, Text, Audio, Visual, Sentence, trainVid, testVid; AVEC's too."""
MELD = Parts(
    ids=0, labels={"emotion": 2, "sentiment": 8}, features={TEXT: 3, AUDIO: 4}, train=6, test=7
)
"""videoIDs, Speakers, LabelsEmotion, Text, Audio, Sentence, trainVid, testVid, LabelsSentiment."""
LENGTH = 9
WANTED = "conv-emotion's nine parts (videoIDs, videoSpeakers, videoLabels, videoText, ...)"


def looks_like_dialogues(content: object) -> bool:
    """Whether an unpickled value is a tuple of nine parts, the first of them dicts by video."""
    return (
        isinstance(content, list | tuple)
        and len(parts := cast("Sequence[object]", content)) == LENGTH
        and all(isinstance(part, dict) for part in parts[:6])
    )


def dialogues_dataset(
    path: Path, content: object, *, label: str = "emotion", task: str = "auto", labels: str = ""
) -> Dataset:
    """Read a data set from a tuple of dicts by video, which hold a vector per utterance.

    A clip is an utterance, and each of its sequences one step. Its group is its video (a dialogue),
    and the utterances of a video keep their order, which CIA reads. Whole numbers are classes, with
    the names of IEMOCAP's six or MELD's seven emotions; of others, ``interpret_labels`` decides.
    The files have no validation split: a tenth of the training dialogues is taken.

    Args:
        path: path of the pickle.
        content: its value, as ``read_pickle`` returns it.
        label: emotion, or sentiment in MELD.
        task: regression, emotions, classes or scores; "auto" takes the file's own.
        labels: names of the labels to predict, separated by commas; "" is all.

    Raises:
        DataError: the value does not fit the format.
    """
    parts = cast("Sequence[object]", content)
    layout = MELD if isinstance(parts[LENGTH - 1], dict) else IEMOCAP
    if label not in layout.labels:
        raise DataError(f"{path}: {unknown_name('label', printable(label), layout.labels)}")
    try:
        clips = _clips(parts, layout, label)
    except DataError as error:
        raise DataError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None
    widths = sequence_widths(path, clips)
    return labelled_dataset(
        path,
        RawClips(clips=clips, widths=widths, alignment=ALIGNED, unscaled=ASSUMED_TEXT),
        layout="a feature pickle of conv-emotion",
        task=task,
        labels=labels,
        classes=_classes(clips, layout, label),
        hold_out=True,
    )


def _clips(parts: Sequence[object], layout: Parts, label: str) -> list[RawClip]:
    """The utterances of all videos, in the order of the splits and of the file."""
    tables = {name: _by_video(name, parts[i]) for name, i in layout.features.items()}
    ids = _by_video("videoIDs", parts[layout.ids])
    labels = _by_video("videoLabels", parts[layout.labels[label]])
    clips: list[RawClip] = []
    for split, index in (("train", layout.train), ("test", layout.test)):
        for entry in _entries(f"the list of {split} videos", parts[index]):
            video = as_text(entry)
            clips += _utterances(video, split, ids, labels, tables)
    if not clips:
        raise DataError("has no utterances; wanted videos for train and test")
    return clips


def _utterances(
    video: str,
    split: str,
    ids: Mapping[str, object],
    labels: Mapping[str, object],
    tables: Mapping[Modality, Mapping[str, object]],
) -> list[RawClip]:
    where = f"video '{printable(video)}'"
    if video not in ids or video not in labels:
        raise DataError(f"{where} of split '{split}' has no ids or labels; wanted {WANTED}")
    entries = _entries(f"ids of {where}", ids[video])
    names = [as_text(name) for name in entries]
    values = _entries(f"labels of {where}", labels[video])
    if len(values) != len(names):
        raise DataError(f"{where} has {len(names)} utterances and {len(values)} labels")
    vectors: dict[Modality, list[object]] = {}
    for modality, table in tables.items():
        if video not in table:
            continue
        vectors[modality] = _entries(f"{modality} of {where}", table[video])
        if len(vectors[modality]) != len(names):
            raise DataError(
                f"{where} has {len(names)} utterances and {len(vectors[modality])} of {modality}"
            )
    clips: list[RawClip] = []
    for index, name in enumerate(names):
        # IEMOCAP's ids name the utterance; MELD's count the utterances of a dialogue.
        clip = name if name.startswith(video) else f"{video}_{name}"
        sequences = {
            m: number_row(f"{m} of {printable(clip)}", x[index]).reshape(1, -1)
            for m, x in vectors.items()
        }
        clips.append(
            RawClip(
                name=(clip,),
                id=clip,
                split=split,
                sequences={m: x for m, x in sequences.items() if x.any()},
                label=number_row(f"the label of {printable(clip)}", values[index]).astype(
                    np.float64
                ),
                group=video,
            )
        )
    return clips


def _by_video(name: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise DataError(f"{name} is a {type(value).__name__}; wanted {WANTED}")
    return {as_text(key): entry for key, entry in cast("dict[object, object]", value).items()}


def _entries(name: str, value: object) -> list[object]:
    """The entries of a list, a tuple or the first axis of an array."""
    if isinstance(value, np.ndarray) and not value.ndim:
        value = None
    if not isinstance(value, list | tuple | np.ndarray):
        raise DataError(f"{name} is no list; wanted one entry per utterance or video")
    return list(cast("list[object]", value))


def _classes(clips: Sequence[RawClip], layout: Parts, label: str) -> tuple[str, ...]:
    """The names of the classes; () if labels are no numbers of these.

    Those of 0 and 1 alone are of other data in this format, which has classes of its own.
    """
    names = MELD_SENTIMENT if label == "sentiment" else MELD_CLASSES
    if layout is IEMOCAP:
        names = IEMOCAP_CLASSES
    numbers = {float(x) for clip in clips for x in clip.label}
    return names if numbers <= set(range(len(names))) and not numbers <= {0, 1} else ()
