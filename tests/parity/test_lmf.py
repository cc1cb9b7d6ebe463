"""LMF on padded batches against the whole outer product, clip by clip."""

import pytest

from deadpan.models import LMF

from .padded import ONE, THREE, TWO, WIDTHS, assert_parity, randomised
from .reference_models import lmf


@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("names", [THREE, TWO, ONE], ids=len)
def test_lmf(names, rank):
    widths = {m: WIDTHS[m] for m in names}
    model = LMF(widths=widths, outputs=2, hidden=12, text_hidden=4, text_width=3, rank=rank)
    assert_parity(randomised(model), lambda state, clip: lmf(state, clip, names, rank=rank))
