"""CIA against its equations, video by video."""

from dataclasses import replace

import numpy as np
import pytest

from deadpan.models import CIA

from .padded import ONE, THREE, TWO, WIDTHS, clips, padded, randomised
from .reference_models import cia

VIDEOS = ("u", "v", "u", "u", None)
"""Of each clip; they stand between each other's, and the last is of no known video."""


@pytest.mark.parametrize("names", [THREE, TWO, ONE], ids=len)
def test_cia(names):
    cia_model = CIA(widths={m: WIDTHS[m] for m in names}, outputs=2, hidden=3, width=4)
    model, utterances = randomised(cia_model), clips(names)
    expected, losses = cia(model.state_dict(), utterances, VIDEOS, names)
    for left in (0, 3):
        output = model(replace(padded(utterances, names, left=left), groups=VIDEOS))
        actual = output.prediction.detach().numpy()
        np.testing.assert_allclose(actual, expected, atol=1e-5, rtol=1e-5)
        assert output.losses.keys() == losses.keys()
        for name, loss in losses.items():
            np.testing.assert_allclose(output.losses[name].item(), loss, rtol=1e-6)
    assert np.ptp(expected, axis=0).min() > 1e-3
    alone, _ = cia(model.state_dict(), utterances, range(len(utterances)), names)
    assert np.abs(alone - expected).max() > 1e-3  # the neighbours do count
