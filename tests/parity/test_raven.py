"""RAVEN on padded batches against its equations, word by word."""

import pytest

from deadpan.models import RAVEN

from .padded import ONE, THREE, TWO, WIDTHS, assert_parity, randomised
from .reference_raven import raven


# Shifts that are never, some and all as long as their words allow; the code's grow with the limit.
@pytest.mark.parametrize(
    ("formula", "shift_limit"),
    [("paper", 0.0), ("paper", 0.2), ("paper", 0.6), ("paper", 1e9), ("code", 0.2), ("code", 3.0)],
)
@pytest.mark.parametrize("names", [THREE, TWO, ONE], ids=len)
def test_raven(names, formula, shift_limit):
    widths = {m: WIDTHS[m] for m in names}
    options = {"shift_limit": shift_limit, "formula": formula}
    model = RAVEN(widths=widths, outputs=2, hidden=5, frame_hidden=4, **options)
    assert_parity(
        randomised(model),
        lambda state, clip: raven(state, clip, names, widths=widths, **options),
        aligned=True,
    )
