"""EF-LSTM, early fusion in one LSTM."""

from collections.abc import Mapping
from typing import Any

import torch

from deadpan.layers.mlp import MLP
from deadpan.layers.pooling import Pool, Pooling
from deadpan.layers.recurrent import MaskedLSTM
from deadpan.models.aligned import AlignedModel
from deadpan.types import Batch, Modality, Output


class EFLSTM(AlignedModel):
    """Concatenate the features of each aligned step, read them by one LSTM, predict by an MLP.

    The MLP reads the hidden state at the last real step, wherever the padding stands. Any number of
    modalities. One missing in a clip is zeros at every step; a clip without any has hidden state 0.
    The paper's CTC + EF-LSTM is this model with ``ctc``. The sizes are those of LF-LSTM: our
    choice, because no publication gives those of EF-LSTM. MMSA's code is this network behind a
    batch normalization by step, which padding would reach (``studies/parity``).

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        hidden: channels of the LSTM.
        pooling: the "last" real hidden state, the "mean" of all real ones, or "attention" to them
            by a learned query.
        head_width: channels of the MLP's hidden layer.
        output_dropout: rate inside the MLP, after the ReLU.
    """

    title = "EF-LSTM"
    paper = "Tsai et al. 2019, Multimodal Transformer for Unaligned Multimodal Language Sequences"

    def __init__(
        self,
        *,
        widths: Mapping[Modality, int],
        outputs: int,
        hidden: int = 256,
        pooling: Pooling = "last",
        head_width: int = 32,
        output_dropout: float = 0.0,
        **alignment: Any,
    ) -> None:
        super().__init__(widths=widths, outputs=outputs, **alignment)
        self.recurrent = MaskedLSTM(sum(self.widths.values()), hidden)
        self.pool = Pool(hidden, pooling)
        self.head = MLP(hidden, head_width, outputs, dropout=output_dropout)

    def forward(self, batch: Batch) -> Output:
        """Predict."""
        steps = self.aligned(batch)
        features = torch.cat([steps.sequences[name] for name in self.modalities], dim=2)
        state = self.pool(self.recurrent(features, steps.mask), steps.mask)
        return Output(prediction=self.head(state), losses=steps.losses)
