"""Cutting the sequences of videos into labelled segments, and aligning them to words."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Num, Shaped

from deadpan.data.containers.memory import charge
from deadpan.data.formats.csd.file import CsdFile, TimedSteps, csd_videos
from deadpan.types import Modality

EPSILON = 1e-5
"""Overlaps in seconds up to this count as none, as in CMU-MultimodalSDK (its 10e-6)."""

COLLAPSE: Mapping[str, Callable[..., np.ndarray]] = {"mean": np.mean, "max": np.max}
"""How the steps within a word are aggregated, feature by feature; the field uses the mean."""


def overlapping_steps(
    intervals: Float[np.ndarray, "step 2"], targets: Float[np.ndarray, "target 2"]
) -> list[Int[np.ndarray, "_"]]:
    """Find the steps that overlap with each target by more than ``EPSILON`` seconds.

    The rule is that of CMU-MultimodalSDK: a step that ends where a target starts does not overlap
    with it, one that straddles the border of two targets belongs to both, and a step or a target
    without duration belongs to none.

    Args:
        intervals: start and end of each step in seconds; in any order, and they may overlap.
        targets: start and end of each target in seconds of the same clock.

    Returns:
        Per target, indices into ``intervals``, ordered by start.
    """
    order = np.argsort(intervals[:, 0], kind="stable")
    starts, ends = intervals[order].T
    # No step before the first whose predecessors reach the target can overlap with it.
    reach = np.maximum.accumulate(ends)
    indices: list[np.ndarray] = []
    for start, end in targets:
        near = slice(
            int(np.searchsorted(reach, start, "right")), int(np.searchsorted(starts, end, "left"))
        )
        shared = np.minimum(ends[near], end) - np.maximum(starts[near], start)
        indices.append(order[near][shared > EPSILON])
    return indices


def align_to_words(
    features: Num[np.ndarray, "step width"],
    intervals: Float[np.ndarray, "step 2"],
    words: Float[np.ndarray, "word 2"],
    *,
    collapse: str = "mean",
) -> tuple[Float[np.ndarray, "word width"], Bool[np.ndarray, " word"]]:
    """Aggregate the steps that overlap with each word to one row of features per word.

    A step that straddles two words counts in both, and every step has the same weight however much
    of it is within the word, as in the SDK's examples. A word without any step is a row of zeros.
    A value that is not finite makes the word's feature not finite.

    Args:
        features: features of each step.
        intervals: start and end of each step in seconds.
        words: start and end of each word in seconds of the same clock.
        collapse: a key of ``COLLAPSE``.

    Returns:
        The rows in float64, and a mask of the words that have a step.
    """
    rows = np.zeros((len(words), features.shape[1]))
    steps = overlapping_steps(intervals, words)
    with np.errstate(invalid="ignore", over="ignore"):
        for row, within in zip(rows, steps, strict=True):
            if len(within):
                row[:] = COLLAPSE[collapse](features[within].astype(np.float64), axis=0)
    return rows, np.array([len(within) > 0 for within in steps], dtype=bool)


SILENCE = "sp"
"""The word that stands for a pause in the transcripts of the corpora."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Segment:
    """A labelled segment of a video, with the label as stored."""

    video: str  # the key of the labels without its number
    number: int | None  # number of the piece in the key; None if the entry is the video
    index: int  # index of the segment in its video: the number, or its rank by start
    span: Float[np.ndarray, "2"]  # start and end in seconds of the video
    label: Num[np.ndarray, " label"]


Take = Callable[[int, Segment, TimedSteps], TimedSteps | None]
"""Selects the steps that belong to the segment of an index, which are not cut; None for none."""


def read_segments(labels: CsdFile) -> tuple[list[Segment], int]:
    """Read the segments of a file of labels, by video and time; count those too short."""
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


def cut_segments(file: CsdFile, segments: Sequence[Segment], take: Take) -> dict[int, TimedSteps]:
    """Cut a file into segments: the steps of each segment that has any, by the segment's index.

    The candidate steps of a segment are those of its whole video, or, if both the labels and the
    file have pieces ``VIDEO[3]``, those of the piece of the segment's number.
    """
    by_video: dict[str, list[tuple[int, Segment]]] = {}
    for index, segment in enumerate(segments):
        by_video.setdefault(segment.video, []).append((index, segment))
    parts: dict[int, TimedSteps] = {}
    for video, entries in csd_videos(file):
        if not entries or video not in by_video:
            continue
        pieces = {entry.number: entry for entry in entries if entry.number is not None}
        whole = _merge_pieces(entries)
        for index, segment in by_video[video]:
            entry = pieces.get(segment.number) if segment.number is not None and pieces else whole
            if entry is not None and (part := take(index, segment, entry)) is not None:
                # Segments may overlap: each has its copy, and was copied in another type before.
                charge(2 * (part.features.nbytes + part.intervals.nbytes))
                parts[index] = part
    return parts


def steps_of_segment(_: int, segment: Segment, entry: TimedSteps) -> TimedSteps | None:
    """Select the steps that overlap with the segment, in order of time."""
    (steps,) = overlapping_steps(entry.intervals, segment.span[None])
    if not len(steps):
        return None
    return TimedSteps(intervals=entry.intervals[steps], features=_float32(entry.features[steps]))


def word_aligner(
    words: Mapping[int, TimedSteps], modality: Modality, collapse: str, repairs: Counter[str]
) -> Take:
    """Make a ``Take`` that aggregates to one row per word of the segment (see ``align_to_words``).

    A word at the border of a segment has the steps of its whole duration, as in the SDK. A segment
    without any step in a word has no part. ``words`` is the text of each segment; ``repairs``
    receives the number of the modality's words without a step.
    """

    def take(index: int, _: Segment, entry: TimedSteps) -> TimedSteps | None:
        if index not in words:
            return None
        intervals = words[index].intervals
        rows, covered = align_to_words(
            entry.features, entry.intervals, intervals, collapse=collapse
        )
        if not covered.any():
            return None
        if missing := int((~covered).sum()):
            repairs[f"{modality}: words without a step set to 0"] += missing
        return TimedSteps(intervals=intervals, features=_float32(rows))

    return take


def spoken_words(
    file: CsdFile, segments: Sequence[Segment], repairs: Counter[str]
) -> dict[int, TimedSteps]:
    """Read the words of each segment without pauses, which are counted."""
    words: dict[int, TimedSteps] = {}
    for index, part in cut_segments(file, segments, steps_of_segment).items():
        spoken = part.features[:, 0] != SILENCE
        if pauses := int((~spoken).sum()):
            repairs[f"words: pauses ('{SILENCE}') left out"] += pauses
        words[index] = TimedSteps(intervals=part.intervals[spoken], features=part.features[spoken])
    return words


def _merge_pieces(entries: Sequence[TimedSteps]) -> TimedSteps:
    if len(entries) == 1:
        return entries[0]
    intervals = np.concatenate([entry.intervals for entry in entries])
    features = np.concatenate([entry.features for entry in entries])
    # A step at the border of two pieces is in both.
    _, first = np.unique(intervals, axis=0, return_index=True)
    first.sort()
    return TimedSteps(intervals=intervals[first], features=features[first])


def _float32(features: Shaped[np.ndarray, "step width"]) -> Shaped[np.ndarray, "step width"]:
    """Convert numbers to float32, so that no wider copy is kept; texts stay as they are."""
    if features.dtype == object:
        return features
    # Beyond float32 is infinite, and counted as such later; NaN may be of the kind that signals.
    with np.errstate(over="ignore", invalid="ignore"):
        return features.astype(np.float32)
