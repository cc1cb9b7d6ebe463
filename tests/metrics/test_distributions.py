import numpy as np
import pytest

from deadpan.metrics.distributions import (
    expectation,
    probabilities,
    probability_above,
    quantile,
)

VALUES = np.array([-1.0, 0.0, 1.0])
LOGITS = np.log([[0.2, 0.5, 0.3]])


def test_by_hand():
    assert probabilities(LOGITS)[0] == pytest.approx([0.2, 0.5, 0.3])
    assert expectation(LOGITS, VALUES) == pytest.approx(0.1)
    # The bin of 0 goes from -0.5 to 0.5: half of it is above 0, a quarter above 0.25.
    assert probability_above(LOGITS, VALUES) == pytest.approx(0.3 + 0.25)
    assert probability_above(LOGITS, VALUES, 0.25) == pytest.approx(0.3 + 0.125)
    assert quantile(LOGITS, VALUES, 0.45) == pytest.approx(0.0)
    assert quantile(LOGITS, VALUES, 0.325) == pytest.approx(-0.25)
    assert quantile(LOGITS, VALUES, 0.85) == pytest.approx(1.0)


def test_the_median_has_half_of_the_probability_above_it():
    random = np.random.default_rng(0)
    logits, values = random.normal(size=(7, 2, 9)), np.stack([np.linspace(-3, 3, 9)] * 2)
    middle = quantile(logits, values, 0.5)
    assert middle.shape == (7, 2)
    for clip, label in np.ndindex(7, 2):
        own = logits[clip, label][None]
        above = probability_above(own, values[label], float(middle[clip, label]))
        assert above == pytest.approx(0.5)


def test_quantiles_rise_and_stay_within_the_values():
    logits = np.random.default_rng(1).normal(size=(20, 25)) * 4
    values = np.linspace(-3, 3, 25)
    ends = np.stack([quantile(logits, values, share) for share in (0.0, 0.05, 0.5, 0.95, 1.0)])
    assert (np.diff(ends, axis=0) >= 0).all()
    assert ends.min() >= -3
    assert ends.max() <= 3


def test_logits_of_any_size_are_taken():
    far = np.array([[-1e30, 1e30, 0.0]], np.float32)
    assert probabilities(far).tolist() == [[0, 1, 0]]
    assert expectation(far, VALUES) == 0
    assert quantile(far, VALUES, 1.0) == pytest.approx(0.5)
