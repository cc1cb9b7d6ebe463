import math

import pytest
import torch

from deadpan.layers.gating import ModalityGate, converged


def gate_with(*logits):
    gate = ModalityGate(len(logits))
    gate.logits.data.copy_(torch.tensor(logits))
    return gate


def test_starts_even_and_ties_go_to_the_first():
    weights, primary = ModalityGate(3)()
    assert primary == 0
    torch.testing.assert_close(weights, torch.full((3,), 1 / 3))


@pytest.mark.parametrize(
    ("logits", "primary"), [((0.0, 1.0, 1.0), 1), ((2.0, 1.0, 2.0), 0), ((-1.0, -2.0, 0.0), 2)]
)
def test_the_heaviest_is_primary_and_the_lowest_index_of_a_tie(logits, primary):
    assert gate_with(*logits)()[1] == primary


def test_weights_are_the_softmax():
    weights, _ = gate_with(0.0, math.log(2), math.log(5))()
    torch.testing.assert_close(weights, torch.tensor([1 / 8, 2 / 8, 5 / 8]))


def test_a_frozen_gate_weighs_the_same_and_receives_no_gradient():
    gate = gate_with(0.1, 0.5)
    before, primary = gate()
    assert before.requires_grad
    gate.freeze()
    after, again = gate()
    assert (after.requires_grad, again) == (False, primary)
    torch.testing.assert_close(after, before)
    assert gate.state_dict()["frozen"]


A, B = [0.5, 0.3, 0.2], [0.3, 0.5, 0.2]


@pytest.mark.parametrize(
    ("means", "wanted"),
    [
        ([A] * 5, False),  # four epochs before it, not five
        ([A] * 6, True),
        ([B] + [A] * 6, True),
        ([B] + [A] * 5, False),  # the fifth epoch before had another primary
        ([A] * 3 + [B] + [A] * 5, False),
        ([A] * 3 + [B] + [A] * 6, True),
        ([A] * 5 + [B], False),  # flips now
        ([A] * 5 + [[0.509, 0.294, 0.197]], True),  # moved by 0.009
        ([A] * 5 + [[0.512, 0.294, 0.194]], False),  # moved by 0.012
        ([A] * 5 + [[0.505, 0.284, 0.211]], False),  # one that is not primary moved
        ([[0.9, 0.05, 0.05]] * 5 + [A], False),
        ([[0.9, 0.05, 0.05]] * 4 + [A, A], True),  # only the last move counts
        ([], False),
    ],
)
def test_converged(means, wanted):
    assert converged(torch.tensor(means).view(len(means), 3)) is wanted
