import numpy as np
import pytest

from deadpan.metrics.rounding import is_constant


@pytest.mark.parametrize(
    ("values", "constant"),
    [
        ([], True),
        ([2.5], True),
        ([0, 0], True),
        ([0.3, np.nextafter(np.float32(0.3), np.float32(1))], True),
        ([0.1 + 0.2, 0.3], True),
        ([-1e-200, -1.000001e-200], True),
        ([0, 1e-30], False),
        ([1, 1.00001], False),
        ([-1, 1], False),
        ([0, np.inf], False),
        ([-np.inf, np.inf], False),
        ([np.inf, np.inf], True),
    ],
)
def test_a_difference_of_rounding_is_none(values, constant):
    assert is_constant(np.array(values, float)) is constant
