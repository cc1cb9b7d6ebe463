"""Several GRUs at once on a CPU: as many steps as the longest of their sequences has."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def gru_scan(
    inputs: Sequence[Float[Tensor, "clip _ gates"]],
    weight: Float[Tensor, "sequence gates hidden"],
    bias: Float[Tensor, "sequence gates"],
) -> list[Float[Tensor, "clip _ hidden"]]:
    """The hidden states of GRUs that read sequences of the same clips side by side.

    Torch's GRU makes some 40 small kernels per step and sequence, forwards and backwards; this
    makes 5 forwards and 4 backwards per step for all of them. All else is done for all steps at
    once, and a sequence that has ended is computed no further.

    Args:
        inputs: what each sequence adds to its gates (reset, update, new: torch's order), its bias
            included.
        weight: from hidden state to gates, for each sequence.
        bias: of the same.
    """
    return list(_Scan.apply(weight, bias, *inputs))  # pyright: ignore[reportArgumentType]


class _Scan(torch.autograd.Function):
    """``n = tanh(x + reset * (W h + b))``, ``h' = n + update * (h - n)`` (Cho et al. 2014)."""

    @staticmethod
    @torch.amp.custom_fwd(  # pyright: ignore[reportUntypedFunctionDecorator]
        device_type="cpu", cast_inputs=torch.float32
    )
    def forward(ctx: Any, weight: Tensor, bias: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401
        lengths = [x.shape[1] for x in inputs]
        # Longest first: those still running are then a prefix.
        order = sorted(range(len(inputs)), key=lambda i: -lengths[i])
        clips, steps, hidden = len(inputs[0]), max(lengths), weight.shape[2]
        weight, bias = weight[order], bias[order]
        # Channels before clips: each gate is then one piece of memory per step and sequence. A step
        # turns what was given into values: reset, update, what reset is multiplied with; and new.
        gates = weight.new_empty(steps, len(order), 3 * hidden, clips)
        new = weight.new_empty(steps, len(order), hidden, clips)
        for place, i in enumerate(order):
            given = inputs[i].permute(1, 2, 0)
            torch.add(
                given[:, : 2 * hidden],
                bias[place, : 2 * hidden, None],
                out=gates[: lengths[i], place, : 2 * hidden],
            )
            gates[: lengths[i], place, 2 * hidden :] = bias[place, 2 * hidden :, None]
            new[: lengths[i], place] = given[:, 2 * hidden :]
        states = weight.new_zeros(steps + 1, len(order), hidden, clips)
        segments = _segments([lengths[i] for i in order])
        for first, last, running in segments:
            part = (slice(first, last), slice(0, running))
            to_gates = weight[:running]
            before, *following = states[first : last + 1, :running].unbind()
            for three, two, (reset, update, turned), n, after in zip(
                gates[part].unbind(),
                gates[part][:, :, : 2 * hidden].unbind(),
                zip(
                    *(x.unbind() for x in gates[part].unflatten(2, (3, hidden)).unbind(2)),
                    strict=True,
                ),
                new[part].unbind(),
                following,
                strict=True,
            ):
                if clips == 1:  # as rows: a quarter of the time as columns
                    three.mT.baddbmm_(before.mT, to_gates.mT)
                else:
                    three.baddbmm_(to_gates, before)
                two.sigmoid_()
                n.addcmul_(reset, turned).tanh_()
                before = torch.lerp(n, before, update, out=after)
        ctx.save_for_backward(weight, gates, new, states)
        ctx.order, ctx.segments, ctx.lengths = order, segments, lengths
        places = {i: place for place, i in enumerate(order)}
        return tuple(
            states[1 : n + 1, places[i]].permute(2, 0, 1).contiguous()
            for i, n in enumerate(lengths)
        )

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")  # pyright: ignore[reportUntypedFunctionDecorator]
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        weight, gates, new, states = ctx.saved_tensors
        _, count, hidden, clips = new.shape
        reset, update = gates[:, :, :hidden], gates[:, :, hidden : 2 * hidden]
        received = new.new_zeros(new.shape)
        for place, i in enumerate(ctx.order):
            received[: ctx.lengths[i], place] = gradients[i].permute(1, 2, 0)
        # How each gate's input moves the next state, for all steps at once.
        slopes = torch.empty_like(gates).unflatten(2, (3, hidden))
        of_reset, of_update, of_turned = slopes.unbind(dim=2)
        of_new = torch.addcmul(torch.ones_like(new), new, new, value=-1)
        of_new.addcmul_(of_new, update, value=-1)
        torch.mul(of_new, reset, out=of_turned)
        torch.addcmul(of_turned, of_turned, reset, value=-1, out=of_reset)
        of_reset *= gates[:, :, 2 * hidden :]
        torch.sub(states[:-1], new, out=of_update)
        of_update *= update
        of_update.addcmul_(of_update, update, value=-1)
        of_gates = torch.empty_like(slopes)
        carried = new.new_zeros(count, hidden, clips)
        backwards = weight.transpose(1, 2).contiguous()
        for first, last, running in reversed(ctx.segments):
            part = (slice(first, last), slice(0, running))
            back, carry = backwards[:running], carried[:running]
            steps = zip(
                received[part].unbind(),
                received[part].unsqueeze(2).unbind(),
                slopes[part].unbind(),
                of_gates[part].unbind(),
                of_gates[part].flatten(2, 3).unbind(),
                update[part].unbind(),
                strict=True,
            )
            for state, state_of_three, slope, gate, flat, kept in reversed(list(steps)):
                state.add_(carry)
                torch.mul(state_of_three, slope, out=gate)
                torch.mul(state, kept, out=carry)
                carry.baddbmm_(back, flat)
        for first, last, running in ctx.segments:  # what had ended received nothing
            of_gates[first:last, running:] = 0.0
        # [sequence, channel, step x clip], for one product over all steps
        flat = of_gates.flatten(2, 3).permute(1, 2, 0, 3).flatten(2)
        before = states[:-1].permute(1, 2, 0, 3).flatten(2)
        of_weight = torch.bmm(flat, before.transpose(1, 2))
        of_bias = flat.sum(dim=2)
        torch.mul(received, of_new, out=of_gates[:, :, 2])
        given = of_gates.flatten(2, 3)
        places = [ctx.order.index(i) for i in range(count)]
        of_inputs = [
            given[:n, place].permute(2, 0, 1) for n, place in zip(ctx.lengths, places, strict=True)
        ]
        return (of_weight[places], of_bias[places], *of_inputs)


def _segments(lengths: Sequence[int]) -> list[tuple[int, int, int]]:
    """(first step, last step, how many run) from lengths in falling order."""
    ends = sorted(set(lengths))
    starts = [0, *ends[:-1]]
    return [
        (first, last, sum(n >= last for n in lengths))
        for first, last in zip(starts, ends, strict=True)
    ]
