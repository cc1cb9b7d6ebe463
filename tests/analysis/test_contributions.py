import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deadpan.analysis.contributions import contributions, shapley_values, subset_outputs
from deadpan.data.dataset import Clip
from deadpan.models import HCTMG, MODELS
from deadpan.training.evaluation import predict_clips
from deadpan.types import AUDIO, TEXT, VISION, Output

from ..contracts.small import WIDTHS, build, choices, clips_for


def clips_of(kind, options, count=5):
    return [
        Clip(
            id=str(i),
            sequences={name: x.numpy() for name, x in sequences.items()},
            label=np.zeros(1, dtype=np.float32),
        )
        for i, sequences in enumerate(clips_for(kind, options, count))
    ]


@pytest.mark.parametrize("kind", MODELS.values(), ids=lambda kind: kind.__name__)
def test_every_model_answers_every_subset_as_if_clips_lacked_the_rest(kind):
    options = choices(kind)[0]
    model, clips = build(kind, **options), clips_of(kind, options)
    outputs = subset_outputs(model, clips)
    assert [len(which) for which in outputs] == [0, 1, 1, 1, 2, 2, 2, 3]
    assert list(outputs)[1:4] == [frozenset([name]) for name in (TEXT, AUDIO, VISION)]
    np.testing.assert_allclose(
        outputs[frozenset(WIDTHS)], predict_clips(model, clips, model.widths), atol=1e-6
    )
    for which in outputs:
        poorer = [
            Clip(
                id=clip.id,
                sequences={name: x for name, x in clip.sequences.items() if name in which},
                label=clip.label,
            )
            for clip in clips
        ]
        again = predict_clips(model, poorer, model.widths)
        np.testing.assert_allclose(outputs[which], again, atol=1e-5)
    nothing = outputs[frozenset()]
    np.testing.assert_allclose(nothing, np.repeat(nothing[:1], len(clips), axis=0), atol=1e-6)


class Sums(HCTMG):
    """Predicts a weighted sum of the modalities' first features."""

    def forward(self, batch):
        parts = [
            weight * (x[:, :, 0] * mask).sum(dim=1)
            for weight, (x, mask) in zip((2.0, -1.0, 0.0), self.inputs(batch).values(), strict=True)
        ]
        return Output(prediction=torch.stack(parts).sum(dim=0)[:, None])


def test_what_adds_up_contributes_what_it_adds():
    clips = clips_of(HCTMG, {})
    model = Sums(widths=WIDTHS, outputs=1, width=8, heads=2, layers=1)
    found = contributions(subset_outputs(model, clips))
    for name, weight in ((TEXT, 2.0), (AUDIO, -1.0), (VISION, 0.0)):
        added = np.array([[weight * clip.sequences[name][:, 0].sum()] for clip in clips])
        np.testing.assert_allclose(found[name], added, atol=1e-5)


def test_contributions_add_up_to_the_output():
    model, clips = build(HCTMG, outputs=3), clips_of(HCTMG, {})
    outputs = subset_outputs(model, clips)
    whole = outputs[frozenset(WIDTHS)] - outputs[frozenset()]
    np.testing.assert_allclose(sum(contributions(outputs).values()), whole, atol=1e-6)


def test_a_model_of_two_modalities_has_four_subsets():
    widths = {name: WIDTHS[name] for name in (AUDIO, VISION)}
    outputs = subset_outputs(build(HCTMG, widths=widths), clips_of(HCTMG, {}))
    assert set(outputs) == {
        frozenset(which) for n in range(3) for which in itertools.combinations(widths, n)
    }


def subsets(players):
    sizes = range(len(players) + 1)
    return [frozenset(c) for size in sizes for c in itertools.combinations(players, size)]


def by_orders(values, players):
    """The definition: what each adds as it joins, over every order of joining."""
    shares = dict.fromkeys(players, 0.0)
    orders = list(itertools.permutations(players))
    for order in orders:
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            shares[player] += (values[before | {player}] - values[before]) / len(orders)
    return shares


games = st.integers(1, 4).flatmap(
    lambda n: st.lists(st.floats(-5, 5), min_size=2**n, max_size=2**n)
)


@given(games)
def test_shares_are_means_over_orders_and_add_up(numbers):
    players = "abcd"[: len(numbers).bit_length() - 1]
    values = {which: np.array(x) for which, x in zip(subsets(players), numbers, strict=True)}
    result = shapley_values(values)
    assert result == pytest.approx(by_orders(values, players), abs=1e-9)
    whole = values[frozenset(players)] - values[frozenset()]
    assert sum(result.values()) == pytest.approx(whole, abs=1e-9)


def test_by_hand_for_many_clips_at_once():
    # a brings 6 alone, b brings 2, together 10: the 2 that come of both are halved.
    values = {"": (0, 1), "a": (6, 1), "b": (2, 1), "ab": (10, 1)}
    result = shapley_values({frozenset(k): np.array(v, float) for k, v in values.items()})
    np.testing.assert_allclose(result["a"], [7, 0])
    np.testing.assert_allclose(result["b"], [3, 0])


def test_equal_players_get_the_same_and_a_useless_one_nothing():
    # The value counts a and b together, squared; c changes nothing.
    values = {w: np.array(float(len(w - {"c"}) ** 2)) for w in subsets("abc")}
    result = shapley_values(values)
    assert result["a"] == result["b"] == 2
    assert result["c"] == 0


def test_a_subset_without_a_value_is_refused():
    with pytest.raises(KeyError):
        shapley_values({frozenset(): np.zeros(1), frozenset("ab"): np.ones(1)})
