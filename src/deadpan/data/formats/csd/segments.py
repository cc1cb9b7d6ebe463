"""Videos cut into the segments that have labels: what each sequence has of each segment."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Num, Shaped

from deadpan.data.formats.csd.file import CsdEntry, CsdFile, csd_videos
from deadpan.types import Modality

EPSILON = 1e-5
"""Seconds that count as nothing, as in CMU-MultimodalSDK (its 10e-6)."""

COLLAPSE: Mapping[str, Callable[..., np.ndarray]] = {"mean": np.mean, "max": np.max}
"""What can be made of the steps within a word, feature by feature. The field's way is the mean."""


def shared_steps(
    intervals: Float[np.ndarray, "step 2"], targets: Float[np.ndarray, "target 2"]
) -> list[Int[np.ndarray, "_"]]:
    """The steps that share more than ``EPSILON`` seconds with each target, in order of time.

    The rule of CMU-MultimodalSDK: a step that ends where a target starts shares nothing with it,
    one that straddles the border of two targets belongs to both, and a step or a target without
    duration belongs to none.

    Args:
        intervals: start and end of each step in seconds; in any order, and they may overlap.
        targets: start and end of each target in seconds of the same clock.

    Returns:
        Per target, indices into ``intervals``, by start.
    """
    order = np.argsort(intervals[:, 0], kind="stable")
    starts, ends = intervals[order].T
    # No step before the first whose predecessors reach the target can share time with it.
    reach = np.maximum.accumulate(ends)
    found: list[np.ndarray] = []
    for start, end in targets:
        near = slice(
            int(np.searchsorted(reach, start, "right")), int(np.searchsorted(starts, end, "left"))
        )
        shared = np.minimum(ends[near], end) - np.maximum(starts[near], start)
        found.append(order[near][shared > EPSILON])
    return found


def aligned(
    features: Num[np.ndarray, "step width"],
    intervals: Float[np.ndarray, "step 2"],
    words: Float[np.ndarray, "word 2"],
    *,
    collapse: str = "mean",
) -> tuple[Float[np.ndarray, "word width"], Bool[np.ndarray, " word"]]:
    """One row of features per word, made of the steps that share time with it.

    A step that straddles two words counts in both, and every step counts the same however much of
    it is within the word, as in the SDK's examples. A word without any step is a row of zeros.
    What is not finite makes its feature of the word not finite.

    Args:
        features: of each step.
        intervals: start and end of each step in seconds.
        words: start and end of each word in seconds of the same clock.
        collapse: a key of ``COLLAPSE``.

    Returns:
        The rows, in float64, and which of the words have a step.
    """
    rows = np.zeros((len(words), features.shape[1]))
    steps = shared_steps(intervals, words)
    with np.errstate(invalid="ignore", over="ignore"):
        for row, within in zip(rows, steps, strict=True):
            if len(within):
                row[:] = COLLAPSE[collapse](features[within].astype(np.float64), axis=0)
    return rows, np.array([len(within) > 0 for within in steps], dtype=bool)


SILENCE = "sp"
"""What the words of the corpora have for a pause."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Segment:
    """A stretch of a video with a label.

    Attributes:
        video: the key without its number.
        number: of the piece in the key of the labels; None where the entry is the video.
        index: of the segment in its video: the number, or its place by start.
        span: start and end in seconds of the video.
        label: as the file has it.
    """

    video: str
    number: int | None
    index: int
    span: Float[np.ndarray, "2"]
    label: Num[np.ndarray, " label"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """What a sequence has of a segment; at least one step.

    Attributes:
        intervals: of its steps in seconds of the video, not cut to the segment.
        features: of its steps.
    """

    intervals: Float[np.ndarray, "step 2"]
    features: Shaped[np.ndarray, "step width"]


Segments = Mapping[str, Sequence[tuple[int, Segment]]]
"""Per video its segments, each with its place among all."""

Take = Callable[[int, Segment, CsdEntry], Part | None]
"""What a segment gets of the steps that might belong to it."""


def segments_of(labels: CsdFile) -> tuple[list[Segment], int]:
    """The segments of a file of labels, by video and time, and how many are too short to be any."""
    segments: list[Segment] = []
    short = 0
    for video, entries in csd_videos(labels):
        for entry in entries:
            order = np.argsort(entry.intervals[:, 0], kind="stable")
            for rank, row in enumerate(order):
                span = entry.intervals[row]
                if span[1] - span[0] <= EPSILON:
                    short += 1
                    continue
                index = rank if entry.number is None else entry.number
                segments.append(
                    Segment(
                        video=video,
                        number=entry.number,
                        index=index,
                        span=span,
                        label=entry.features[row],
                    )
                )
    return segments, short


def parts_of(file: CsdFile, segments: Sequence[Segment], take: Take) -> dict[int, Part]:
    """What each segment gets of a file, by the segment's place; those that get nothing are absent.

    The steps that might belong to a segment are those of its whole video, or, where both the labels
    and the file have pieces ``VIDEO[3]``, those of the piece of the segment's number.
    """
    by_video: dict[str, list[tuple[int, Segment]]] = {}
    for place, segment in enumerate(segments):
        by_video.setdefault(segment.video, []).append((place, segment))
    found: dict[int, Part] = {}
    for video, entries in csd_videos(file):
        if not entries or video not in by_video:
            continue
        pieces = {entry.number: entry for entry in entries if entry.number is not None}
        whole = _joined(entries)
        for place, segment in by_video[video]:
            entry = pieces.get(segment.number) if segment.number is not None and pieces else whole
            if entry is not None and (part := take(place, segment, entry)) is not None:
                found[place] = part
    return found


def cut(_: int, segment: Segment, entry: CsdEntry) -> Part | None:
    """The steps that share more than ``EPSILON`` seconds with the segment, in order of time."""
    (steps,) = shared_steps(entry.intervals, segment.span[None])
    if not len(steps):
        return None
    return Part(intervals=entry.intervals[steps], features=_float32(entry.features[steps]))


def to_words(
    words: Mapping[int, Part], modality: Modality, collapse: str, repairs: Counter[str]
) -> Take:
    """Takes one row per word of the segment (see ``alignment.aligned``).

    A word at the border of a segment has the steps of its whole duration, as in the SDK. A segment
    of which no word has a step gets nothing.

    Args:
        words: the text of each segment.
        modality: whose rows they are.
        collapse: see ``alignment.aligned``.
        repairs: receives the number of words without a step.
    """

    def take(place: int, _: Segment, entry: CsdEntry) -> Part | None:
        if place not in words:
            return None
        intervals = words[place].intervals
        rows, has = aligned(entry.features, entry.intervals, intervals, collapse=collapse)
        if not has.any():
            return None
        if lacking := int((~has).sum()):
            repairs[f"{modality}: words without a step set to 0"] += lacking
        return Part(intervals=intervals, features=_float32(rows))

    return take


def spoken(file: CsdFile, segments: Sequence[Segment], repairs: Counter[str]) -> dict[int, Part]:
    """The words of each segment without the pauses, which are counted."""
    found: dict[int, Part] = {}
    for place, part in parts_of(file, segments, cut).items():
        said = part.features[:, 0] != SILENCE
        if pauses := int((~said).sum()):
            repairs[f"words: pauses ('{SILENCE}') left out"] += pauses
        found[place] = Part(intervals=part.intervals[said], features=part.features[said])
    return found


def _joined(entries: Sequence[CsdEntry]) -> CsdEntry:
    if len(entries) == 1:
        return entries[0]
    intervals = np.concatenate([entry.intervals for entry in entries])
    features = np.concatenate([entry.features for entry in entries])
    # A step at the border of two pieces stands in both.
    _, first = np.unique(intervals, axis=0, return_index=True)
    first.sort()
    return CsdEntry(number=None, intervals=intervals[first], features=features[first])


def _float32(features: Shaped[np.ndarray, "step width"]) -> Shaped[np.ndarray, "step width"]:
    """Numbers as every data set has them, so that no wider copy is kept; texts as they are."""
    if features.dtype == object:
        return features
    # Beyond float32 is infinite, and counted as such later; NaN may be of the kind that signals.
    with np.errstate(over="ignore", invalid="ignore"):
        return features.astype(np.float32)
