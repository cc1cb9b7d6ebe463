"""TFN on padded batches against its equations, clip by clip."""

import pytest

from deadpan.models import TFN

from .padded import ONE, THREE, TWO, WIDTHS, assert_parity, randomised
from .reference_models import tfn


@pytest.mark.parametrize("names", [THREE, TWO, ONE], ids=len)
def test_tfn(names):
    widths = {m: WIDTHS[m] for m in names}
    model = TFN(widths=widths, outputs=2, hidden=12, text_hidden=4, text_width=3, head_width=14)
    assert_parity(randomised(model), lambda state, clip: tfn(state, clip, names))
