"""Every model of the registry at a quick size, once per choice it offers; and batches for it."""

from typing import Literal, get_args, get_origin

import torch

from deadpan.models import MODELS
from deadpan.models.aligned import AlignedModel
from deadpan.models.base import hyperparameters
from deadpan.types import AUDIO, TEXT, VISION, Batch

WIDTHS = {TEXT: 6, AUDIO: 4, VISION: 3}
SIZES = {
    "width": 8,
    "heads": 2,
    "layers": 1,
    "hidden": 8,
    "text_hidden": 8,
    "text_width": 8,
    "ctc_steps": 6,
}


def choices(kind):
    """The defaults, then every other value of every choice by itself."""
    result = [{}]
    for name, parameter in hyperparameters(kind).items():
        others = get_args(parameter.annotation) if _is_choice(parameter) else ()
        if parameter.annotation is bool:
            others = (True, False)
        result += [{name: value} for value in others if value != parameter.default]
    if "primary" in hyperparameters(kind):
        result.append({"primary": VISION})
    return result


def _is_choice(parameter):
    return get_origin(parameter.annotation) is Literal


VARIANTS = [(kind, options) for kind in MODELS.values() for options in choices(kind)]


def name_of(part):
    if isinstance(part, dict):
        return "-".join(f"{name}={value}" for name, value in part.items()) or "defaults"
    return getattr(part, "__name__", None)


def dropouts(kind):
    return [name for name in hyperparameters(kind) if "dropout" in name and not name.endswith("on")]


def build(kind, *, seed=0, widths=WIDTHS, outputs=1, **options):
    sizes = {name: size for name, size in SIZES.items() if name in hyperparameters(kind)}
    torch.manual_seed(seed)
    return kind(widths=widths, outputs=outputs, **(sizes | options))


def clips_for(kind, options, count):
    """Random clips of a kind that the model takes in this choice of its options."""
    aligned = issubclass(kind, AlignedModel) and not options.get("ctc")
    return aligned_clips(count) if aligned else random_clips(count)


def aligned_clips(count, *, seed=1, widths=WIDTHS):
    """Per clip 2 to 5 steps, of every modality as many."""
    torch.manual_seed(seed)
    steps = [int(torch.randint(2, 6, ())) for _ in range(count)]
    return [{m: torch.randn(n, width) for m, width in widths.items()} for n in steps]


def random_clips(count, *, seed=1, widths=WIDTHS):
    """Per clip and modality [step, feature], 2 to 5 steps."""
    torch.manual_seed(seed)
    return [
        {m: torch.randn(int(torch.randint(2, 6, ())), width) for m, width in widths.items()}
        for _ in range(count)
    ]


def pad(clips, *, left=0, right=0, garbage=0.0, modalities=WIDTHS):
    """A batch with extra padding; a clip may lack a modality."""
    sequences, masks = {}, {}
    for m in modalities:
        rows = [clip.get(m, torch.zeros(0, WIDTHS[m])) for clip in clips]
        steps = left + max(1, *map(len, rows)) + right
        x = torch.full((len(rows), steps, WIDTHS[m]), garbage)
        mask = torch.zeros(len(rows), steps, dtype=torch.bool)
        for i, row in enumerate(rows):
            # With both sides padded a short clip stands anywhere between.
            start = steps - right - len(row) if left else 0
            x[i, start : start + len(row)] = row
            mask[i, start : start + len(row)] = True
        sequences[m], masks[m] = x, mask
    labels = torch.linspace(-3, 3, len(clips))[:, None]
    ids = tuple(map(str, range(len(clips))))
    return Batch(ids=ids, sequences=sequences, masks=masks, labels=labels)


def gradients(model, batch):
    return prediction_and_gradients(model, batch)[1]


def prediction_and_gradients(model, batch):
    model.zero_grad()
    output = model(batch)
    sum(output.losses.values(), output.prediction.sum()).backward()
    slopes = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return output.prediction.detach(), slopes
