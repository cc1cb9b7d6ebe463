"""The weights of attention, computed and kept on demand."""

from collections.abc import Generator
from contextlib import contextmanager

from jaxtyping import Float
from torch import Tensor, nn

from deadpan.errors import DeadpanError
from deadpan.layers.attention import Attention

Maps = dict[str, list[Float[Tensor, "clip head step source_step"]]]
"""By the module path of each ``Attention``, what it weighed in every call, in their order."""


@contextmanager
def record_attention(model: nn.Module) -> Generator[Maps]:
    """Keep the weights of every attention inside ``model`` while the context lasts.

    ::

        with record_attention(model) as maps:
            model(batch)
        maps["crossmodal.auxiliary1_to_primary.layers.0.attention"]

    Weights are in [0, 1]: those of a real target step over the source steps sum to 1, those of
    hidden and padded source steps are 0, and all are 0 where a clip lacks the source; a padded
    target step means nothing. They are what softmax gave, before dropout, and the output is
    computed from them: where gradients are kept, ``.grad`` of each is there after ``backward()``.

    Recording costs the memory of all weights; while nobody records, an attention tests one
    attribute. Contexts may be nested, around one model or parts of it: each gets its own maps.

    Args:
        model: holds at least one ``Attention``.

    Raises:
        DeadpanError: the model has none.
    """
    found = {name: part for name, part in model.named_modules() if isinstance(part, Attention)}
    if not found:
        raise DeadpanError(
            f"{type(model).__name__} has no attention to record; give a model that attends, such "
            f"as HCTMG, MulT or LMFMulT"
        )
    maps: Maps = {name: [] for name in found}
    for name, attention in found.items():
        attention.recorders = (*attention.recorders, maps[name])
    try:
        yield maps
    finally:
        for name, attention in found.items():
            attention.recorders = tuple(x for x in attention.recorders if x is not maps[name])
