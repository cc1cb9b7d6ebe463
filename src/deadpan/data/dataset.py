"""The contract behind which every source of data stands: clips of named, ragged sequences."""

import abc
import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, SupportsIndex, overload

import numpy as np
from jaxtyping import Float, Int

from deadpan.data.raw import Padding
from deadpan.errors import DataError, unknown_name
from deadpan.types import SPLITS, Modality, in_order

TaskName = Literal["regression", "emotions", "classes", "scores"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Truth:
    """What the generator of a clip knows of it; real data has none.

    Attributes:
        kind: ``congruent`` or the kind of incongruity.
        tendencies: the sentiment each modality shows by itself, in [-1, 1].
        salient: per modality the steps that decide the label, as indices into its sequence.
    """

    kind: str
    tendencies: Mapping[Modality, float]
    salient: Mapping[Modality, tuple[int, ...]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clip:
    """One utterance.

    Attributes:
        id: unique within a data set.
        sequences: real steps only, float32 and finite; a modality the clip lacks is left out.
        label: regression: one score in [-3, 3]; emotions: 0 or 1 for each; classes: 1 for one, 0
            for the others; scores: finite numbers.
        group: the video or speaker the clip is from; None if not known.
        words: the words spoken, one per step of ``text`` where the source tells; else empty.
        times: start and end of each step in seconds from the start of the clip, where known.
        truth: what the generator knows; None for real data.
    """

    id: str
    sequences: Mapping[Modality, Float[np.ndarray, "_ _"]]
    label: Float[np.ndarray, " label"]
    group: str | None = None
    words: tuple[str, ...] = ()
    times: Mapping[Modality, Float[np.ndarray, "_ 2"]] = dataclasses.field(default_factory=dict)
    truth: Truth | None = None


class LazyClips(Sequence[Clip], abc.ABC):
    """Clips each of which is made when it is taken: memory does not grow with their number.

    What training has to know of all of them is told without making any.
    """

    @property
    @abc.abstractmethod
    def labels(self) -> Float[np.ndarray, "clip label"]:
        """Of every clip."""

    @property
    @abc.abstractmethod
    def steps(self) -> Mapping[Modality, Int[np.ndarray, " clip"]]:
        """How many steps each clip has of each modality; 0 where it lacks it."""

    @abc.abstractmethod
    def take(self, index: int) -> Clip:
        """The clip at a place from 0 on."""

    @abc.abstractmethod
    def part(self, places: range) -> "LazyClips":
        """The clips at these places."""

    @abc.abstractmethod
    def only(self, modalities: Sequence[Modality]) -> "LazyClips":
        """The same clips with just these modalities, in this order."""

    def scaling(self, method: str) -> Mapping[Modality, tuple[np.ndarray, np.ndarray]]:  # noqa: ARG002
        """What ``normalization.fit`` would find, centers and scales, where that is known."""
        return {}

    @overload
    def __getitem__(self, index: SupportsIndex) -> Clip: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Clip]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Clip | Sequence[Clip]:
        """A clip, or a part of the sequence."""
        place = range(len(self))[index]
        return self.part(place) if isinstance(place, range) else self.take(place)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """Clips in splits.

    Attributes:
        name: as it is shown in tables.
        task: what the labels are.
        labels: names of the label's columns; ``("sentiment",)`` for regression.
        widths: features per step of each modality, in canonical order.
        splits: clips of each of ``train``, ``valid``, ``test`` (one may be empty).
        layout: what the source is, as a noun ("a pickle in MulT's layout"); "" where nobody said.
        padding: per modality, where the file pads.
        repairs: what had to be mended in the file, by name, with the number of values or clips.
        warnings: what the user should know, a sentence each.
    """

    name: str
    task: TaskName
    labels: tuple[str, ...]
    widths: Mapping[Modality, int]
    splits: Mapping[str, Sequence[Clip]]
    layout: str = ""
    padding: Mapping[Modality, Padding] = dataclasses.field(default_factory=dict)
    repairs: Mapping[str, int] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __getitem__(self, split: str) -> Sequence[Clip]:
        """The clips of a split; empty where the data set has none of it."""
        if split not in SPLITS:
            raise DataError(unknown_name("split", split, SPLITS))
        return self.splits.get(split, ())

    def require(self, *splits: str) -> None:
        """Raise DataError unless each of these splits has a clip."""
        for split in splits:
            if not len(self[split]):
                counts = ", ".join(f"{name} {len(self[name])}" for name in SPLITS)
                raise DataError(
                    f"{self.name}: split '{split}' has no clips (found {counts}); give it some"
                )

    def only(self, modalities: Sequence[Modality]) -> "Dataset":
        """The same clips with just these modalities."""
        for modality in modalities:
            if modality not in self.widths:
                raise DataError(f"{self.name}: {unknown_name('modality', modality, self.widths)}")
        kept = in_order(modalities)

        def restrict(clip: Clip) -> Clip:
            return dataclasses.replace(
                clip, sequences={m: clip.sequences[m] for m in kept if m in clip.sequences}
            )

        return dataclasses.replace(
            self,
            widths={m: self.widths[m] for m in kept},
            splits={
                name: clips.only(kept)
                if isinstance(clips, LazyClips)
                else [restrict(clip) for clip in clips]
                for name, clips in self.splits.items()
            },
        )


def steps_of(
    clips: Sequence[Clip], modalities: Sequence[Modality]
) -> Int[np.ndarray, "clip modality"]:
    """How many steps each clip has of each modality; 0 where it lacks it."""
    if isinstance(clips, LazyClips):
        none = np.zeros(len(clips), dtype=np.int64)
        rows = [clips.steps.get(name, none) for name in modalities]
        return np.array(rows, dtype=np.int64).reshape(len(modalities), len(clips)).T
    rows = [[len(clip.sequences.get(name, ())) for name in modalities] for clip in clips]
    return np.array(rows, dtype=np.int64).reshape(len(clips), len(modalities))


ABOUT_SPLITS = ("is in both", "in two splits", "splits may share", "tells no splits")
"""Words of the warnings that hold only of the splits as they are."""


def shared_groups(dataset: Dataset) -> list[str]:
    """A warning for each pair of splits that share a video: their clips are not independent."""
    groups = {s: Counter(c.group for c in dataset[s] if c.group is not None) for s in SPLITS}
    warnings = []
    for first, second in (("train", "valid"), ("train", "test"), ("valid", "test")):
        if common := sorted(groups[first].keys() & groups[second].keys()):
            more = f" and {len(common) - 1} more" if len(common) > 1 else ""
            warnings.append(
                f"video '{common[0]}'{more} is in both {first} and {second}: scores will flatter"
            )
    return warnings


Change = Callable[[Clip], Clip]
"""A function of the clip alone that moves no step and no label."""


def changed(clips: Sequence[Clip], change: Change) -> Sequence[Clip]:
    """The same clips, each changed."""
    if isinstance(clips, LazyClips):
        return ChangedClips(clips, change)
    return [change(clip) for clip in clips]


class ChangedClips(LazyClips):
    """Clips each of which is changed whenever it is taken."""

    def __init__(self, clips: LazyClips, change: Change) -> None:
        self._clips = clips
        self._change = change

    def __len__(self) -> int:
        """Number of clips."""
        return len(self._clips)

    @property
    def labels(self) -> Float[np.ndarray, "clip label"]:
        """See :class:`LazyClips`."""
        return self._clips.labels

    @property
    def steps(self) -> Mapping[Modality, Int[np.ndarray, " clip"]]:
        """See :class:`LazyClips`."""
        return self._clips.steps

    def take(self, index: int) -> Clip:
        """See :class:`LazyClips`."""
        return self._change(self._clips.take(index))

    def part(self, places: range) -> "ChangedClips":
        """See :class:`LazyClips`."""
        return ChangedClips(self._clips.part(places), self._change)

    def only(self, modalities: Sequence[Modality]) -> "ChangedClips":
        """See :class:`LazyClips`."""
        return ChangedClips(self._clips.only(modalities), self._change)


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
    """A hash of all that training sees of the clips: ids, groups, labels, features, splits."""
    digest = hashlib.sha256()
    for split in SPLITS:
        for clip in dataset.splits.get(split, ()):
            digest.update(f"{split} {clip.id} {clip.group} {clip.label.tolist()}".encode())
            for name in in_order(clip.sequences):
                x = np.ascontiguousarray(clip.sequences[name])
                digest.update(f"{name} {x.shape}".encode())
                digest.update(x.view(np.uint8).data)
    return digest.hexdigest()[:16]
