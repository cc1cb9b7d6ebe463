"""What HCT-MG has to compute and to move, by formula from the steps of a clip.

Operations: a multiplication and an addition are two, and only matrix products count. Backward
costs twice as much as forward, except where nothing asks for the gradient: at the features. Bytes:
what no order of computing can avoid, float32; features are read once, what the gradient needs is
written once and read once; attention weights are left out, as they can be computed again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from deadpan.models import HCTMG

FLOAT = 4
"""Bytes."""
STATE = 9
"""Floats moved per parameter and training step: its gradient is written, read to be clipped and
read again; value and both of Adam's moments are read and written."""


@dataclass(frozen=True)
class Work:
    """Of one clip, forwards.

    Attributes:
        products: operations of products over all steps at once.
        attention: operations of the products of attention, whose one side is a head's channels.
        scan: operations of products that wait for the step before.
        weights: attention weights: each is exponentiated, divided and dropped.
        kept: floats that the gradient needs.
        features: floats that are read and ask for no gradient.
        leaf: those of ``products`` whose input is a feature.
    """

    products: float = 0.0
    attention: float = 0.0
    scan: float = 0.0
    weights: float = 0.0
    kept: float = 0.0
    features: float = 0.0
    leaf: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        return Work(
            *(x + y for x, y in zip(vars(self).values(), vars(other).values(), strict=True))
        )

    @property
    def forward(self) -> float:
        """Operations of a forward pass."""
        return self.products + self.attention + self.scan

    @property
    def training(self) -> float:
        """Operations forwards and backwards."""
        return 3 * self.forward - self.leaf

    @property
    def bytes(self) -> float:
        """Moved, forwards and backwards; those of the weights and the optimizer come per step."""
        return FLOAT * (2 * self.kept + self.features)


def linear(steps: float, inputs: int, outputs: int) -> float:
    """Operations of a linear map of each step."""
    return 2.0 * steps * inputs * outputs


def encoder(target: float, source: float | None, width: int, heads: int, layers: int) -> Work:
    """An encoder of so many target steps that look at so many source steps; None: themselves."""
    looked_at = target if source is None else source
    products = (
        2 * linear(target, width, width)  # query and output
        + linear(looked_at, width, 2 * width)  # key and value
        + 2 * linear(target, width, 4 * width)
    )
    kept = 10 * target * width + (2 if source is None else 3) * looked_at * width
    layer = Work(
        products=products,
        attention=2 * 2.0 * target * looked_at * width,
        weights=heads * target * looked_at,
        kept=kept,
    )
    return sum([layer] * layers, start=Work())


def parts(model: HCTMG, steps: Mapping[str, float], primary: str = "text") -> dict[str, Work]:
    """The work of each part of the model for one clip of so many steps.

    Args:
        model: of three modalities.
        steps: per modality.
        primary: the modality that the auxiliaries are folded into.
    """
    first = next(iter(model.crossmodal.children()))
    width, layers = first.norm.normalized_shape[0], len(first.layers)
    heads, deep = first.layers[0].attention.heads, len(model.self_attention.layers)
    one, other = (name for name in model.modalities if name != primary)
    read = [
        Work(
            products=linear(n, model.widths[name], width), leaf=linear(n, model.widths[name], width)
        )
        + Work(features=n * model.widths[name], kept=n * width)
        for name, n in steps.items()
    ]
    scanned = [
        Work(products=linear(n, width, 3 * width), scan=linear(n, width, 3 * width))
        + Work(kept=5 * n * width)
        for n in steps.values()
    ]
    crossed = [
        encoder(steps[one], steps[other], width, heads, layers),
        encoder(steps[other], steps[one], width, heads, layers),
        encoder(steps[primary], steps[one], width, heads, layers),
        encoder(steps[primary], steps[other], width, heads, layers),
    ]
    maps = [x for x in (*model.auxiliary_maps, *model.head.modules()) if hasattr(x, "in_features")]
    return {
        "projections": sum(read, start=Work()),
        "GRU": sum(scanned, start=Work()),
        "crossmodal": sum(crossed, start=Work()),
        # Of the last layer, only the last step is read.
        "self-attention": encoder(steps[primary], None, 2 * width, heads, deep - 1)
        + encoder(1, steps[primary], 2 * width, heads, 1),
        "head": Work(products=sum(linear(1, x.in_features, x.out_features) for x in maps)),
    }
