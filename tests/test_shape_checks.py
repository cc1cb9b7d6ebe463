"""Shapes and types are checked in every call of ours while tests run."""

import jaxtyping
import numpy as np
import pytest
from beartype import beartype
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import Float

from deadpan.metrics.regression import mean_absolute_error

Row = Float[np.ndarray, " n"]


@jaxtyping.jaxtyped(typechecker=beartype)
def doubled(x: Row, *, cut: int = 0) -> Row:
    return 2 * x[cut:]


def test_one_axis_has_one_size_in_one_call():
    assert mean_absolute_error(np.zeros(3), np.ones(3)) == 1
    assert mean_absolute_error(np.zeros(4), np.ones(4)) == 1
    with pytest.raises(BeartypeCallHintViolation, match=r"label.*clip"):
        mean_absolute_error(np.zeros(3), np.ones(4))


def test_what_is_returned_has_the_shape_of_what_was_given():
    assert doubled(np.ones(3)).sum() == 6
    with pytest.raises(BeartypeCallHintViolation, match=r"return"):
        doubled(np.ones(3), cut=1)


@pytest.mark.parametrize("wrong", [np.zeros((3, 1)), np.zeros(3, int), [0.0, 0.0, 0.0]])
def test_dimensions_and_types_of_arrays_are_checked(wrong):
    with pytest.raises(BeartypeCallHintViolation):
        mean_absolute_error(wrong, np.zeros(3))


def test_a_call_inside_a_call_has_sizes_of_its_own():
    @jaxtyping.jaxtyped(typechecker=beartype)
    def outer(x: Row) -> Row:
        doubled(np.ones(len(x) + 1))
        return x

    assert outer(np.ones(2)).sum() == 2
