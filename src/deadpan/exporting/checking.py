"""Whether a file says what its model says, on random ragged clips."""

import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float

from deadpan.data.batching import collate
from deadpan.data.dataset import Clip
from deadpan.data.normalization import LIMIT, Normalizer
from deadpan.types import Batch, Modality

LONGEST = 24
"""Steps of the longest random clip."""

Run = Callable[[Batch], Float[np.ndarray, "clip output"]]
"""What a file makes of a batch of raw features."""


def random_clips(
    count: int, widths: Mapping[Modality, int], normalizer: Normalizer, *, seed: int = 0
) -> list[Clip]:
    """Clips of 1 to ``LONGEST`` steps at about the scale of the data.

    Every fifth modality is missing; a clip may lack all of them.
    """
    random = np.random.default_rng(seed)

    def features(name: Modality, width: int) -> Float[np.ndarray, "step width"]:
        x = 2 * random.standard_normal((random.integers(1, LONGEST + 1), width), np.float32)
        if name in normalizer.centers:
            x = x * normalizer.scales[name] + normalizer.centers[name]
        return x.astype(np.float32)

    return [
        Clip(
            id=str(index),
            sequences={m: features(m, w) for m, w in widths.items() if random.random() < 0.8},
            label=np.zeros(1, np.float32),
        )
        for index in range(count)
    ]


def deviations(
    run: Run,
    model: torch.nn.Module,
    widths: Mapping[Modality, int],
    normalizer: Normalizer,
    *,
    clips: int = 32,
    seed: int = 0,
) -> tuple[Float[np.ndarray, "clip output"], Float[np.ndarray, "clip output"]]:
    """By how much a file differs from its model, and what the model says.

    Args:
        run: the file.
        model: in evaluation mode.
        widths: of its modalities.
        normalizer: of its run.
        clips: how many random ones, in batches of 1, 2, 3, ...
        seed: of the clips.
    """
    raw = random_clips(clips, widths, normalizer, seed=seed)
    said, meant = list[np.ndarray](), list[np.ndarray]()
    for batch, scaled in zip(
        _batches(raw), _batches([_scaled(clip, normalizer) for clip in raw]), strict=True
    ):
        said.append(run(collate(batch, widths)))
        with torch.no_grad():
            meant.append(model(collate(scaled, widths)).prediction.numpy())
    wanted = np.concatenate(meant)
    return np.abs(np.concatenate(said) - wanted), wanted


def onnx_run(content: bytes) -> Run:
    """An ONNX file by onnxruntime, on one thread."""
    import onnxruntime  # an extra

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    opened = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(batch: Batch) -> Float[np.ndarray, "clip output"]:
        feeds = {f"features.{name}": x.numpy() for name, x in batch.sequences.items()}
        feeds |= {f"mask.{name}": mask.numpy() for name, mask in batch.masks.items()}
        return opened.run(["prediction"], feeds)[0]

    return run


def program_run(content: bytes) -> Run:
    """A program of torch."""
    program = torch.export.load(io.BytesIO(content)).module()

    def run(batch: Batch) -> Float[np.ndarray, "clip output"]:
        with torch.no_grad():
            return program(dict(batch.sequences), dict(batch.masks)).numpy()

    return run


def _scaled(clip: Clip, normalizer: Normalizer) -> Clip:
    sequences = {
        name: np.clip((x - normalizer.centers[name]) / normalizer.scales[name], -LIMIT, LIMIT)
        if name in normalizer.centers
        else x
        for name, x in clip.sequences.items()
    }
    return dataclasses.replace(clip, sequences=sequences)


def _batches(clips: Sequence[Clip]) -> list[Sequence[Clip]]:
    """One clip, two, three, ..."""
    found: list[Sequence[Clip]] = []
    start = 0
    while start < len(clips):
        found.append(clips[start : start + len(found) + 1])
        start += len(found)
    return found
