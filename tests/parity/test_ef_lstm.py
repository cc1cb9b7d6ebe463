"""EF-LSTM on padded batches against its equations, clip by clip."""

import numpy as np
import pytest

from deadpan.models import EFLSTM

from .padded import ONE, THREE, TWO, WIDTHS, assert_parity, randomised
from .reference import Weights
from .reference_models import last_state, mlp


def ef_lstm(state, clip, names):
    w, steps = Weights(state), max(len(clip[m]) for m in names)
    x = {m: clip[m] if len(clip[m]) else np.zeros((steps, WIDTHS[m])) for m in names}
    joined = np.concatenate([x[m] for m in names], axis=1)
    return mlp(w["head"], 2, last_state(w["recurrent"]["lstm"], joined))


@pytest.mark.parametrize("names", [THREE, TWO, ONE], ids=len)
def test_ef_lstm(names):
    widths = {m: WIDTHS[m] for m in names}
    model = randomised(EFLSTM(widths=widths, outputs=2, hidden=5, head_width=4))
    assert_parity(model, lambda state, clip: ef_lstm(state, clip, names), aligned=True)
