"""What only LMF has; the contract is in tests/contracts, the equations in tests/parity."""

import math

import pytest
import torch

from deadpan.catalogue import PRESETS
from deadpan.models import LMF
from deadpan.training.run import make_optimizer
from deadpan.types import AUDIO, TEXT, VISION

from ..contracts.small import WIDTHS, build, gradients, pad, random_clips


@pytest.mark.parametrize(
    ("preset", "size"), [("MOSI", 234_033), ("MOSEI", 236_721), ("IEMOCAP", 240_396)]
)
def test_sizes_at_the_defaults(preset, size):
    assert LMF.parameters_at(**PRESETS[preset]) == size


@pytest.mark.parametrize("rank", [1, 2, 6])
def test_every_term_of_the_rank_is_a_parameter_that_learns(rank):
    """The known bug: factors and fusion weights of the model that its optimizer never saw."""
    model, batch = build(LMF, rank=rank, outputs=2), pad(random_clips(4))
    parameters = {name: p.clone() for name, p in model.named_parameters() if "fusion" in name}
    shapes = {name: tuple(p.shape) for name, p in parameters.items()}
    assert shapes == {
        "fusion.weights": (rank,),
        "fusion.bias": (2,),
        **{f"fusion.factors.{i}": (rank, 9, 2) for i in range(3)},
    }
    optimizer = make_optimizer(model, learning_rate=0.1, gate_learning_rate=None, weight_decay=0.0)
    model(batch).prediction.square().sum().backward()
    optimizer.step()
    moved = dict(model.named_parameters())
    for name, before in parameters.items():
        # Each term of the sum, not just some.
        assert (moved[name] != before).reshape(len(before), -1).any(dim=1).all(), name


def test_the_fusion_weights_scale_their_own_term():
    model, batch = build(LMF, rank=3).eval(), pad(random_clips(3))
    with torch.no_grad():
        model.fusion.weights.zero_()
    torch.testing.assert_close(model(batch).prediction, model.fusion.bias.expand(3, 1))
    parts = []
    for r in range(3):
        with torch.no_grad():
            model.fusion.weights.zero_()[r] = 1.0
        parts.append(model(batch).prediction)
    with torch.no_grad():
        model.fusion.weights.copy_(torch.tensor([2.0, -1.0, 0.5]))
    expected = 2 * parts[0] - parts[1] + 0.5 * parts[2]
    torch.testing.assert_close(model(batch).prediction, expected)


def test_means_are_over_real_steps_alone():
    """The known bug: the mean over the padded length."""
    model, clips = build(LMF).eval(), random_clips(3)
    batch = pad(clips, right=4)
    recorded = {}
    for m in (AUDIO, VISION):
        model.subnets[m].mlp.register_forward_pre_hook(
            lambda _, arguments, m=m: recorded.__setitem__(m, arguments[0])
        )
    model(batch)
    for m in (AUDIO, VISION):
        torch.testing.assert_close(
            recorded[m], torch.stack([clip[m].mean(dim=0) for clip in clips])
        )
        assert not torch.allclose(recorded[m], batch.sequences[m].mean(dim=1))


def test_text_is_read_to_its_last_real_step():
    model, clips = build(LMF).eval(), random_clips(3)
    subnet, recorded = model.subnets[TEXT], []
    subnet.output.register_forward_pre_hook(lambda _, arguments: recorded.append(arguments[0]))
    model(pad(clips, left=2, right=3, garbage=math.nan))
    expected = [subnet.recurrent.lstm(clip[TEXT])[0][-1] for clip in clips]
    torch.testing.assert_close(recorded[0], torch.stack(expected))


@pytest.mark.parametrize("missing", WIDTHS)
def test_a_missing_modality_leaves_the_products_of_the_others(missing):
    model, clips = build(LMF).eval(), random_clips(2)
    for clip in clips:
        del clip[missing]
    result = gradients(model, pad(clips))
    i = list(WIDTHS).index(missing)
    # Of its factors only the row that multiplies the 1 takes part.
    assert result[f"fusion.factors.{i}"][:, 0].all()
    assert not result[f"fusion.factors.{i}"][:, 1:].any()
    assert not any(grad.any() for name, grad in result.items() if f"subnets.{missing}." in name)


@pytest.mark.parametrize("names", [(TEXT,), (AUDIO, VISION), (TEXT, AUDIO, VISION, "eeg")])
def test_any_number_of_modalities(names):
    model = build(LMF, widths=dict.fromkeys(names, 3))
    assert len(model.fusion.factors) == len(names)
    assert [name for name, net in model.subnets.items() if hasattr(net, "recurrent")] == [
        name for name in names if name == TEXT
    ]
