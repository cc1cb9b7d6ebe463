"""HCT-MG on padded batches against the equations of the paper, clip by clip."""

import itertools

import numpy as np
import pytest
import torch

from deadpan.models import HCTMG
from deadpan.types import AUDIO, TEXT, VISION, Batch

from . import reference

WIDTHS = {TEXT: 6, AUDIO: 4, VISION: 3}
LENGTHS = {TEXT: (3, 6, 1, 4, 0), AUDIO: (8, 2, 5, 0, 0), VISION: (4, 7, 7, 2, 0)}
"""The last clip has nothing at all; the last but one no audio."""
SWITCHES = {
    "gate": ("post", "pre", "even"),
    "sharing": ("roles", "pairs"),
    "pooling": ("last", "mean", "attention"),
    "mask_future": (False, True),
    "bidirectional": (False, True),
}
EVERY_WAY = [dict(zip(SWITCHES, way, strict=True)) for way in itertools.product(*SWITCHES.values())]
THREE, TWO, ONE = (TEXT, AUDIO, VISION), (TEXT, VISION), (AUDIO,)


def clips(names):
    rng = np.random.default_rng(3)
    return [{m: rng.normal(size=(LENGTHS[m][i], WIDTHS[m])) for m in names} for i in range(5)]


def padded(all_clips, names):
    sequences, masks = {}, {}
    for m in names:
        lengths = torch.tensor([len(clip[m]) for clip in all_clips])
        steps = int(lengths.max()) + 2
        masks[m] = torch.arange(steps) < lengths[:, None]
        x = torch.full((len(all_clips), steps, WIDTHS[m]), 7.0, dtype=torch.float64)
        for row, clip in zip(x, all_clips, strict=True):
            row[: len(clip[m])] = torch.from_numpy(clip[m])
        sequences[m] = x
    ids = tuple(str(i) for i in range(len(all_clips)))
    return Batch(ids=ids, sequences=sequences, masks=masks, labels=torch.zeros(len(ids), 1))


def randomised(names, seed, **options):
    model = HCTMG(widths={m: WIDTHS[m] for m in names}, outputs=2, width=8, heads=2, **options)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.4)
    return model.double().eval()


def assert_parity(names, seed, **options):
    model = randomised(names, seed, **options)
    actual = model(padded(clips(names), names)).prediction.detach().numpy()
    state = model.state_dict()
    expected = [reference.hct_mg(state, clip, names, heads=2, **options) for clip in clips(names)]
    np.testing.assert_allclose(actual, np.stack(expected), atol=1e-5, rtol=1e-5)
    return model


# Of fewer modalities every fifth way: it has each pair of values, as the number of ways has no 5.
@pytest.mark.parametrize(
    ("names", "way"),
    [(names, way) for names, step in ((THREE, 1), (TWO, 5), (ONE, 5)) for way in EVERY_WAY[::step]],
    ids=lambda part: "-".join(map(str, part.values())) if isinstance(part, dict) else len(part),
)
def test_every_combination_of_switches(names, way):
    assert_parity(names, 0, layers=1, **way)


@pytest.mark.parametrize("way", EVERY_WAY[::5], ids=lambda way: "-".join(map(str, way.values())))
@pytest.mark.parametrize(
    ("names", "primary"), [(THREE, TEXT), (THREE, AUDIO), (THREE, VISION), (TWO, VISION)]
)
def test_fixed_primary(names, primary, way):
    assert_parity(names, 1, layers=1, primary=primary, **way)


@pytest.mark.parametrize("sharing", SWITCHES["sharing"])
@pytest.mark.parametrize("winner", range(3))
def test_whichever_the_gate_picks(winner, sharing):
    logits = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64).roll(winner + 1)
    net = randomised(THREE, 2, layers=1, sharing=sharing)
    net.gate.logits.data.copy_(logits)
    assert int(logits.argmax()) == winner
    output = net(padded(clips(THREE), THREE))
    state = net.state_dict()
    expected = [
        reference.hct_mg(state, clip, THREE, heads=2, layers=1, sharing=sharing)
        for clip in clips(THREE)
    ]
    np.testing.assert_allclose(output.prediction.detach(), np.stack(expected), atol=1e-5)
    np.testing.assert_allclose(output.gate.detach(), reference.softmax(logits.numpy()), atol=1e-6)


@pytest.mark.parametrize(("layers", "head_blocks"), [(2, 1), (4, 2)])
def test_depths(layers, head_blocks):
    net = assert_parity(THREE, 4, layers=layers, head_blocks=head_blocks)
    assert len(net.self_attention.layers) == max(layers, 3)
