"""Predictions of a model, and their loss and metrics."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from deadpan.data.batching import (
    collate,
    context_batches,
    evaluation_batches,
    lengths_of,
)
from deadpan.data.dataset import Clip, LazyClips, clip_groups
from deadpan.tasks import Task
from deadpan.types import Modality

EVALUATION_BATCH = 64
"""Batch size of predictions; changes speed only."""


@torch.inference_mode()
def predict_clips(
    model: nn.Module,
    clips: Sequence[Clip],
    widths: Mapping[Modality, int],
    *,
    device: torch.device | None = None,
) -> Float[np.ndarray, "clip output"]:
    """The model's raw outputs, in the order of the clips; leaves the model in evaluation mode.

    Args:
        model: takes a Batch, returns an Output.
        clips: at least one.
        widths: the modalities to collate.
        device: where the model is; None = the CPU.
    """
    model.eval()
    outputs: np.ndarray | None = None
    batches = (
        context_batches(clip_groups(clips), EVALUATION_BATCH)
        if getattr(model, "context", False)
        else evaluation_batches(lengths_of(clips), EVALUATION_BATCH)
    )
    for indices in batches:
        batch = collate([clips[i] for i in indices], widths)
        output = model(batch if device is None else batch.to(device))
        values = output.prediction.float().cpu().numpy()
        if outputs is None:
            outputs = np.empty((len(clips), *values.shape[1:]), dtype=values.dtype)
        outputs[indices] = values
    if outputs is None:
        raise ValueError("no clip to predict")
    return outputs


def labels_of(clips: Sequence[Clip]) -> Float[np.ndarray, "clip label"]:
    """The labels, in the order of the clips."""
    if isinstance(clips, LazyClips):
        return clips.labels
    return np.stack([clip.label for clip in clips])


def loss_and_metrics(
    task: Task,
    prediction: Float[np.ndarray, "clip output"],
    labels: Float[np.ndarray, "clip label"],
) -> tuple[float, dict[str, float]]:
    """The task's validation loss over all clips at once, and its metrics."""
    return task.validation_loss(prediction, labels), task.metrics(prediction, labels)
