import numpy as np
import pytest

from deadpan.metrics.rounding import is_constant, rounded


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


def test_values_that_differ_by_rounding_become_the_same():
    values = np.array([0.3, 0.1 + 0.2, np.nextafter(np.float32(0.3), np.float32(1)), -0.6, 0.30001])
    a, b, c, d, e = rounded(values)
    assert a == b == c < e
    assert [a, d, e] == pytest.approx([0.3, -0.6, 0.30001], abs=1e-6)
    assert rounded(np.zeros(2)).tolist() == [0, 0]
    assert rounded(np.zeros(0)).tolist() == []
