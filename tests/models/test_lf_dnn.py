"""What only LF-DNN has; the contract is in tests/contracts, the equations in tests/parity."""

import pytest
import torch

from deadpan.catalogue import PRESETS
from deadpan.models import LFDNN
from deadpan.types import AUDIO, TEXT, VISION

from ..contracts.small import WIDTHS, build, gradients, pad, random_clips


@pytest.mark.parametrize(
    ("preset", "size"), [("MOSI", 154_465), ("MOSEI", 165_217), ("IEMOCAP", 165_448)]
)
def test_sizes_at_the_defaults(preset, size):
    assert LFDNN.parameters_at(**PRESETS[preset]) == size


def test_means_are_over_real_steps_alone():
    """The known bug: the mean over the padded length."""
    model, clips = build(LFDNN).eval(), random_clips(3)
    averaged = [{m: x.mean(dim=0, keepdim=True) for m, x in clip.items()} for clip in clips]
    batch = pad(clips, right=4)
    expected = model(pad(averaged)).prediction
    torch.testing.assert_close(model(batch).prediction, expected)
    for m, x in batch.sequences.items():
        batch.masks[m] = torch.ones(x.shape[:2], dtype=torch.bool)
    assert not torch.allclose(model(batch).prediction, expected, atol=1e-4)


def test_the_order_of_steps_plays_no_part():
    model, clips = build(LFDNN).eval(), random_clips(3)
    turned = [{m: x.flip(0) for m, x in clip.items()} for clip in clips]
    torch.testing.assert_close(model(pad(clips)).prediction, model(pad(turned)).prediction)


@pytest.mark.parametrize("missing", [TEXT, AUDIO, VISION])
def test_a_missing_modality_is_a_zero_vector(missing):
    model, clips = build(LFDNN).eval(), random_clips(2)
    for clip in clips:
        del clip[missing]
    recorded = []
    model.head.register_forward_pre_hook(lambda _, arguments: recorded.append(arguments[0]))
    result = gradients(model, pad(clips))
    parts = dict(zip(WIDTHS, recorded[0].chunk(3, dim=1), strict=True))
    assert [m for m, part in parts.items() if not part.any()] == [missing]
    assert not any(grad.any() for name, grad in result.items() if f"subnets.{missing}." in name)


def test_both_dropouts_act():
    batch = pad(random_clips(3))
    for name in ("subnet_dropout", "fusion_dropout"):
        rates = {"subnet_dropout": 0.0, "fusion_dropout": 0.0, name: 0.5}
        model = build(LFDNN, **rates)
        assert not torch.equal(model(batch).prediction, model(batch).prediction)


def test_any_number_of_modalities():
    model = build(LFDNN, widths=WIDTHS | {"eeg": 2})
    assert model.head.layers[0].in_features == 4 * 8
    assert len(model.head.layers) == 3
