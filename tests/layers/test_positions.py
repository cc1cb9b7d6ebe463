import math

import pytest
import torch

from deadpan.layers.positions import sinusoidal_positions


def test_counts_from_one_with_sines_first():
    got = sinusoidal_positions(2, 4, torch.zeros(1))
    wanted = [
        [math.sin(1), math.sin(1e-4), math.cos(1), math.cos(1e-4)],
        [math.sin(2), math.sin(2e-4), math.cos(2), math.cos(2e-4)],
    ]
    torch.testing.assert_close(got, torch.tensor(wanted))


def test_an_odd_last_channel_is_zero():
    got = sinusoidal_positions(3, 5, torch.zeros(1))
    torch.testing.assert_close(got[:, :4], sinusoidal_positions(3, 4, torch.zeros(1)))
    assert not got[:, 4].any()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_takes_the_type_it_is_added_to(dtype):
    assert sinusoidal_positions(3, 4, torch.zeros(1, dtype=dtype)).dtype == dtype
