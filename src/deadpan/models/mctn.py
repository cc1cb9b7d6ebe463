"""MCTN, the multimodal cyclic translation network."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import pad

from deadpan.layers.mlp import MLP
from deadpan.layers.pooling import last_step
from deadpan.layers.recurrent import MaskedLSTM
from deadpan.models.aligned import Aligned, AlignedModel
from deadpan.types import VISION, Batch, Modality, Output


class MCTN(AlignedModel):
    """Translate the words into face and voice; predict from what the translator had to know.

    A first sequence-to-sequence network translates the source (text) into the first target
    (vision) and its own translation back again, with the same encoder and decoder. A second one
    translates the first one's encoding into the next target (audio). The label is predicted from
    the second encoding at the last real step. Each translation's mean squared error over the real
    steps of clips that have both sides is a further loss. Only the source is needed to predict.

    The source is text, or else the first modality; vision comes before the other targets. Two
    modalities: one network; one: an encoder alone. A source that a clip lacks is read as zeros.
    Encoder and decoder are LSTMs; the decoder reads the encoding step by step, for steps are
    aligned (the authors' attends to it).

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        hidden: channels of every encoder and decoder.
        head_width: channels of the hidden layer of the MLP that predicts.
        translation_weight: of the mean squared error of each translation.
        output_dropout: inside the MLP, after the ReLU.
    """

    paper = "Pham et al. 2019, Found in Translation: Learning Robust Joint Representations"

    def __init__(
        self,
        *,
        widths: Mapping[Modality, int],
        outputs: int,
        hidden: int = 64,
        head_width: int = 32,
        translation_weight: float = 0.1,
        output_dropout: float = 0.0,
        **alignment: Any,  # noqa: ANN401 - of AlignedModel
    ) -> None:
        super().__init__(widths=widths, outputs=outputs, **alignment)
        self.translation_weight = translation_weight
        self.source, *others = self.modalities
        self.targets = sorted(others, key=lambda name: name != VISION)
        # Source and first target go through the same encoder: channels of zeros make them equal.
        self.width = max(self.widths[name] for name in (self.source, *self.targets[:1]))
        sizes = [self.width, *(hidden for _ in self.targets[1:])]
        self.encoders = nn.ModuleList(MaskedLSTM(size, hidden) for size in sizes)
        self.decoders = nn.ModuleList(MaskedLSTM(hidden, hidden) for _ in self.targets)
        self.translations = nn.ModuleList(
            nn.Linear(hidden, self.widths[name] if place else self.width)
            for place, name in enumerate(self.targets)
        )
        self.head = MLP(hidden, head_width, outputs, dropout=output_dropout)

    def forward(self, batch: Batch) -> Output:
        """Predict."""
        steps = self.aligned(batch)
        source = self._widened(steps.sequences[self.source])
        encodings = [self.encoders[0](source, steps.mask)]
        for encoder in self.encoders[1:]:
            encodings.append(encoder(encodings[-1], steps.mask))
        prediction = self.head(last_step(encodings[-1], steps.mask))
        if not torch.is_grad_enabled():  # nobody learns: half the work
            return Output(prediction=prediction, losses=steps.losses)
        losses = self._losses(batch, steps, source, encodings)
        return Output(prediction=prediction, losses={**steps.losses, **losses})

    def _losses(
        self,
        batch: Batch,
        steps: Aligned,
        source: Float[Tensor, "clip step width"],
        encodings: Sequence[Float[Tensor, "clip step hidden"]],
    ) -> dict[str, Float[Tensor, ""]]:
        losses: dict[str, Tensor] = {}
        for place, name in enumerate(self.targets):
            said = self._translate(place, encodings[place], steps.mask)
            # What is translated into does not learn to be easy to translate into.
            wanted = steps.sequences[name].detach()
            wanted = wanted if place else self._widened(wanted)
            real = steps.mask & _has(batch, self.source) & _has(batch, name)
            losses[f"translation_{name}"] = self.translation_weight * _error(said, wanted, real)
            if not place:
                back = self._translate(0, self.encoders[0](said, steps.mask), steps.mask)
                name = self.source
                losses[f"translation_{name}"] = self.translation_weight * _error(back, source, real)
        return losses

    def _translate(
        self,
        place: int,
        encoding: Float[Tensor, "clip step hidden"],
        mask: Bool[Tensor, "clip step"],
    ) -> Float[Tensor, "clip step _"]:
        return self.translations[place](self.decoders[place](encoding, mask))

    def _widened(self, x: Float[Tensor, "clip step _"]) -> Float[Tensor, "clip step width"]:
        return pad(x, (0, self.width - x.shape[2]))


def _has(batch: Batch, name: Modality) -> Bool[Tensor, "clip 1"]:
    """Which clips have a real step of a modality."""
    if name not in batch.masks:
        return torch.zeros(len(batch), 1, dtype=torch.bool, device=batch.labels.device)
    return batch.masks[name].any(dim=1, keepdim=True)


def _error(
    said: Float[Tensor, "clip step width"],
    wanted: Float[Tensor, "clip step width"],
    real: Bool[Tensor, "clip step"],
) -> Float[Tensor, ""]:
    """Mean squared error over real steps and channels; 0 without one."""
    squares = (said - wanted).square().mean(dim=2) * real
    return squares.sum() / real.sum().clamp(min=1)
