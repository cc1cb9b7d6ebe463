import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.data.dataset import Clip
from deadpan.data.health.modalities import scaling
from deadpan.data.health.sampling import Sample
from deadpan.data.normalization import fit


def sample_of(*clips):
    sample = Sample(clips[0][0].shape[1])
    for steps, fitted in clips:
        sample.add(steps, fitted=fitted)
    return sample


@given(st.integers(0, 1000), st.integers(1, 40))
def test_it_scales_as_training_does(seed, width):
    random = np.random.default_rng(seed)
    train, other = (random.standard_cauchy((50, width)).astype(np.float32) for _ in range(2))
    robust = scaling(sample_of((train, True), (other, False)))
    clip = Clip(id="a", sequences={"audio": train}, label=np.zeros(1, np.float32))
    wanted = fit([clip], {"audio": width}, "robust")
    np.testing.assert_array_equal(robust.centers, wanted.centers["audio"])
    np.testing.assert_array_equal(robust.scales, wanted.scales["audio"])
    away = np.abs(np.concatenate([train, other]) - robust.centers) / robust.scales
    assert robust.cut == pytest.approx((away > 5).mean())
    assert robust.far == pytest.approx((away > 10).mean())


def test_shares_worked_by_hand():
    # Quartiles -1 and 1: the deviation is 2 / 1.349 = 1.483; 5 are 7.4, and 10 are 14.8.
    train = np.float32([-1, -1, 0, 1, 1]).reshape(-1, 1)
    other = np.float32([7, -8, 14, 15, 1e30]).reshape(-1, 1)
    robust = scaling(sample_of((train, True), (other, False)))
    assert robust.centers.tolist() == [0]
    assert robust.scales == pytest.approx([2 / 1.349])
    assert (robust.cut, robust.far) == (0.4, 0.2)


def test_without_training_steps_all_count():
    steps = np.float32([-1, -1, 0, 1, 1]).reshape(-1, 1)
    assert scaling(sample_of((steps, False))).scales == pytest.approx([2 / 1.349])
