"""GRUs in C are torch's GRUs, one clip at a time and without padding."""

import pytest
import torch

from deadpan.layers.native.gru import gru_scan
from deadpan.layers.native.library import library
from deadpan.layers.recurrent import MaskedGRU

pytestmark = pytest.mark.skipif(library() is None, reason="the C is not compiled here")

LENGTHS = ((9, 3, 0, 1, 7), (12, 0, 5, 20, 2))


def case(hidden):
    torch.manual_seed(0)
    grus = [torch.nn.GRU(3, hidden, batch_first=True) for _ in LENGTHS]
    sequences = [torch.randn(5, max(n) + 1, 3, requires_grad=True) for n in LENGTHS]
    masks = [
        torch.arange(x.shape[1]) < torch.tensor(n)[:, None]
        for x, n in zip(sequences, LENGTHS, strict=True)
    ]
    return grus, sequences, masks


def ours(grus, sequences, masks):
    inputs = [
        torch.nn.functional.linear(x, gru.weight_ih_l0, gru.bias_ih_l0)
        for gru, x in zip(grus, sequences, strict=True)
    ]
    weight, bias = (
        torch.stack([getattr(gru, f"{name}_hh_l0") for gru in grus]) for name in ("weight", "bias")
    )
    return gru_scan(inputs, masks, weight, bias)


def torchs(grus, sequences, masks):
    """Each clip alone."""
    result = []
    for gru, x, mask in zip(grus, sequences, masks, strict=True):
        rows = []
        for clip, n in zip(x, mask.sum(dim=1).tolist(), strict=True):
            states = gru(clip[None, :n])[0][0] if n else clip.new_zeros(0, gru.hidden_size)
            rows.append(torch.nn.functional.pad(states, (0, 0, 0, len(clip) - n)))
        result.append(torch.stack(rows))
    return result


@pytest.mark.parametrize("hidden", [5, 30, 40])
@pytest.mark.parametrize("threads", [1, 2])
def test_equals_torchs_grus_forwards_and_backwards(hidden, threads):
    grus, sequences, masks = case(hidden)
    leaves = [*sequences, *(p for gru in grus for p in gru.parameters())]

    def outcome(read):
        states = read(grus, sequences, masks)
        loss = sum((h * torch.linspace(-1, 1, h.numel()).view_as(h)).sum() for h in states)
        return states, torch.autograd.grad(loss, leaves)

    torch.set_num_threads(threads)
    try:
        actual = outcome(ours)
    finally:
        torch.set_num_threads(1)
    torch.testing.assert_close(actual, outcome(torchs), atol=1e-5, rtol=1e-4)


def test_without_gradients_the_states_are_the_same():
    arguments = case(8)
    with torch.inference_mode():
        states = ours(*arguments)
    torch.testing.assert_close(states, ours(*arguments))


def test_large_inputs_saturate_and_do_not_overflow():
    grus, sequences, masks = case(8)
    sequences[0].data *= 1e6
    torch.testing.assert_close(
        ours(grus, sequences, masks), torchs(grus, sequences, masks), atol=1e-5, rtol=1e-4
    )


def test_padding_before_a_real_step_is_refused():
    grus, sequences, masks = case(8)
    masks[1][0, 0] = False
    with pytest.raises(ValueError, match="padding must stand last: use front_aligned"):
        ours(grus, sequences, masks)


def test_clips_are_the_same_in_all_sequences():
    grus, sequences, masks = case(8)
    with pytest.raises(ValueError, match=r"got torch.bool \[4, 21\] on cpu, wanted .* \[5, 21\]"):
        ours(grus, [sequences[0], sequences[1][:4]], [masks[0], masks[1][:4]])


def test_under_autocast_torch_computes():
    reader = MaskedGRU(8, 8)
    x, mask = torch.randn(2, 4, 8), torch.ones(2, 4, dtype=torch.bool)
    with torch.autocast("cpu"):
        result = reader(x, mask)
    torch.testing.assert_close(result.float(), reader(x, mask), atol=0.05, rtol=0.05)
