"""Attention weights as powers of 2, a block of clips at a time, and their gradients."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from deadpan.layers.dropout import keep_mask

BLOCK = 1 << 20
"""Attention weights at once: two such arrays stay in the caches of two cores."""
KEPT = 1 << 22
"""Attention weights of a call that are kept for the gradient; of a larger call none are, and each
block is computed again: memory then grows with the block, not with the sequences."""
SAFE = 2.0**60
"""Sums of weights between this and its inverse lose nothing to the range of float32."""
HIDDEN = -1e9
"""Added to the score of a source step that is not looked at."""


class Weighed(NamedTuple):
    """Outputs before their division, the divisors, and what the gradient needs."""

    values: Float[Tensor, "clip_head part step"]
    sums: Float[Tensor, "clip_head step"]
    blocks: "list[Block]"


class Block(NamedTuple):
    """Some clips: their rows, what was taken from their scores, weights and dropout if kept."""

    rows: slice
    shifted: bool
    weights: Tensor | None
    keep: Tensor | None


def weigh(
    q: Float[Tensor, "clip_head part step"],
    kv: Float[Tensor, "clip_head channel source_step"],
    mask: Tensor,
    visible: Tensor | None,
    heads: int,
    rate: float,
) -> Weighed:
    """Undivided outputs and their divisors; a clip without source gets zeros and ones."""
    part, steps, source_steps = q.shape[1], q.shape[2], kv.shape[2]
    out = q.new_empty(len(q), part + 1, steps)
    total = len(q) * steps * source_steps
    size = max(1, BLOCK // max(1, heads * steps * source_steps)) * heads
    nothing = 1.0 - mask.amax(dim=1).repeat_interleave(heads)
    blocks: list[Block] = []
    for first in range(0, len(q), size):
        rows = slice(first, first + size)
        keep = None
        for shifted in (False, True):
            weights = _weights(q[rows], kv[rows], mask, visible, rows, heads, shifted=shifted)
            if rate and keep is None:
                keep = keep_mask(weights, rate)
            if keep is None:
                torch.bmm(kv[rows, part:], weights.transpose(1, 2), out=out[rows])
            else:  # what is dropped still counts in the divisor
                used, ones = (weights * keep).transpose(1, 2), kv[rows, 2 * part :]
                out[rows, :part] = torch.bmm(kv[rows, part : 2 * part], used)
                out[rows, part:] = torch.bmm(ones, weights.transpose(1, 2))
            sums = out[rows, part].add_(nothing[rows, None])
            low, high = (float(end) for end in sums.aminmax())
            if low > 1 / SAFE and high < SAFE:
                break
        blocks.append(Block(rows, shifted, weights if total <= KEPT else None, keep))
    return Weighed(out[:, :part], out[:, part], blocks)


def _weights(
    q: Tensor,
    kv: Tensor,
    mask: Tensor,
    visible: Tensor | None,
    rows: slice,
    heads: int,
    *,
    shifted: bool,
) -> Float[Tensor, "row step source_step"]:
    """``2 ** scores``, which is above 0 in padding too; 0 where a step is not to be looked at."""
    scores = torch.bmm(q.transpose(1, 2), kv[:, : q.shape[1]])
    clips = slice(rows.start // heads, rows.stop // heads)
    by_clip = scores.unflatten(0, (-1, heads))
    if shifted:
        hidden = (mask[clips, None] if visible is None else mask[clips, None] * visible[clips]) == 0
        by_clip.masked_fill_(hidden[:, None], HIDDEN)
        scores -= scores.amax(dim=2, keepdim=True)
    scores.exp2_()
    if visible is not None:
        by_clip.mul_(visible[clips, None])
    return scores


def weigh_back(
    blocks: Sequence[Block],
    q: Float[Tensor, "clip_head part step"],
    kv: Float[Tensor, "clip_head channel source_step"],
    mask: Float[Tensor, "clip source_step"],
    visible: Float[Tensor, "clip step source_step"] | None,
    received: Float[Tensor, "clip_head part_and_1 step"],
    heads: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of queries, keys and values; the first two lack the factor ln 2.

    Args:
        blocks: of ``weigh``, as are the next four.
        q: queries.
        kv: keys, values, ones.
        mask: of source steps.
        visible: of pairs of steps.
        received: gradients of outputs over divisors, and of the divisors.
        heads: of a clip.
    """
    part, source_steps = q.shape[1], kv.shape[2]
    of_q = torch.empty_like(q)
    of_key, of_value = (q.new_empty(len(q), part, source_steps) for _ in range(2))
    for rows, shifted, weights, keep in blocks:
        if weights is None:
            weights = _weights(q[rows], kv[rows], mask, visible, rows, heads, shifted=shifted)
        used, got = weights, received[rows].transpose(1, 2)
        if keep is None:
            slope = torch.bmm(got, kv[rows, part:])
        else:
            slope = torch.bmm(got[:, :, :part], kv[rows, part : 2 * part]).mul_(keep)
            slope.baddbmm_(got[:, :, part:], kv[rows, 2 * part :])
            used = weights * keep
        slope.mul_(weights)
        torch.bmm(received[rows, :part], used, out=of_value[rows])
        torch.bmm(q[rows], slope, out=of_key[rows])
        torch.bmm(kv[rows, :part], slope.transpose(1, 2), out=of_q[rows])
    return of_q, of_key, of_value
