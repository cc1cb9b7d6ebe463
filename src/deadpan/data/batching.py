"""From clips to padded batches of similar length; sampling is a pure function of (seed, epoch)."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Int

from deadpan.data.dataset import Clip, LazyClips
from deadpan.types import Batch, Modality

POOL = 64
"""Number of batches whose clips are sorted together; a split of MOSI's size is one pool."""
JITTER = 0.03
"""Standard deviation of the noise on log lengths before sorting; moves a clip by about a batch."""


def lengths_of(clips: Sequence[Clip]) -> Int[np.ndarray, " clip"]:
    """Steps of each clip summed over its modalities, a measure of its cost."""
    if isinstance(clips, LazyClips):
        return sum(clips.steps.values(), start=np.zeros(len(clips), dtype=np.int64))
    return np.array(
        [sum(len(x) for x in clip.sequences.values()) for clip in clips], dtype=np.int64
    )


def training_batches(
    lengths: Int[np.ndarray, " clip"], size: int, *, seed: int, epoch: int
) -> list[Int[np.ndarray, " index"]]:
    """Indices of every clip once, in random batches of clips of similar length.

    Clips are shuffled, sorted by log length plus ``JITTER`` within pools of ``POOL`` batches, cut
    into batches, and the batches are shuffled. So there is little padding, and batches differ from
    epoch to epoch. A last batch of a single clip joins its neighbour.

    Args:
        lengths: steps of each clip.
        size: clips in a batch.
        seed: seed of the run.
        epoch: number of the epoch, from 1.
    """
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(lengths))
    pools = [order[i : i + POOL * size] for i in range(0, len(order), POOL * size)]
    rank = np.log(np.maximum(lengths, 1)) + JITTER * random.standard_normal(len(lengths))
    ordered = np.concatenate([pool[np.argsort(rank[pool], kind="stable")] for pool in pools])
    batches = [ordered[i : i + size] for i in range(0, len(ordered), size)]
    if len(batches) > 1 and len(batches[-1]) == 1 < size:
        batches[-2:] = [np.concatenate(batches[-2:])]
    return [batches[i] for i in random.permutation(len(batches))]


def context_batches(
    groups: Sequence[str | None], size: int, *, order: np.random.Generator | None = None
) -> list[Int[np.ndarray, " index"]]:
    """Indices of every clip once, in batches of whole videos, for models that use neighbour clips.

    Videos are added to a batch until it has ``size`` clips or more. The clips of a video keep the
    order of the data set. A clip without a group is a video of its own.

    Args:
        groups: the video of each clip of one split.
        size: clips in a batch, at least.
        order: shuffles the videos; None keeps their order.
    """
    videos: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        video = f"clip {index}" if group is None else f"group {group}"
        videos.setdefault(video, []).append(index)
    members = list(videos.values())
    if order is not None:
        members = [members[i] for i in order.permutation(len(members))]
    batches: list[list[int]] = []
    for indices in members:
        if not batches or len(batches[-1]) >= size:
            batches.append([])
        batches[-1] += indices
    return [np.array(batch, dtype=np.int64) for batch in batches]


def evaluation_batches(
    lengths: Int[np.ndarray, " clip"], size: int
) -> list[Int[np.ndarray, " index"]]:
    """Indices of every clip once, in batches, shortest clips first."""
    order = np.argsort(lengths, kind="stable")
    return [order[i : i + size] for i in range(0, len(order), size)]


def collate(clips: Sequence[Clip], widths: Mapping[Modality, int]) -> Batch:
    """Pad clips at the end to the longest of the batch, for each modality of ``widths``.

    The mask of a clip that lacks a modality is all False; modalities not in ``widths`` are left
    out.
    """
    sequences: dict[Modality, torch.Tensor] = {}
    masks: dict[Modality, torch.Tensor] = {}
    for name, width in widths.items():
        none = np.zeros((0, width), dtype=np.float32)
        present = [clip.sequences.get(name, none) for clip in clips]
        steps = max(1, *(len(x) for x in present))
        # Torch aligns memory to 64 bytes, numpy at random to 16, and a matrix product of the same
        # numbers may differ with it in the last bit: a resumed run would not end bit-identical.
        padded = torch.zeros(len(clips), steps, width, dtype=torch.float32)
        for row, x in zip(padded.numpy(), present, strict=True):
            row[: len(x)] = x
        lengths = np.array([len(x) for x in present])
        sequences[name] = padded
        masks[name] = torch.from_numpy(np.arange(steps) < lengths[:, None])
    labels = torch.from_numpy(np.stack([clip.label for clip in clips]).astype(np.float32))
    return Batch(
        ids=tuple(clip.id for clip in clips),
        sequences=sequences,
        masks=masks,
        labels=labels,
        groups=tuple(clip.group for clip in clips),
    )
