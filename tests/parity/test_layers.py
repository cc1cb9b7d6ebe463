"""Layers on padded batches against slow references that see one unpadded clip at a time."""

import numpy as np
import pytest
import torch

from deadpan.layers.attention import Attention
from deadpan.layers.mlp import ResidualHead
from deadpan.layers.recurrent import MaskedGRU
from deadpan.layers.transformer import Encoder, sinusoidal_positions

from . import reference
from .reference import Weights

LENGTHS, SOURCE_LENGTHS = (5, 2, 7, 1), (3, 8, 0, 6)


TYPES = [torch.float64, torch.float32]  # torch's kernels and, where it is compiled, our C


def randomised(module, dtype=torch.float64):
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.5)
    return module.to(dtype).eval()


def sequences(lengths, width, seed=0, dtype=torch.float64):
    """[clip, longest + 2, width] whose padding is noise, and its mask."""
    generator = torch.Generator().manual_seed(seed)
    steps = max(lengths) + 2
    x = torch.randn(len(lengths), steps, width, generator=generator, dtype=torch.float64)
    return x.to(dtype), torch.arange(steps) < torch.tensor(lengths)[:, None]


def assert_same(actual, expected):
    error = 1e-5 if actual.dtype == torch.float64 else 2e-5
    np.testing.assert_allclose(actual.detach().numpy(), expected, atol=error, rtol=1e-5)


# Angles are float32: at step 500 they are exact to 3e-5.
@pytest.mark.parametrize(
    ("steps", "width", "error"), [(1, 4, 1e-6), (9, 4, 1e-6), (30, 7, 1e-5), (500, 80, 1e-4)]
)
def test_positions(steps, width, error):
    actual = sinusoidal_positions(steps, width, torch.zeros(1))
    np.testing.assert_allclose(actual, reference.positions(steps, width), atol=error)


@pytest.mark.parametrize("mask_future", [False, True])
@pytest.mark.parametrize("heads", [1, 4])
def test_attention(heads, mask_future):
    layer = randomised(Attention(8, heads))
    x, mask = sequences(LENGTHS, 8)
    source, source_mask = sequences(SOURCE_LENGTHS, 8, seed=1)
    actual = layer(x, mask, source, source_mask, mask_future=mask_future)
    w = Weights(layer.state_dict())
    for i, (n, m) in enumerate(zip(LENGTHS, SOURCE_LENGTHS, strict=True)):
        clip, other = x[i, :n].numpy(), source[i, :m].numpy()
        assert_same(actual[i, :n], reference.attention(w, heads, clip, other, mask_future))


@pytest.mark.parametrize("mask_future", [False, True])
@pytest.mark.parametrize("crossmodal", [False, True])
@pytest.mark.parametrize("dtype", TYPES)
def test_encoder(crossmodal, mask_future, dtype):
    layer = randomised(Encoder(8, 2, 2, mask_future=mask_future), dtype)
    x, mask = sequences(LENGTHS, 8, dtype=dtype)
    source, source_mask = sequences(SOURCE_LENGTHS, 8, seed=1, dtype=dtype)
    actual = layer(x, mask, source, source_mask) if crossmodal else layer(x, mask)
    w = Weights(layer.state_dict())
    for i, (n, m) in enumerate(zip(LENGTHS, SOURCE_LENGTHS, strict=True)):
        other = source[i, :m].numpy() if crossmodal else None
        clip = x[i, :n].numpy()
        assert_same(actual[i, :n], reference.encoder(w, 2, 2, clip, other, mask_future))
        assert not actual[i, n:].any()


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("dtype", TYPES)
def test_gru(bidirectional, dtype):
    lengths = (5, 2, 0, 7)
    layer = randomised(MaskedGRU(3, 6, bidirectional=bidirectional), dtype)
    x, mask = sequences(lengths, 3, dtype=dtype)
    actual = layer(x, mask)
    w = Weights(layer.gru.state_dict())
    read = reference.both_ways if bidirectional else reference.gru
    for i, n in enumerate(lengths):
        assert_same(actual[i, :n], read(w, x[i, :n].numpy()))
        assert not actual[i, n:].any()


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_head(blocks):
    layer = randomised(ResidualHead(6, 2, blocks=blocks))
    z = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    w = Weights(layer.state_dict())
    assert_same(layer(z), np.stack([reference.head(w, blocks, row.numpy()) for row in z]))
