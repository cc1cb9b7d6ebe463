"""Pseudo-alignment by connectionist temporal classification, for models that need aligned steps."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import ctc_loss, log_softmax

from deadpan.layers.exporting import is_exporting
from deadpan.layers.recurrent import lstm_states


class CTCAligner(nn.Module):
    """Align a source sequence with the steps of a target sequence of another length.

    A 2-layer LSTM of width ``steps`` + 1 gives, at each source step, the logits of the blank (0)
    and of every target step (1 to ``steps``). With P their softmax, a target step is the sum of
    source steps weighted by its probabilities: ``P[1:]^T x``. The CTC loss trains P to position the
    target steps in order. As in Tsai et al. 2019, section 4.1 (Graves et al. 2006).

    The logits are hidden states of an LSTM and lie in (-1, 1), so no probability exceeds
    e^2 / (e^2 + ``steps``), 0.13 with 50 steps: the alignment stays soft.

    Args:
        width: channels of the source.
        steps: length of the longest target.
    """

    def __init__(self, width: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.lstm = nn.LSTM(width, steps + 1, num_layers=2, batch_first=True)

    def forward(
        self,
        x: Float[Tensor, "clip step width"],
        mask: Bool[Tensor, "clip step"],
        lengths: Int[Tensor, " clip"],
    ) -> tuple[Float[Tensor, "clip aligned width"], Float[Tensor, ""]]:
        """Align the source with the target's steps, and compute the CTC loss, summed over clips.

        A clip without a real step becomes zeros. A clip with fewer steps than its target has no
        order to learn and adds nothing to the loss.

        Args:
            x: the source.
            mask: True = real step of the source; padding last.
            lengths: real steps of each clip's target, at most ``steps``. The aligned source is as
                long as the longest of them (``steps``, while torch exports), and zero beyond each
                clip's own.
        """
        exporting = is_exporting()
        longest = self.steps if exporting else max(int(lengths.max()), 1)
        logits = lstm_states(self.lstm, x)
        weights = logits.softmax(dim=2) * mask[:, :, None]
        position = torch.arange(longest, device=x.device)
        real = position < lengths[:, None]
        aligned = weights[:, :, 1 : longest + 1].transpose(1, 2) @ x * real[:, :, None]
        if exporting:  # who predicts needs no loss
            return aligned, aligned.new_zeros(())
        loss = ctc_loss(
            log_softmax(logits.float(), dim=2).transpose(0, 1),
            (position + 1).expand(len(x), longest),
            mask.sum(dim=1),
            lengths * mask.any(dim=1),
            reduction="sum",
            zero_infinity=True,
        )
        return aligned, loss
