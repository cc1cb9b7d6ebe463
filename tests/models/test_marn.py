"""What only MARN has; the contract is in tests/contracts, the equations in tests/parity."""

import pytest
import torch

from deadpan.catalogue import PRESETS
from deadpan.models import MARN

from ..contracts.small import aligned_clips, build, pad


@pytest.mark.parametrize(
    ("preset", "size"), [("MOSI", 429_217), ("MOSEI", 450_721), ("IEMOCAP", 451_176)]
)
def test_sizes_at_the_defaults(preset, size):
    assert MARN.parameters_at(**PRESETS[preset]) == size


def test_each_attention_has_a_softmax_of_its_own():
    """The known bug: one softmax over all attentions, which then compete."""
    model = build(MARN, attentions=3).eval()
    h, recorded = torch.ones(2, 24), []
    for net in model.reductions.values():
        net.register_forward_pre_hook(lambda _, arguments: recorded.append(arguments[0]))
    model._fuse(h)
    # Weighted states of 1 are the weights themselves: 1 for each attention, 3 together.
    torch.testing.assert_close(sum(part.sum(dim=1) for part in recorded), torch.full((2,), 3.0))


def test_what_the_attentions_saw_reaches_the_next_step():
    model, clips = build(MARN).eval(), aligned_clips(1)
    plain = model(pad(clips)).prediction
    with torch.no_grad():
        model.cells.context.weight.zero_()
    assert not torch.allclose(model(pad(clips)).prediction, plain)
