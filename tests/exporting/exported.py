"""Small models, what they say of ragged clips, and what a file of them says."""

import numpy as np
import torch

from deadpan.data.batching import collate
from deadpan.data.dataset import Clip
from deadpan.data.normalization import Normalizer
from deadpan.exporting.onnx_file import onnx_bytes
from deadpan.serving.predictor import Predictor
from tests.contracts.small import WIDTHS, build

NORMALIZER = Normalizer(
    centers={"audio": np.array([3.0, -2.0, 0.0, 100.0], np.float32)},
    scales={"audio": np.array([0.5, 2.0, 1.0, 30.0], np.float32)},
)
UNSCALED = Normalizer(centers={}, scales={})


def facts_of(model, **changes):
    return {
        "version": 1,
        "task": "regression",
        "labels": ["sentiment"],
        "widths": model.widths,
        "outputs": model.outputs,
        "median_of_group_first": [],
        **changes,
    }


def built(kind, *, widths=WIDTHS, outputs=1, **options):
    """A model whose norms and biases are not those it starts with, in evaluation mode."""
    model = build(kind, widths=widths, outputs=outputs, **options).eval()
    torch.manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def ragged(count, *, widths=WIDTHS, seed=0, longest=12, lack=0.2):
    """Clips of 1 to ``longest`` steps in each modality, at their own scales; some lack some."""
    random = np.random.default_rng(seed)
    clips = []
    for _ in range(count):
        clip = {}
        for name, width in widths.items():
            if random.random() >= lack:
                steps = random.integers(1, longest + 1)
                clip[name] = random.normal(size=(steps, width)).astype(np.float32)
        if "audio" in clip:  # far beyond the limit at times
            clip["audio"] = clip["audio"] * 4 * NORMALIZER.scales["audio"]
            clip["audio"] += NORMALIZER.centers["audio"]
        clips.append(clip)
    return clips


def scaled(clip, normalizer):
    """Word for word what training does to a clip."""
    return {
        name: np.clip((x - normalizer.centers[name]) / normalizer.scales[name], -5, 5)
        if name in normalizer.centers
        else x
        for name, x in clip.items()
    }


def batch_of(clips, widths):
    label = np.zeros(1, np.float32)
    return collate([Clip(id="c", sequences=clip, label=label) for clip in clips], widths)


@torch.no_grad()
def outputs_of(model, clips, normalizer=UNSCALED):
    """The model's outputs."""
    batch = batch_of([scaled(clip, normalizer) for clip in clips], model.widths)
    return model(batch).prediction.numpy()


def written(path, model, normalizer=UNSCALED, *, int8=False, **facts):
    path.write_bytes(onnx_bytes(model, normalizer, facts_of(model, **facts), int8=int8))
    return path


def predictor(path, model, normalizer=UNSCALED, **facts):
    return Predictor(written(path, model, normalizer, **facts))
