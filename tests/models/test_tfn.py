"""What only TFN has; the contract is in tests/contracts, the equations in tests/parity."""

import math

import pytest
import torch

from deadpan.catalogue import PRESETS
from deadpan.errors import DeadpanError
from deadpan.models import TFN
from deadpan.types import AUDIO, TEXT, VISION

from ..contracts.small import WIDTHS, build, gradients, pad, random_clips


@pytest.mark.parametrize(
    ("preset", "size"), [("MOSI", 18_240_097), ("MOSEI", 18_242_785), ("IEMOCAP", 18_243_688)]
)
def test_sizes_at_the_defaults(preset, size):
    assert TFN.parameters_at(**PRESETS[preset]) == size


def seen_by(module, model, batch):
    """What a part of the model is given."""
    recorded = []
    handle = module.register_forward_pre_hook(lambda _, arguments: recorded.append(arguments[0]))
    model(batch)
    handle.remove()
    return recorded[0]


def vectors_of(model, clips):
    """The vector of each modality from torch's own parts, one unpadded clip at a time."""
    text, result = model.subnets[TEXT], {}
    result[TEXT] = [text.output(text.recurrent.lstm(clip[TEXT])[0][-1]) for clip in clips]
    for m in (AUDIO, VISION):
        result[m] = [model.subnets[m].mlp(clip[m].mean(dim=0)[None])[0].relu() for clip in clips]
    return {m: torch.stack(rows) for m, rows in result.items()}


def test_the_tensor_holds_every_vector_and_every_product():
    model, clips = build(TFN).eval(), random_clips(4)
    batch = pad(clips, left=2, right=3, garbage=math.nan)
    tensor = seen_by(model.head, model, batch).reshape(4, 9, 9, 9)
    t, a, v = vectors_of(model, clips).values()
    assert torch.equal(tensor[:, 0, 0, 0], torch.ones(4))
    torch.testing.assert_close(tensor[:, 1:, 0, 0], t)
    torch.testing.assert_close(tensor[:, 0, 1:, 0], a)
    torch.testing.assert_close(tensor[:, 0, 0, 1:], v)
    torch.testing.assert_close(tensor[:, 1:, 1:, 0], torch.einsum("ci,cj->cij", t, a))
    torch.testing.assert_close(tensor[:, 1:, 0, 1:], torch.einsum("ci,ck->cik", t, v))
    torch.testing.assert_close(tensor[:, 0, 1:, 1:], torch.einsum("cj,ck->cjk", a, v))
    torch.testing.assert_close(tensor[:, 1:, 1:, 1:], torch.einsum("ci,cj,ck->cijk", t, a, v))


@pytest.mark.parametrize("m", [AUDIO, VISION])
def test_means_are_over_real_steps_alone(m):
    """The known bug: the mean over the padded length."""
    model, clips = build(TFN).eval(), random_clips(3)
    batch = pad(clips, right=4)
    mean = seen_by(model.subnets[m].mlp, model, batch)
    torch.testing.assert_close(mean, torch.stack([clip[m].mean(dim=0) for clip in clips]))
    assert not torch.allclose(mean, batch.sequences[m].mean(dim=1))


@pytest.mark.parametrize("missing", WIDTHS)
def test_a_missing_modality_leaves_the_products_of_the_others(missing):
    model, clips = build(TFN).eval(), random_clips(2)
    for clip in clips:
        del clip[missing]
    batch = pad(clips)
    tensor = seen_by(model.head, model, batch).reshape(2, 9, 9, 9)
    missing_first = tensor.movedim(1 + list(WIDTHS).index(missing), 1)
    assert missing_first[:, 0].any()
    assert not missing_first[:, 1:].any()
    result = gradients(model, batch)
    assert not any(grad.any() for name, grad in result.items() if f"subnets.{missing}." in name)


@pytest.mark.parametrize(
    ("names", "size"), [((TEXT,), 4), ((AUDIO, VISION), 81), ((TEXT, AUDIO, VISION), 324)]
)
def test_the_tensor_has_an_index_per_modality(names, size):
    model = build(TFN, widths=dict.fromkeys(names, 2), text_width=3)
    assert model.head.layers[0].in_features == size
    assert len(model.head.layers) == 3


def test_more_than_three_modalities_are_refused():
    with pytest.raises(DeadpanError, match="got 4 .text, audio, vision, eeg.; name up to 3"):
        build(TFN, widths=WIDTHS | {"eeg": 2})


def test_both_dropouts_act():
    batch = pad(random_clips(3))
    for name in ("subnet_dropout", "fusion_dropout"):
        rates = {"subnet_dropout": 0.0, "fusion_dropout": 0.0, name: 0.5}
        model = build(TFN, **rates)
        assert not torch.equal(model(batch).prediction, model(batch).prediction)
