"""RMFN, the recurrent multistage fusion network."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from deadpan.layers.cells import LSTMCells
from deadpan.layers.mlp import MLP
from deadpan.layers.recurrent import lstm_states
from deadpan.models.aligned import AlignedModel
from deadpan.types import Batch, Modality, Output


class RMFN(AlignedModel):
    """LSTHM cells, one per modality, whose hidden states are fused in several stages at each step.

    At each step there are K stages. In each, HIGHLIGHT, an LSTM over stages that reads the hidden
    states h of all cells, gives weights of h by a softmax; FUSE, another LSTM over stages, reads
    the weighted h. SUMMARIZE, an MLP of the K states of FUSE, gives z(t), which the gates of the
    next step read. An MLP predicts from [h(T); z(T)].

    Any number of modalities; one that a clip lacks is read as zeros.

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        hidden: channels of each cell.
        stages: number K of stages; the paper has 3 to 6.
        stage_hidden: channels of the two LSTMs over stages.
        summary: channels of z.
        net_width: channels of the hidden layer of SUMMARIZE and of the head.
        output_dropout: rate inside the head, after the ReLU.
    """

    paper = "Liang et al. 2018, Multimodal Language Analysis with Recurrent Multistage Fusion"

    def __init__(
        self,
        *,
        widths: Mapping[Modality, int],
        outputs: int,
        hidden: int = 64,
        stages: int = 3,
        stage_hidden: int = 64,
        summary: int = 64,
        net_width: int = 64,
        output_dropout: float = 0.0,
        **alignment: Any,  # noqa: ANN401 - of AlignedModel
    ) -> None:
        super().__init__(widths=widths, outputs=outputs, **alignment)
        total = hidden * len(self.modalities)
        self.stages = stages
        self.cells = LSTMCells(list(self.widths.values()), hidden, context=summary)
        self.highlight = nn.LSTM(total, stage_hidden, batch_first=True)
        self.attention = nn.Linear(stage_hidden, total)
        self.fuse = nn.LSTM(total, stage_hidden, batch_first=True)
        self.summarize = MLP(stages * stage_hidden, net_width, summary)
        self.head = MLP(total + summary, net_width, outputs, dropout=output_dropout)

    def forward(self, batch: Batch) -> Output:
        """Predict."""
        steps = self.aligned(batch)
        sequences = list(steps.sequences.values())
        last = self.cells.run_with_context(sequences, steps.mask, self._fuse_states)
        return Output(prediction=self.head(last), losses=steps.losses)

    def _fuse_states(self, h: Float[Tensor, "clip states"]) -> Float[Tensor, "clip summary"]:
        """Compute z of one step; as stages read only h, each LSTM runs over all in one call."""
        repeated = h[:, None].expand(-1, self.stages, -1)
        weights = self.attention(lstm_states(self.highlight, repeated)).softmax(dim=2)
        return self.summarize(lstm_states(self.fuse, weights * repeated).flatten(1))
