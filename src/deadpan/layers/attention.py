"""Multi-head attention with padding masks, and a context that records its weights."""

from collections.abc import Generator
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import dropout as drop
from torch.nn.functional import scaled_dot_product_attention

from deadpan.errors import DeadpanError
from deadpan.layers.exporting import is_exporting

MASKED_SCORE = -1e9
"""Score of a masked step, or a number added to it: its weight in a softmax is then exactly 0."""
Maps = dict[str, list[Float[Tensor, "clip head step source_step"]]]
"""Attention weights by the module path of each ``Attention``, one tensor per call."""


class Attention(nn.Module):
    """Scaled dot-product attention from a target sequence to a source sequence.

    Vaswani et al. 2017, with zero biases and Xavier-uniform projections, each of query, key and
    value a matrix of its own; see ``stack_projections`` for MulT's. On a CPU ``EncoderLayer``
    computes the same in C (``deadpan.layers.native``), unless it is recorded.

    Args:
        width: channels of both sequences.
        heads: number of heads; must divide ``width``.

    Attributes:
        recorders: lists that receive the weights of every call; see ``record_attention``.
    """

    recorders: tuple[list[Tensor], ...] = ()

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads must divide the width; got width {width} and heads {heads}")
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.query.weight)
        for block in self.key_value.weight.data.chunk(2):
            nn.init.xavier_uniform_(block)
        nn.init.xavier_uniform_(self.output.weight)
        for linear in (self.query, self.key_value, self.output):
            nn.init.zeros_(linear.bias)

    def stack_projections(self) -> None:
        """Scale untrained query, key and value weights as MulT's code draws them: by sqrt(1/2).

        MulT fills one matrix of shape [3 width, width], whose Xavier bound is sqrt(6 / (4 width))
        where that of a square matrix is sqrt(6 / (2 width)).
        """
        with torch.no_grad():
            for linear in (self.query, self.key_value):
                linear.weight *= 0.5**0.5

    def forward(
        self,
        target: Float[Tensor, "clip step width"],
        target_mask: Bool[Tensor, "clip step"],
        source: Float[Tensor, "clip source_step width"],
        source_mask: Bool[Tensor, "clip source_step"],
        *,
        dropout: float = 0.0,
        mask_future: bool = False,
    ) -> Float[Tensor, "clip step width"]:
        """Attend from every target step to the real source steps.

        A clip whose source has no real step receives the output bias alone.

        Args:
            target: sequence that gives the queries.
            target_mask: True = real step.
            source: sequence that gives keys and values.
            source_mask: True = real step.
            dropout: rate for attention weights while training.
            mask_future: mask source steps after ``target step + |real steps - real source steps|``.
                This is MulT's offset mask, counted in each clip so that padding cannot move it.
                Padded steps must stand last.
        """
        query = self.query(target).unflatten(2, (self.heads, -1)).transpose(1, 2)
        key, value = (
            self.key_value(source).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        )
        rate = dropout if self.training else 0.0
        # Off the CPU, reading the mask would synchronize.
        readable = source_mask.device.type == "cpu" and not is_exporting()
        if readable and not (mask_future or self.recorders) and bool(source_mask.all()):
            attended = scaled_dot_product_attention(query, key, value, dropout_p=rate)
            return self.output(attended.transpose(1, 2).flatten(2))
        visible = source_mask[:, None, :]
        if mask_future:
            visible = visible & future_mask(target_mask, source_mask)
        # Not minus infinity, whose softmax would be NaN for a clip without source: such a clip
        # attends to all steps alike, and its result is multiplied by 0.
        bias = torch.where(visible, 0.0, MASKED_SCORE).to(query.dtype)[:, None]
        has_source = source_mask.any(dim=1).to(query.dtype)[:, None, None, None]
        if self.recorders:
            attended = self._recorded(query, key, value, bias, has_source, rate)
        else:
            attended = has_source * scaled_dot_product_attention(
                query, key, value, attn_mask=bias, dropout_p=rate
            )
        return self.output(attended.transpose(1, 2).flatten(2))

    def _recorded(
        self,
        query: Float[Tensor, "clip head step channel"],
        key: Float[Tensor, "clip head source_step channel"],
        value: Float[Tensor, "clip head source_step channel"],
        bias: Float[Tensor, "clip 1 #step source_step"],
        has_source: Float[Tensor, "clip 1 1 1"],
        rate: float,
    ) -> Float[Tensor, "clip head step channel"]:
        """Attention computed from recorded weights, whose gradient is retained."""
        scores = query @ key.transpose(2, 3) * query.shape[3] ** -0.5
        weights = (scores + bias).softmax(dim=3) * has_source
        if weights.requires_grad:
            weights.retain_grad()
        for recorder in self.recorders:
            recorder.append(weights)
        return drop(weights, rate, training=rate > 0).to(value.dtype) @ value


def future_mask(
    target_mask: Bool[Tensor, "clip step"], source_mask: Bool[Tensor, "clip source_step"]
) -> Bool[Tensor, "clip step source_step"]:
    """Mask of the source steps up to ``target step + |real steps - real source steps|``."""
    device = target_mask.device
    offset = (target_mask.sum(dim=1) - source_mask.sum(dim=1)).abs()
    step = torch.arange(target_mask.shape[1], device=device)[:, None]
    source_step = torch.arange(source_mask.shape[1], device=device)
    return source_step - step <= offset[:, None, None]


@contextmanager
def record_attention(model: nn.Module) -> Generator[Maps]:
    """Record the weights of every attention inside ``model`` while the context lasts.

    ::

        with record_attention(model) as maps:
            model(batch)
        maps["crossmodal.auxiliary1_to_primary.layers.0.attention"]

    Weights are in [0, 1]. Those of a real target step sum to 1 over the source steps; those of
    masked and padded source steps are 0, and all are 0 where a clip lacks the source. Weights of a
    padded target step are meaningless. They are the softmax before dropout. The output is computed
    from them, so after ``backward()`` each has its ``.grad``, if gradients were enabled.

    Recording takes the memory of all weights. Contexts may be nested, around one model or parts of
    it; each gets its own maps.

    Args:
        model: model with at least one ``Attention``.

    Raises:
        DeadpanError: the model has no attention.
    """
    attentions = {name: x for name, x in model.named_modules() if isinstance(x, Attention)}
    if not attentions:
        raise DeadpanError(
            f"{type(model).__name__} has no attention to record; give a model that attends, such "
            f"as HCTMG, MulT or LMFMulT"
        )
    maps: Maps = {name: [] for name in attentions}
    for name, attention in attentions.items():
        attention.recorders = (*attention.recorders, maps[name])
    try:
        yield maps
    finally:
        for name, attention in attentions.items():
            attention.recorders = tuple(x for x in attention.recorders if x is not maps[name])
