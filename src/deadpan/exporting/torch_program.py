"""A trained model as a program of torch (.pt2): no code of ours is needed to load or run it."""

import copy
import io
import json
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.export import Dim
from torch.export._patches import (
    register_gru_while_loop_decomposition,
    register_lstm_while_loop_decomposition,
)
from torch.fx.experimental import _config as tracing
from torch.nn.functional import pad

from deadpan.data.normalization import LIMIT, Normalizer
from deadpan.errors import DeadpanError
from deadpan.layers.recurrent import MaskedGRU
from deadpan.models import Model
from deadpan.models.hct_mg import ModalityGate
from deadpan.types import Batch, Modality

METADATA = "deadpan.json"
"""The extra file of a program that holds its facts."""


class Program(nn.Module):
    """A model from plain tensors to plain tensors, raw features in.

    Takes two mappings by modality: features float32 [clip, step, width] and masks bool [clip,
    step], True = real step, padding last. Any number of clips and, for each modality, of steps.

    Args:
        model: trained.
        normalizer: is applied to the features, all but the medians of groups.
    """

    def __init__(self, model: Model, normalizer: Normalizer) -> None:
        super().__init__()
        self.widths = model.widths
        self.model = copy.deepcopy(model).eval()
        for name, part in list(self.model.named_children()):
            if isinstance(part, ModalityGate):
                self.model.add_module(name, _Chosen(part))
        self.scaled = tuple(normalizer.centers)
        for name in self.scaled:
            self.register_buffer(f"center_{name}", torch.from_numpy(normalizer.centers[name]))
            self.register_buffer(f"scale_{name}", torch.from_numpy(normalizer.scales[name]))
        # Padding stands last already, and how much of it there is may not be asked while tracing.
        self.model.inputs = lambda batch: {  # pyright: ignore[reportAttributeAccessIssue]
            name: (x.masked_fill(~batch.masks[name][:, :, None], 0.0), batch.masks[name])
            for name, x in batch.sequences.items()
        }

    def forward(
        self, features: dict[Modality, Tensor], masks: dict[Modality, Tensor]
    ) -> Float[Tensor, "clip output"]:
        """The model's raw outputs."""
        # One clip and one step more, both padding: torch would make a special case of sizes of 1.
        sequences = {
            name: pad(self._scale(name, x), (0, 0, 0, 1, 0, 1)) for name, x in features.items()
        }
        real = {name: pad(mask, (0, 1, 0, 1)) for name, mask in masks.items()}
        first = sequences[next(iter(self.widths))]
        labels = first.new_zeros(first.shape[0], 1)
        batch = Batch(ids=(), sequences=sequences, masks=real, labels=labels)
        return self.model(batch).prediction[:-1]

    def _scale(self, name: Modality, x: Tensor) -> Tensor:
        if name not in self.scaled:
            return x
        center, scale = (self.get_buffer(f"{part}_{name}") for part in ("center", "scale"))
        return ((x - center) / scale).clamp(-LIMIT, LIMIT)


class _Chosen(nn.Module):
    """A gate after training: its weights are numbers and its choice is made."""

    def __init__(self, gate: ModalityGate) -> None:
        super().__init__()
        weights, self.index = gate()
        self.register_buffer("weights", weights.detach().clone())

    def forward(self) -> tuple[Tensor, int]:
        return self.get_buffer("weights"), self.index


def program_bytes(model: Model, normalizer: Normalizer, facts: Mapping[str, Any]) -> bytes:
    """The file that ``torch.export.load(file).module()`` makes a function of.

    Recurrent networks become loops of the program, so that lengths stay dynamic.

    Raises:
        DeadpanError: a GRU that reads both ways, whose packed sequences no program can hold.
    """
    if any(part.gru.bidirectional for part in model.modules() if isinstance(part, MaskedGRU)):
        raise DeadpanError("a bidirectional GRU cannot go into a torch program; use --format onnx")
    clips = Dim("clips", max=1 << 20)
    steps = [Dim(f"steps_{place}", max=1 << 20) for place, _ in enumerate(model.widths)]
    features = {
        name: torch.zeros(2, 3 + place, width)
        for place, (name, width) in enumerate(model.widths.items())
    }
    masks = {name: torch.ones(x.shape[:2], dtype=torch.bool) for name, x in features.items()}
    sizes = {name: {0: clips, 1: steps[place]} for place, name in enumerate(model.widths)}
    with (
        torch.no_grad(),
        warnings.catch_warnings(),
        tracing.patch(backed_size_oblivious=True),  # pyright: ignore[reportAttributeAccessIssue]
        register_lstm_while_loop_decomposition(),
        register_gru_while_loop_decomposition(),
    ):
        warnings.simplefilter("ignore")  # of weights that torch's own LSTM assigns while traced
        program = torch.export.export(
            Program(model, normalizer), (features, masks), dynamic_shapes=(sizes, sizes)
        )
        file = io.BytesIO()
        torch.export.save(program, file, extra_files={METADATA: json.dumps(dict(facts))})
    return file.getvalue()
