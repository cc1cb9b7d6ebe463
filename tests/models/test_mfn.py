"""What only MFN has; the contract is in tests/contracts, the equations in tests/parity."""

import pytest
import torch

from deadpan.catalogue import PRESETS
from deadpan.models import MFN

from ..contracts.small import aligned_clips, build, pad


@pytest.mark.parametrize(
    ("preset", "size"), [("MOSI", 293_825), ("MOSEI", 315_329), ("IEMOCAP", 315_784)]
)
def test_sizes_at_the_defaults(preset, size):
    assert MFN.parameters_at(**PRESETS[preset]) == size


def test_the_attention_sees_the_memories_before_and_after_a_step():
    model, clips, recorded = build(MFN, hidden=8).eval(), aligned_clips(1), []
    model.attention.register_forward_pre_hook(lambda _, arguments: recorded.append(arguments[0]))
    model(pad(clips))
    # Of each of three modalities [c(t-1); c(t)].
    before, after = recorded[0][0].view(-1, 3, 2, 8).unbind(dim=2)
    assert not before[0].any()
    torch.testing.assert_close(before[1:], after[:-1])
    assert after.any(dim=2).all()
