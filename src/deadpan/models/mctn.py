"""MCTN, the multimodal cyclic translation network."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import pad

from deadpan.layers.mlp import MLP
from deadpan.layers.pooling import Pool, Pooling
from deadpan.layers.recurrent import MaskedLSTM
from deadpan.models.aligned import Aligned, AlignedModel
from deadpan.types import VISION, Batch, Modality, Output


class MCTN(AlignedModel):
    """Translate text into vision, then audio, and predict from the encoding of the translator.

    A first sequence-to-sequence network translates the source (text) into the first target
    (vision), and its translation back to the source with the same encoder and decoder. A second one
    translates the first one's encoding into the next target (audio). The label is predicted from
    the second encoding at the last real step. The mean squared error of each translation, over the
    real steps of clips that have both modalities, is a further loss. Prediction needs the source
    only.

    The source is text, or else the first modality; vision comes before the other targets. Two
    modalities: one network; one: an encoder alone. A source that a clip lacks is read as zeros.
    Encoder and decoder are LSTMs; the decoder reads the encoding step by step, because steps are
    aligned. In the authors' code (Keras) and MMSA's the decoder attends to the encoding and an LSTM
    with attention predicts; MMSA's LSTMs also read both ways and its decoder is fed the target.
    These are other networks, whose weights have no place here.

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        hidden: channels of every encoder and decoder.
        pooling: the "last" real step of the second encoding, the "mean" of all, or "attention" to
            them by a learned query.
        head_width: channels of the hidden layer of the MLP that predicts.
        translation_weight: weight of the mean squared error of each translation.
        output_dropout: rate inside the MLP, after the ReLU.
    """

    paper = "Pham et al. 2019, Found in Translation: Learning Robust Joint Representations"

    def __init__(
        self,
        *,
        widths: Mapping[Modality, int],
        outputs: int,
        hidden: int = 64,
        pooling: Pooling = "last",
        head_width: int = 32,
        translation_weight: float = 0.1,
        output_dropout: float = 0.0,
        **alignment: Any,  # noqa: ANN401 - of AlignedModel
    ) -> None:
        super().__init__(widths=widths, outputs=outputs, **alignment)
        self.translation_weight = translation_weight
        self.source, *others = self.modalities
        self.targets = sorted(others, key=lambda name: name != VISION)
        # Source and first target share an encoder: zeros fill the narrower up to this width.
        self.width = max(self.widths[name] for name in (self.source, *self.targets[:1]))
        sizes = [self.width, *(hidden for _ in self.targets[1:])]
        self.encoders = nn.ModuleList(MaskedLSTM(size, hidden) for size in sizes)
        self.decoders = nn.ModuleList(MaskedLSTM(hidden, hidden) for _ in self.targets)
        self.translations = nn.ModuleList(
            nn.Linear(hidden, self.widths[name] if index else self.width)
            for index, name in enumerate(self.targets)
        )
        self.pool = Pool(hidden, pooling)
        self.head = MLP(hidden, head_width, outputs, dropout=output_dropout)

    def forward(self, batch: Batch) -> Output:
        """Predict."""
        steps = self.aligned(batch)
        source = self._pad_width(steps.sequences[self.source])
        encodings = [self.encoders[0](source, steps.mask)]
        for encoder in self.encoders[1:]:
            encodings.append(encoder(encodings[-1], steps.mask))
        prediction = self.head(self.pool(encodings[-1], steps.mask))
        if (
            not torch.is_grad_enabled()
        ):  # without training the losses, half of the work, are not needed
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
        for index, name in enumerate(self.targets):
            translation = self._translate(index, encodings[index], steps.mask)
            # Detached: a CTC-aligned target must not learn to be easy to translate into.
            target = steps.sequences[name].detach()
            target = target if index else self._pad_width(target)
            mask = steps.mask & _is_present(batch, self.source) & _is_present(batch, name)
            error = _squared_error(translation, target, mask)
            losses[f"translation_{name}"] = self.translation_weight * error
            if not index:
                back = self._translate(0, self.encoders[0](translation, steps.mask), steps.mask)
                error = _squared_error(back, source, mask)
                losses[f"translation_{self.source}"] = self.translation_weight * error
        return losses

    def _translate(
        self,
        index: int,
        encoding: Float[Tensor, "clip step hidden"],
        mask: Bool[Tensor, "clip step"],
    ) -> Float[Tensor, "clip step _"]:
        return self.translations[index](self.decoders[index](encoding, mask))

    def _pad_width(self, x: Float[Tensor, "clip step _"]) -> Float[Tensor, "clip step width"]:
        return pad(x, (0, self.width - x.shape[2]))


def _is_present(batch: Batch, name: Modality) -> Bool[Tensor, "clip 1"]:
    """Whether each clip has a real step of a modality."""
    if name not in batch.masks:
        return torch.zeros(len(batch), 1, dtype=torch.bool, device=batch.labels.device)
    return batch.masks[name].any(dim=1, keepdim=True)


def _squared_error(
    prediction: Float[Tensor, "clip step width"],
    target: Float[Tensor, "clip step width"],
    mask: Bool[Tensor, "clip step"],
) -> Float[Tensor, ""]:
    """Mean squared error over real steps and channels; 0 without a real step."""
    squares = (prediction - target).square().mean(dim=2) * mask
    return squares.sum() / mask.sum().clamp(min=1)
