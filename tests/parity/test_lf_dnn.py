"""LF-DNN on padded batches against its equations, clip by clip."""

import pytest

from deadpan.models import LFDNN

from .padded import ONE, THREE, TWO, WIDTHS, assert_parity, randomised
from .reference_models import lf_dnn


@pytest.mark.parametrize("names", [THREE, TWO, ONE], ids=len)
def test_lf_dnn(names):
    widths = {m: WIDTHS[m] for m in names}
    model = randomised(LFDNN(widths=widths, outputs=2, hidden=12, head_width=14))
    assert_parity(model, lambda state, clip: lf_dnn(state, clip, names))
