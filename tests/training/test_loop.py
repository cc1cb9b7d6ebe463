import itertools

import torch

from deadpan.training.loop import seed_everything


def draw(*parts):
    seed_everything(*parts)
    return torch.rand(2).tolist()


def test_the_same_parts_draw_the_same():
    assert draw(1, 2, 3) == draw(1, 2, 3)


def test_any_part_changes_every_draw():
    parts = [*itertools.product(range(4), repeat=3), *itertools.product(range(4), repeat=2), (0,)]
    assert len({tuple(draw(*each)) for each in parts}) == len(parts)


def test_seeds_of_any_size_are_taken():
    assert draw(2**62, 2**62) != draw(2**62, 2**62 + 1)
