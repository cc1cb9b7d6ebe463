"""RAVEN on padded batches against its equations, word by word."""

import pytest

from deadpan.models import RAVEN

from .padded import ONE, THREE, TWO, WIDTHS, assert_parity, randomised
from .reference_raven import raven


# Shifts that are never, some and all as long as their words allow.
@pytest.mark.parametrize("shift_limit", [0.0, 0.2, 0.6, 1e9])
@pytest.mark.parametrize("names", [THREE, TWO, ONE], ids=len)
def test_raven(names, shift_limit):
    widths = {m: WIDTHS[m] for m in names}
    model = RAVEN(widths=widths, outputs=2, hidden=5, frame_hidden=4, shift_limit=shift_limit)
    assert_parity(
        randomised(model),
        lambda state, clip: raven(state, clip, names, shift_limit=shift_limit, widths=widths),
        aligned=True,
    )
