"""The contract of every data source: a data set is clips of named, ragged sequences in splits."""

import abc
import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Concatenate, Literal, ParamSpec, SupportsIndex, TypeVar, overload

import numpy as np
from jaxtyping import Float, Int

from deadpan.data.feature_recipe import ModalityRecipe
from deadpan.errors import DataError, unknown_name
from deadpan.types import SPLITS, Modality, in_order


@dataclasses.dataclass(frozen=True, kw_only=True)
class Padding:
    """How a file pads the sequences of a modality.

    Attributes:
        side: the padded side; "both" if clips differ.
        share: share of the file's steps that are padding, in [0, 1].
    """

    side: Literal["left", "right", "both", "none"]
    share: float


TaskName = Literal["regression", "emotions", "classes", "scores"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Truth:
    """The ground truth of a generated clip; real data has none.

    Attributes:
        kind: how what is meant follows from what the modalities show; ``congruent`` where all of
            them show it.
        score: the sentiment that is meant, in [-1, 1].
        tendencies: the sentiment each modality shows by itself, in [-1, 1]; 0 for none.
        salient: per modality the steps that show it, as indices into its sequence.
    """

    kind: str
    score: float
    tendencies: Mapping[Modality, float]
    salient: Mapping[Modality, tuple[int, ...]]

    @property
    def right(self) -> tuple[Modality, ...]:
        """The modalities that show the sign that is meant."""
        return tuple(name for name, shown in self.tendencies.items() if shown * self.score > 0)

    @property
    def incongruity(self) -> float:
        """How much of what is shown has the opposite sign of what is meant, in [0, 1]."""
        shown = sum(map(abs, self.tendencies.values()))
        wrong = sum(abs(x) for x in self.tendencies.values() if x * self.score < 0)
        return wrong / shown if shown else 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clip:
    """One utterance.

    Attributes:
        id: unique within a data set.
        sequences: real steps only, float32 and finite; a modality the clip lacks is left out.
        label: regression: one score in [-3, 3]; emotions: 0 or 1 for each; classes: 1 for one, 0
            for the others; scores: finite numbers.
        group: the video or speaker the clip is from; None if not known.
        words: the words spoken, one per step of ``text``; empty where the source has none.
        transcript: what is said, as the source writes it; "" where it has none.
        times: start and end of each step in seconds from the start of the clip, where known.
        truth: ground truth of a generated clip; None for real data.
    """

    id: str
    sequences: Mapping[Modality, Float[np.ndarray, "_ _"]]
    label: Float[np.ndarray, " label"]
    group: str | None = None
    words: tuple[str, ...] = ()
    transcript: str = ""
    times: Mapping[Modality, Float[np.ndarray, "_ 2"]] = dataclasses.field(default_factory=dict)
    truth: Truth | None = None


class LazyClips(Sequence[Clip], abc.ABC):
    """Clips that are read one by one on access: memory does not grow with their number.

    Labels, lengths, groups and scaling statistics of all clips are available without reading a
    clip.
    """

    @property
    @abc.abstractmethod
    def labels(self) -> Float[np.ndarray, "clip label"]:
        """Labels of every clip."""

    @property
    @abc.abstractmethod
    def steps(self) -> Mapping[Modality, Int[np.ndarray, " clip"]]:
        """Number of steps of each clip per modality; 0 where it lacks the modality."""

    @property
    @abc.abstractmethod
    def groups(self) -> tuple[str | None, ...]:
        """Group of each clip; None where it is not known."""

    @abc.abstractmethod
    def take(self, index: int) -> Clip:
        """Read the clip at an index from 0 on."""

    @abc.abstractmethod
    def part(self, indices: range) -> "LazyClips":
        """The clips at these indices, still unread."""

    @abc.abstractmethod
    def only(self, modalities: Sequence[Modality]) -> "LazyClips":
        """The same clips with just these modalities, in this order."""

    def scaling(self, method: str) -> Mapping[Modality, tuple[np.ndarray, np.ndarray]]:  # noqa: ARG002
        """Stored centers and scales per modality, as ``fit_normalizer`` would compute them."""
        return {}

    @overload
    def __getitem__(self, index: SupportsIndex) -> Clip: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Clip]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Clip | Sequence[Clip]:
        """One clip, or for a slice the clips in it."""
        position = range(len(self))[index]
        return self.part(position) if isinstance(position, range) else self.take(position)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """Clips in splits.

    Attributes:
        name: the name that tables show.
        task: the task of the labels; "scores" where there are none.
        labels: names of the label's columns; ``("sentiment",)`` for regression; none if no clip has
            a label, so that the clips can only be predicted.
        widths: features per step of each modality, in canonical order.
        splits: clips of each of ``train``, ``valid``, ``test`` (one may be empty); see ``unsplit``.
        layout: the format of the source, as a noun ("a pickle in MulT's format"); "" if unknown.
        padding: the padding of the file, per modality; empty if it pads nothing.
        alignment: whether step k of a clip is the same word in every modality, and how this is
            known, as a sentence; "" if nothing tells.
        recipes: how each modality was made that an encoder made or recordings were measured for.
        unscaled: the modalities that normalisation leaves as they are, unless a setting says
            otherwise, and what they are, as a noun that says why ("word vectors").
        repairs: number of values or clips that were repaired, by kind of repair.
        warnings: sentences for the user.
    """

    name: str
    task: TaskName
    labels: tuple[str, ...]
    widths: Mapping[Modality, int]
    splits: Mapping[str, Sequence[Clip]]
    layout: str = ""
    padding: Mapping[Modality, Padding] = dataclasses.field(default_factory=dict)
    alignment: str = ""
    recipes: Mapping[Modality, ModalityRecipe] = dataclasses.field(default_factory=dict)
    unscaled: Mapping[Modality, str] = dataclasses.field(default_factory=dict)
    repairs: Mapping[str, int] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __getitem__(self, split: str) -> Sequence[Clip]:
        """The clips of a split; empty where the data set has none of it."""
        if split not in SPLITS:
            raise DataError(unknown_name("split", split, SPLITS))
        return self.splits.get(split, ())

    @property
    def unsplit(self) -> bool:
        """Whether the clips have neither labels nor splits: all are in ``test``, the only key."""
        return not self.labels and set(self.splits) == {"test"}

    def require(self, *splits: str) -> None:
        """Raise DataError unless the clips have labels, and each of these splits has a clip."""
        if not self.labels:
            raise DataError(
                f"{self.name}: no clip has a label; give data with labels (a table's column of "
                f"labels: --data_options.label NAME), or predict it with a run"
            )
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
        ordered = in_order(modalities)

        def restrict(clip: Clip) -> Clip:
            return dataclasses.replace(
                clip,
                sequences={m: clip.sequences[m] for m in ordered if m in clip.sequences},
                times={m: clip.times[m] for m in ordered if m in clip.times},
            )

        return dataclasses.replace(
            self,
            widths={m: self.widths[m] for m in ordered},
            recipes={m: self.recipes[m] for m in ordered if m in self.recipes},
            unscaled={m: self.unscaled[m] for m in ordered if m in self.unscaled},
            splits={
                name: clips.only(ordered)
                if isinstance(clips, LazyClips)
                else [restrict(clip) for clip in clips]
                for name, clips in self.splits.items()
            },
        )


def step_counts(
    clips: Sequence[Clip], modalities: Sequence[Modality]
) -> Int[np.ndarray, "clip modality"]:
    """Number of steps of each clip and modality; 0 where a clip lacks the modality."""
    if isinstance(clips, LazyClips):
        none = np.zeros(len(clips), dtype=np.int64)
        rows = [clips.steps.get(name, none) for name in modalities]
        return np.array(rows, dtype=np.int64).reshape(len(modalities), len(clips)).T
    rows = [[len(clip.sequences.get(name, ())) for name in modalities] for clip in clips]
    return np.array(rows, dtype=np.int64).reshape(len(clips), len(modalities))


def clip_groups(clips: Sequence[Clip]) -> tuple[str | None, ...]:
    """The group of each clip; None where it is not known."""
    return clips.groups if isinstance(clips, LazyClips) else tuple(clip.group for clip in clips)


SPLIT_WARNINGS = (
    "is in both",
    "in two splits",
    "splits may share",
    "has no splits",
    "has no validation split",
    "tells no splits",
)
"""Phrases of the warnings that no longer hold once the splits change; the last in older stores."""


def shared_group_warnings(dataset: Dataset) -> list[str]:
    """One warning for each pair of splits that share a video: their clips are not independent."""
    groups = {s: Counter(g for g in clip_groups(dataset[s]) if g is not None) for s in SPLITS}
    warnings = []
    for first, second in (("train", "valid"), ("train", "test"), ("valid", "test")):
        if common := sorted(groups[first].keys() & groups[second].keys()):
            more = f" and {len(common) - 1} more" if len(common) > 1 else ""
            warnings.append(
                f"video '{common[0]}'{more} is in both {first} and {second}: scores will flatter"
            )
    return warnings


ClipFunction = Callable[[Clip], Clip]
"""A function of one clip that changes neither its label, its group nor its number of steps."""


def map_clips(clips: Sequence[Clip], change: ClipFunction) -> Sequence[Clip]:
    """Apply a function to every clip; lazily where the clips are lazy."""
    if isinstance(clips, LazyClips):
        return MappedClips(clips, change)
    return [change(clip) for clip in clips]


class ChangedClips(Sequence[Clip]):
    """Clips to which any function is applied on every access, so that memory holds one at a time.

    Unlike :class:`MappedClips` it knows nothing of the clips without applying the function.
    """

    def __init__(self, clips: Sequence[Clip], change: Callable[[Clip], Clip]) -> None:
        self._clips, self._change = clips, change

    def __len__(self) -> int:
        """Number of clips."""
        return len(self._clips)

    @overload
    def __getitem__(self, index: int) -> Clip: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Clip]: ...
    def __getitem__(self, index: int | slice) -> Clip | Sequence[Clip]:
        """One clip, or those of a slice."""
        if isinstance(index, slice):
            return ChangedClips(self._clips[index], self._change)
        return self._change(self._clips[index])


Options = ParamSpec("Options")
Converted = TypeVar("Converted")


def once_per_array(
    convert: Callable[Concatenate[np.ndarray, Options], Converted],
) -> Callable[Concatenate[np.ndarray, Options], Converted]:
    """Call a function once for each array and options: clips that share an array share the result.

    Two views of the same values of an array are one. All arrays and results stay in memory as long
    as the function that is returned.
    """
    results: dict[tuple[object, ...], tuple[np.ndarray, Converted]] = {}

    def convert_once(x: np.ndarray, *args: Options.args, **kwargs: Options.kwargs) -> Converted:
        values = x.__array_interface__["data"][0], x.shape, x.strides, x.dtype.str
        key = (*values, *args, *kwargs.items())
        if key not in results:
            # With the array itself, so that no other takes its address.
            results[key] = x, convert(x, *args, **kwargs)
        return results[key][1]

    return convert_once


class MappedClips(LazyClips):
    """Lazy clips to which a function is applied on every access."""

    def __init__(self, clips: LazyClips, change: ClipFunction) -> None:
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

    @property
    def groups(self) -> tuple[str | None, ...]:
        """See :class:`LazyClips`."""
        return self._clips.groups

    def take(self, index: int) -> Clip:
        """See :class:`LazyClips`."""
        return self._change(self._clips.take(index))

    def part(self, indices: range) -> "MappedClips":
        """See :class:`LazyClips`."""
        return MappedClips(self._clips.part(indices), self._change)

    def only(self, modalities: Sequence[Modality]) -> "MappedClips":
        """See :class:`LazyClips`."""
        return MappedClips(self._clips.only(modalities), self._change)


def describe(dataset: Dataset) -> dict[str, Any]:
    """Describe the data of a run: name, task, counts, fingerprint, recipes, repairs, warnings."""
    return {
        "name": dataset.name,
        "task": dataset.task,
        "splits": {name: len(clips) for name, clips in dataset.splits.items()},
        "fingerprint": fingerprint(dataset),
        "recipes": {name: dataclasses.asdict(recipe) for name, recipe in dataset.recipes.items()},
        "repairs": dict(dataset.repairs),
        "warnings": list(dataset.warnings),
    }


def fingerprint(dataset: Dataset) -> str:
    """Hash of everything that training uses: ids, groups, labels, features and splits."""
    digest = hashlib.sha256()
    for split in SPLITS:
        for clip in dataset.splits.get(split, ()):
            digest.update(f"{split} {clip.id} {clip.group} {clip.label.tolist()}".encode())
            for name in in_order(clip.sequences):
                x = np.ascontiguousarray(clip.sequences[name])
                digest.update(f"{name} {x.shape}".encode())
                digest.update(x.view(np.uint8).data)
    return digest.hexdigest()[:16]
