"""Recurrent networks over padded sequences."""

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class MaskedGRU(nn.Module):
    """A one-layer GRU that keeps every step and never reads padding.

    Padded steps must stand last (see ``front_aligned``); they come out as zeros.

    Args:
        width: channels in.
        hidden: channels out; in two directions each gives half of them.
        bidirectional: read backwards as well.
    """

    def __init__(self, width: int, hidden: int, *, bidirectional: bool = False) -> None:
        super().__init__()
        if bidirectional and hidden % 2:
            raise ValueError(f"a bidirectional GRU needs an even width; got {hidden}")
        self.gru = nn.GRU(
            width,
            hidden // 2 if bidirectional else hidden,
            batch_first=True,
            bidirectional=bidirectional,
        )

    def forward(
        self, x: Float[Tensor, "clip step width"], mask: Bool[Tensor, "clip step"]
    ) -> Float[Tensor, "clip step hidden"]:
        """The hidden state at every real step."""
        if not self.gru.bidirectional:
            # Forwards, padding comes after every real step and so cannot reach one: no packing.
            return self.gru(x)[0] * mask[:, :, None]
        lengths = mask.sum(dim=1).clamp(min=1).cpu()
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        hidden, _ = pad_packed_sequence(
            self.gru(packed)[0], batch_first=True, total_length=x.shape[1]
        )
        return hidden * mask[:, :, None]


class MaskedLSTM(nn.Module):
    """A one-layer LSTM that keeps every step and never reads padding.

    Padded steps must stand last (see ``front_aligned``); they come out as zeros.

    Args:
        width: channels in.
        hidden: channels out.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, batch_first=True)

    def forward(
        self, x: Float[Tensor, "clip step width"], mask: Bool[Tensor, "clip step"]
    ) -> Float[Tensor, "clip step hidden"]:
        """The hidden state at every real step."""
        return self.lstm(x)[0] * mask[:, :, None]
