import numpy as np
import pytest

from deadpan.metrics.distributions import (
    expectation,
    probabilities,
    quantiles,
    signed_probability,
)

VALUES = np.array([-1.0, 0.0, 1.0])
LOGITS = np.log([[0.2, 0.5, 0.3]])


def test_by_hand():
    assert probabilities(LOGITS)[0] == pytest.approx([0.2, 0.5, 0.3])
    assert expectation(LOGITS, VALUES) == pytest.approx(0.1)
    # The bin of 0 goes from -0.5 to 0.5: half of it is above 0.
    assert signed_probability(LOGITS, VALUES[None])[0] == pytest.approx([0.3 + 0.25])
    # The bin of -0.25 goes from -0.75 to 0.25.
    assert signed_probability(LOGITS, VALUES[None] - 0.25)[0] == pytest.approx([0.3 + 0.125])


def test_quantiles_spread_a_bin_evenly():
    # The bins end at -1.5, -0.5, 0.5, 1.5, and 0.2, 0.7, 1 of the probability is below those ends.
    for share, label in ((0.05, -1.25), (0.2, -0.5), (0.45, 0.0), (0.85, 1.0)):
        assert quantiles(LOGITS, VALUES, share) == pytest.approx([label])
    assert quantiles(np.array([[-1e30, 1e30, 0.0]]), VALUES, 0.25).tolist() == [-0.25]


def test_only_a_label_with_values_on_both_sides_of_0_has_a_sign():
    bins = np.stack([VALUES, VALUES + 1, VALUES - 1, VALUES * 9])
    first, *others, last = signed_probability(np.tile(LOGITS, (1, 4)), bins)[0]
    assert (first, last) == pytest.approx((0.55, 0.55))
    assert np.isnan(others).all()


def test_logits_of_any_size_are_taken():
    far = np.array([[-1e30, 1e30, 0.0]], np.float32)
    assert probabilities(far).tolist() == [[0, 1, 0]]
    assert expectation(far, VALUES) == 0
    assert signed_probability(far, VALUES[None]).tolist() == [[0.5]]
