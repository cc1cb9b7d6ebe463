"""Pseudo-alignment by connectionist temporal classification, for models that need aligned steps."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import ctc_loss, log_softmax

from deadpan.layers.recurrent import lstm_states


class CTCAligner(nn.Module):
    """Bring a sequence of any length to as many steps as another has.

    A 2-layer LSTM as wide as ``steps`` + 1 gives, at each step of the source, the logits of the
    blank (0) and of every step of the target (1 to ``steps``). What the softmax says of a target
    step, over the source, weighs the source's steps: ``P[1:]^T x``. The loss teaches it that the
    target's steps come in order. As in Tsai et al. 2019, section 4.1 (Graves et al. 2006).

    The logits are states of an LSTM and lie in (-1, 1): no step is ever more probable than
    e^2 / (e^2 + ``steps``), 0.13 with 50 steps, so that the alignment stays soft.

    Args:
        width: channels of the source.
        steps: of the longest target.
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
        """The source in the steps of the target, and the loss, summed over clips.

        Padded steps of the source must stand last. A clip without a real step becomes zeros. A clip
        with fewer steps than its target has no order to learn and adds nothing to the loss.

        Args:
            x: the source.
            mask: of the source.
            lengths: real steps of each clip's target, at most ``steps``; what is returned is as
                long as the longest, and zero beyond each clip's own.
        """
        longest = max(int(lengths.max()), 1)
        logits = lstm_states(self.lstm, x)
        weights = logits.softmax(dim=2) * mask[:, :, None]
        place = torch.arange(longest, device=x.device)
        real = place < lengths[:, None]
        aligned = weights[:, :, 1 : longest + 1].transpose(1, 2) @ x * real[:, :, None]
        loss = ctc_loss(
            log_softmax(logits.float(), dim=2).transpose(0, 1),
            (place + 1).expand(len(x), longest),
            mask.sum(dim=1),
            lengths * mask.any(dim=1),
            reduction="sum",
            zero_infinity=True,
        )
        return aligned, loss
