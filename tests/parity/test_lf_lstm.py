"""LF-LSTM on padded batches against its equations, clip by clip."""

import pytest

from deadpan.models import LFLSTM

from .padded import ONE, THREE, TWO, WIDTHS, assert_parity, randomised
from .reference_models import lf_lstm


@pytest.mark.parametrize("names", [THREE, TWO, ONE], ids=len)
def test_lf_lstm(names):
    widths = {m: WIDTHS[m] for m in names}
    model = randomised(LFLSTM(widths=widths, outputs=2, hidden=5, head_width=4))
    assert_parity(model, lambda state, clip: lf_lstm(state, clip, names))
