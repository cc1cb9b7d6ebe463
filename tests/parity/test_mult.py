"""MulT on padded batches against its equations, clip by clip."""

import pytest

from deadpan.models import MulT

from .padded import ONE, THREE, TWO, WIDTHS, assert_parity, randomised
from .reference_models import mult


@pytest.mark.parametrize("mask_future", [True, False])
@pytest.mark.parametrize("layers", [1, 4])
@pytest.mark.parametrize("names", [THREE, TWO, ONE], ids=len)
def test_mult(names, layers, mask_future):
    widths = {m: WIDTHS[m] for m in names}
    options = {"heads": 2, "layers": layers, "mask_future": mask_future}
    model = randomised(MulT(widths=widths, outputs=2, width=8, **options))
    assert_parity(model, lambda state, clip: mult(state, clip, names, **options))
