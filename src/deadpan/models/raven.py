"""RAVEN, the recurrent attended variation embedding network: words shifted by behaviour."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.linalg import vector_norm

from deadpan.layers.dropout import dropout
from deadpan.layers.pooling import Pool, Pooling
from deadpan.layers.recurrent import MaskedLSTM
from deadpan.models.aligned import AlignedModel
from deadpan.types import Batch, Modality, Output


class FrameLSTM(nn.Module):
    """Hidden state of an LSTM after one frame, from state 0.

    ``h = o tanh(i g)``. Its recurrent weights and forget gate are left out: they are multiplied by
    the state 0 and would never learn.

    Args:
        features: channels of the frame.
        hidden: channels of the state.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.gates = nn.Linear(features, 3 * hidden)

    def forward(
        self, frame: Float[Tensor, "clip step features"]
    ) -> Float[Tensor, "clip step hidden"]:
        """Hidden state after each frame on its own."""
        input_gate, new, output_gate = self.gates(frame).chunk(3, dim=2)
        return output_gate.sigmoid() * (input_gate.sigmoid() * new.tanh()).tanh()


class RAVEN(AlignedModel):
    """Shift each word's vector by the nonverbal behaviour during it; read the words by an LSTM.

    An LSTM over the frames of a word gives h_m for each nonverbal modality m. Aligned data and the
    CTC front end have one visual and one acoustic frame for each word, so here that LSTM runs over
    that one frame. With e the vector of the word,

        w_m = sigmoid(Linear_m([h_m; e]))    a scalar
        s = Linear([w_m h_m of every m])
        alpha = min(beta |e| / |s|, 1)

    and an LSTM reads e + alpha s; a linear map of its last state predicts. That is the paper's
    ``formula``. The authors' code departs from it twice: its w_m has no sigmoid, so that it may be
    of any size and sign; and it adds ``beta |e| s / max(|s|, 1)``, which is longer than alpha s
    where beta |e| > max(|s|, 1), shorter where beta |e| and |s| are below 1, else the same.

    The task loss trains the nonverbal networks too, under either formula; in the authors' code it
    does not reach them, nor does it reach the gates and the shift.

    The words are the first modality (text, where there is text); all others are nonverbal. With two
    modalities there is one w_m; with one the words are not shifted. Nonverbal frames that are all
    zeros, as where a clip lacks the modality, have h_m = 0. In a clip without words every e is 0
    and so is alpha: only the number of steps of the other modalities reaches the prediction.

    Sizes, ``shift_limit`` and the dropout are those of the authors' code. Unlike there, frames are
    not mapped linearly before their LSTM, which its input gates' own map could do as well, and
    nothing is batch-normalized. Apart from that, the formula of the "code" gives the code's outputs
    where words have one frame (``studies/parity``).

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        hidden: channels of the LSTM over words.
        pooling: the "last" real state of that LSTM, the "mean" of all real ones, or "attention" to
            them by a learned query.
        frame_hidden: channels of the LSTM over the frames of a word, one for each modality.
        shift_limit: beta, the greatest length of a shift relative to its word's vector.
        input_dropout: rate for the nonverbal frames and the shifted words.
        formula: gates and shift of the "paper", or those of the authors' "code".
    """

    paper = (
        "Wang et al. 2019, Words Can Shift: Dynamically Adjusting Word Representations Using "
        "Nonverbal Behaviors"
    )

    def __init__(
        self,
        *,
        widths: Mapping[Modality, int],
        outputs: int,
        hidden: int = 300,
        pooling: Pooling = "last",
        frame_hidden: int = 150,
        shift_limit: float = 0.2,
        input_dropout: float = 0.2,
        formula: Literal["paper", "code"] = "paper",
        **alignment: Any,
    ) -> None:
        super().__init__(widths=widths, outputs=outputs, **alignment)
        self.shift_limit, self.input_dropout, self.formula = shift_limit, input_dropout, formula
        words, *nonverbal = self.modalities
        width = self.widths[words]
        self.frames = nn.ModuleDict(
            {name: FrameLSTM(self.widths[name], frame_hidden) for name in nonverbal}
        )
        self.gates = nn.ModuleDict({name: nn.Linear(frame_hidden + width, 1) for name in nonverbal})
        if nonverbal:
            self.shift = nn.Linear(len(nonverbal) * frame_hidden, width)
        self.recurrent = MaskedLSTM(width, hidden)
        self.pool = Pool(hidden, pooling)
        self.output = nn.Linear(hidden, outputs)

    def forward(self, batch: Batch) -> Output:
        """Predict."""
        steps = self.aligned(batch)
        words, *nonverbal = (steps.sequences[name] for name in self.modalities)
        if nonverbal:
            words = self.shift_words(words, dict(zip(self.frames, nonverbal, strict=True)))
        words = dropout(words, self.input_dropout, self.training)
        state = self.pool(self.recurrent(words, steps.mask), steps.mask)
        return Output(prediction=self.output(state), losses=steps.losses)

    def shift_words(
        self,
        words: Float[Tensor, "clip step width"],
        frames: Mapping[Modality, Float[Tensor, "clip step _"]],
    ) -> Float[Tensor, "clip step width"]:
        """Shift each word: e + alpha s, or as the authors' code does."""
        weighted: list[Tensor] = []
        for name, frame in frames.items():
            state = self.frames[name](dropout(frame, self.input_dropout, self.training))
            state = state * frame.any(dim=2, keepdim=True)
            gate = self.gates[name](torch.cat([state, words], dim=2))
            weighted.append((gate if self.formula == "code" else gate.sigmoid()) * state)
        shift = self.shift(torch.cat(weighted, dim=2))
        longest = self.shift_limit * vector_norm(words, dim=2, keepdim=True)
        length = vector_norm(shift, dim=2, keepdim=True)
        if self.formula == "code":
            return words + longest / length.clamp(min=1) * shift
        length = length.clamp(min=1e-12)
        return words + (longest / length).clamp(max=1) * shift
