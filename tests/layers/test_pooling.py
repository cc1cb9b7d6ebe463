import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deadpan.layers.pooling import Pool, front_aligned, last_step, mean_step

rows = st.integers(1, 8).flatmap(
    lambda steps: st.lists(
        st.lists(st.booleans(), min_size=steps, max_size=steps), min_size=1, max_size=4
    )
)


@given(rows)
def test_real_steps_keep_their_order_and_nothing_else_is_left(pattern):
    mask = torch.tensor(pattern)
    x = torch.arange(mask.numel() * 2, dtype=torch.float32).view(*mask.shape, 2) + 1
    actual, aligned = front_aligned(x.masked_fill(~mask[:, :, None], float("nan")), mask)
    assert actual.shape[1] == max(1, int(mask.sum(dim=1).max()))
    for row, real, result, left in zip(x, mask, actual, aligned, strict=True):
        count = int(real.sum())
        torch.testing.assert_close(result[:count], row[real])
        assert left.tolist() == [True] * count + [False] * (len(left) - count)
        assert not result[count:].any()


@pytest.mark.parametrize("side", ["left", "right", "middle"])
@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), 1e30])
def test_garbage_in_padding_gets_and_gives_no_gradient(side, garbage):
    real = {"left": [0, 0, 1, 1], "right": [1, 1, 0, 0], "middle": [1, 0, 0, 1]}[side]
    mask = torch.tensor([real], dtype=torch.bool)
    x = torch.ones(1, 4, 2).masked_fill(~mask[:, :, None], garbage).requires_grad_()
    front_aligned(x, mask)[0].square().sum().backward()
    assert x.grad.tolist() == [[[2.0 * step] * 2 for step in real]]


def test_a_sequence_of_no_steps_becomes_one_padded_step():
    x, mask = front_aligned(torch.ones(2, 0, 3), torch.ones(2, 0, dtype=torch.bool))
    assert (x.shape, mask.tolist()) == ((2, 1, 3), [[False], [False]])
    assert not x.any()


X = torch.tensor([[[1.0, 10], [2, 20], [6, 60]]]).expand(3, 3, 2)
MASK = torch.tensor([[True, True, True], [True, True, False], [False, False, False]])


def test_last_step_is_the_last_real_one():
    assert last_step(X, MASK).tolist() == [[6, 60], [2, 20], [0, 0]]


def test_mean_step_is_over_real_ones():
    assert mean_step(X, MASK).tolist() == [[3, 30], [1.5, 15], [0, 0]]


@pytest.mark.parametrize(("pooling", "function"), [("last", last_step), ("mean", mean_step)])
def test_a_pool_without_parameters_is_its_function(pooling, function):
    pool = Pool(2, pooling)
    assert not list(pool.state_dict())
    assert torch.equal(pool(X, MASK), function(X, MASK))


def test_attention_starts_as_the_mean():
    torch.testing.assert_close(Pool(2, "attention")(X, MASK), mean_step(X, MASK))


def test_attention_by_hand():
    pool = Pool(4, "attention")
    pool.query.data = torch.tensor([2.0, 0, 0, 0])  # a score is the first channel: 2 / sqrt(4)
    x = torch.tensor([[[0.0, 1, 0, 0], [math.log(3.0), 5, 0, 0], [50, 9, 0, 0]]]).expand(2, 3, 4)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    torch.testing.assert_close(pool.weights(x, mask), torch.tensor([[0.25, 0.75, 0], [0, 0, 0]]))
    torch.testing.assert_close(pool(x, mask)[:, 1], torch.tensor([0.25 + 3.75, 0]))


def test_attention_to_nothing_gives_finite_gradients():
    pool, x = Pool(2, "attention"), X.clone().requires_grad_()
    pool.query.data.fill_(3.0)
    pool(x, MASK).square().sum().backward()
    assert x.grad.isfinite().all()
    assert pool.query.grad.isfinite().all()
    assert not x.grad[2].any()
