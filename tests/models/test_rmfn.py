"""What only RMFN has; the contract is in tests/contracts, the equations in tests/parity."""

import pytest
import torch

from deadpan.catalogue import PRESETS
from deadpan.models import RMFN

from ..contracts.small import aligned_clips, build, pad


@pytest.mark.parametrize(
    ("preset", "size"), [("MOSI", 359_873), ("MOSEI", 381_377), ("IEMOCAP", 381_832)]
)
def test_sizes_at_the_defaults(preset, size):
    assert RMFN.parameters_at(**PRESETS[preset]) == size


def test_highlight_reads_the_hidden_states():
    """The known bug: it is fed zeros, so that the highlights are the same for every clip."""
    model, recorded, weights = build(RMFN).eval(), [], []
    model.highlight.register_forward_pre_hook(lambda _, arguments: recorded.append(arguments[0]))
    model.attention.register_forward_hook(lambda _, __, out: weights.append(out))
    model(pad(aligned_clips(3)))
    assert all(x.any() for x in recorded)
    assert not torch.allclose(weights[1][0], weights[1][1])
    # The same states at every stage; the stages differ by the LSTM over them.
    torch.testing.assert_close(recorded[0][:, 0], recorded[0][:, -1])
    assert not torch.allclose(weights[0][:, 0], weights[0][:, 1])
