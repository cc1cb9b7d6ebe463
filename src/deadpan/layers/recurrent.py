"""Recurrent networks over padded sequences."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from deadpan.layers.exporting import is_exporting
from deadpan.layers.native.gru import MAX_SEQUENCES, gru_scan
from deadpan.layers.native.library import native
from deadpan.layers.steps import States, fold

Padded = tuple[Float[Tensor, "clip _ width"], Bool[Tensor, "clip _"]]
"""Steps of one modality, and which of them are real."""


class MaskedGRU(nn.Module):
    """A one-layer GRU that keeps every step and never reads padding.

    Padded steps must stand last (see ``front_aligned``); they come out as zeros.

    Args:
        width: input channels.
        hidden: output channels; each of two directions gives half of them.
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
        """Hidden state at every real step; zeros in padding."""
        if not self.gru.bidirectional:
            return read_together([self], [(x, mask)])[0]
        if is_exporting():
            return self._both_ways(x, mask)
        lengths = mask.sum(dim=1).clamp(min=1).cpu()
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        hidden, _ = pad_packed_sequence(
            self.gru(packed)[0], batch_first=True, total_length=x.shape[1]
        )
        return hidden * mask[:, :, None]

    def _both_ways(
        self, x: Float[Tensor, "clip step width"], mask: Bool[Tensor, "clip step"]
    ) -> Float[Tensor, "clip step hidden"]:
        """The same without packing, which cannot be exported: the real steps are turned around."""
        step = torch.arange(x.shape[1], device=x.device)
        last = mask.sum(dim=1, keepdim=True) - 1
        turned = torch.where(step <= last, last - step, step)[:, :, None]
        forwards, backwards = (
            _gru_states(self.gru, y, suffix)
            for y, suffix in (
                (x, ""),
                (x.gather(1, turned.expand(-1, -1, x.shape[2])), "_reverse"),
            )
        )
        backwards = backwards.gather(1, turned.expand(-1, -1, backwards.shape[2]))
        return torch.cat([forwards, backwards], dim=2) * mask[:, :, None]


def _gru_states(
    gru: nn.GRU, x: Float[Tensor, "clip step width"], suffix: str = ""
) -> Float[Tensor, "clip step hidden"]:
    """Hidden state of one direction of a GRU at each step, by operators that can be exported."""
    weight_ih, weight_hh, bias_ih, bias_hh = (
        getattr(gru, f"{name}_l0{suffix}")
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )

    step = partial(_gru_step, weight=weight_hh, bias=bias_hh)
    start = (x.new_zeros(x.shape[0], gru.hidden_size),)
    gates = linear(x, weight_ih, bias_ih).transpose(0, 1)
    return fold(step, start, (gates,), dim=1)[1]


def _gru_step(
    states: States, values: States, *, weight: Tensor, bias: Tensor
) -> tuple[States, Tensor]:
    (h,), (gates,) = states, values
    reset, update, new = gates.chunk(3, dim=1)
    h_reset, h_update, h_new = linear(h, weight, bias).chunk(3, dim=1)
    new = (new + (reset + h_reset).sigmoid() * h_new).tanh()
    h = new + (update + h_update).sigmoid() * (h - new)
    return (h,), h


def _lstm_states(lstm: nn.LSTM, x: Tensor) -> Tensor:
    """Hidden state of an LSTM at each step, by operators that can be exported."""
    for layer in range(lstm.num_layers):
        weight_ih, weight_hh, bias_ih, bias_hh = (
            getattr(lstm, f"{name}_l{layer}")
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        step = partial(_lstm_step, weight=weight_hh, bias=bias_hh)
        zeros = x.new_zeros(x.shape[0], lstm.hidden_size)
        gates = linear(x, weight_ih, bias_ih).transpose(0, 1)
        x = fold(step, (zeros, zeros), (gates,), dim=1)[1]
    return x


def _lstm_step(
    states: States, values: States, *, weight: Tensor, bias: Tensor
) -> tuple[States, Tensor]:
    (h, c), (gates,) = states, values
    into, forget, new, out = (gates + linear(h, weight, bias)).chunk(4, dim=1)
    c = forget.sigmoid() * c + into.sigmoid() * new.tanh()
    h = out.sigmoid() * c.tanh()
    return (h, c), h


def read_together(
    readers: Sequence[MaskedGRU],
    streams: Sequence[tuple[Float[Tensor, "clip _ width"], Bool[Tensor, "clip _"]]],
) -> list[Float[Tensor, "clip _ hidden"]]:
    """Hidden states of several GRUs over sequences of the same clips, computed together on a CPU.

    Args:
        readers: the GRUs, all of one input and one output width.
        streams: features and mask for each GRU, padding last.
    """
    grus = [reader.gru for reader in readers]
    if grus[0].bidirectional:
        return [reader(*stream) for reader, stream in zip(readers, streams, strict=True)]
    if len(grus) <= MAX_SEQUENCES and native(*(x for x, _ in streams)):
        return gru_scan(
            [
                linear(x, gru.weight_ih_l0, gru.bias_ih_l0)  # pyright: ignore[reportArgumentType]
                for gru, (x, _) in zip(grus, streams, strict=True)
            ],
            [mask for _, mask in streams],
            torch.stack([gru.weight_hh_l0 for gru in grus]),  # pyright: ignore[reportArgumentType]
            torch.stack([gru.bias_hh_l0 for gru in grus]),  # pyright: ignore[reportArgumentType]
        )
    if is_exporting():
        return [
            _gru_states(gru, x) * mask[:, :, None].to(x.dtype)
            for gru, (x, mask) in zip(grus, streams, strict=True)
        ]
    # Forwards, padding comes after every real step and so cannot reach one: no packing.
    return [
        gru(x)[0] * mask[:, :, None].to(x.dtype)
        for gru, (x, mask) in zip(grus, streams, strict=True)
    ]


Reader = Literal["none", "gru"]
"""What reads the steps of a modality in their order before any attention."""


class Readers(nn.ModuleDict):
    """One GRU for each modality, or nothing: streams are then left as they are.

    Args:
        reader: which of the two.
        names: the modalities.
        width: channels of every stream, before and after.
        bidirectional: read backwards as well, half of the channels each way.
    """

    def __init__(
        self, reader: Reader, names: Iterable[str], width: int, *, bidirectional: bool = False
    ) -> None:
        super().__init__(
            {name: MaskedGRU(width, width, bidirectional=bidirectional) for name in names}
            if reader == "gru"
            else {}
        )

    def forward(self, streams: Mapping[str, Padded]) -> dict[str, Padded]:
        """Hidden states of each stream, and its mask."""
        if not self:
            return dict(streams)
        grus = [self[name] for name in streams]
        states = read_together(grus, list(streams.values()))  # pyright: ignore[reportArgumentType]
        return {
            name: (state, mask)
            for state, (name, (_, mask)) in zip(states, streams.items(), strict=True)
        }


class MaskedLSTM(nn.Module):
    """A one-layer LSTM that keeps every step and never reads padding.

    Padded steps must stand last (see ``front_aligned``); they come out as zeros.

    Args:
        width: input channels.
        hidden: output channels.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, batch_first=True)

    def forward(
        self, x: Float[Tensor, "clip step width"], mask: Bool[Tensor, "clip step"]
    ) -> Float[Tensor, "clip step hidden"]:
        """Hidden state at every real step; zeros in padding."""
        return lstm_states(self.lstm, x) * mask[:, :, None]


def lstm_states(
    lstm: nn.LSTM, x: Float[Tensor, "clip step width"]
) -> Float[Tensor, "clip step hidden"]:
    """Hidden state of an LSTM at each step, from state 0, in a precision that the processor has.

    Under autocast that is the type of autocast, or float32 where the processor cannot compute an
    LSTM in it.
    """
    if is_exporting():
        return _lstm_states(lstm, x)
    if (
        x.is_cpu
        and torch.is_autocast_enabled("cpu")
        and not processor_has_lstm(torch.get_autocast_dtype("cpu"))
    ):
        with torch.autocast("cpu", enabled=False):
            return lstm(x.to(next(lstm.parameters()).dtype))[0]
    return lstm(x)[0]


@cache
def processor_has_lstm(dtype: torch.dtype) -> bool:
    """Whether torch can compute an LSTM in this dtype here: oneDNN needs AVX-512 for bfloat16."""
    # By way of "meta": initial weights would be drawn from the generator of the run.
    lstm = nn.LSTM(1, 1, device="meta").to_empty(device="cpu")
    try:
        with torch.autocast("cpu", dtype=dtype):
            lstm(torch.zeros(1, 1, 1))
    except RuntimeError:  # "could not create a primitive descriptor for the LSTM"
        return False
    return True
