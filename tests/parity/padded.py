"""Clips of several lengths, some without a modality, for models against their equations."""

import numpy as np
import torch

from deadpan.types import AUDIO, TEXT, VISION, Batch

WIDTHS = {TEXT: 6, AUDIO: 4, VISION: 3}
LENGTHS = {TEXT: (3, 6, 1, 4, 0), AUDIO: (8, 2, 5, 0, 0), VISION: (4, 7, 7, 2, 0)}
"""The last clip has nothing at all; the last but one no audio."""
ALIGNED = {TEXT: (3, 6, 1, 4, 0), AUDIO: (3, 6, 1, 0, 0), VISION: (3, 6, 1, 4, 0)}
"""The same, of as many steps in each modality that the clip has."""
THREE, TWO, ONE = (TEXT, AUDIO, VISION), (TEXT, VISION), (AUDIO,)


def clips(names, *, aligned=False):
    rng, lengths = np.random.default_rng(3), ALIGNED if aligned else LENGTHS
    return [{m: rng.normal(size=(lengths[m][i], WIDTHS[m])) for m in names} for i in range(5)]


def padded(all_clips, names, *, left=0):
    """A batch in float64 whose padding, ``left`` steps before and two after, is sevens."""
    sequences, masks = {}, {}
    for m in names:
        lengths = torch.tensor([len(clip[m]) for clip in all_clips])[:, None]
        place = torch.arange(left + int(lengths.max()) + 2)
        masks[m] = (place >= left) & (place < left + lengths)
        x = torch.full((len(all_clips), len(place), WIDTHS[m]), 7.0, dtype=torch.float64)
        for row, clip in zip(x, all_clips, strict=True):
            row[left : left + len(clip[m])] = torch.from_numpy(clip[m])
        sequences[m] = x
    ids = tuple(str(i) for i in range(len(all_clips)))
    return Batch(ids=ids, sequences=sequences, masks=masks, labels=torch.zeros(len(ids), 1))


def randomised(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.4)
    return model.double().eval()


def assert_parity(model, predict, *, aligned=False):
    """``predict(state, clip)`` gives each clip's prediction from the equations."""
    names, state = model.modalities, model.state_dict()
    samples = clips(names, aligned=aligned)
    expected = np.stack([predict(state, clip) for clip in samples])
    for left in (0, 3):
        actual = model(padded(samples, names, left=left)).prediction.detach().numpy()
        np.testing.assert_allclose(actual, expected, atol=1e-5, rtol=1e-5)
    assert np.ptp(expected, axis=0).min() > 1e-3
