import itertools

import numpy as np
import pytest
import torch

from deadpan.analysis.contributions import contributions, subset_outputs
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
