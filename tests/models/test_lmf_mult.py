"""What only LMF-MulT has; the contract is in tests/contracts, the equations in tests/parity."""

from pathlib import Path

import pytest
import torch
import yaml

from deadpan.catalogue import PRESETS
from deadpan.models import LMFMulT

from ..contracts.small import build, pad, random_clips

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize(
    ("preset", "size"), [("MOSI", 373_475), ("MOSEI", 375_995), ("IEMOCAP", 376_632)]
)
def test_sizes_at_the_defaults(preset, size):
    assert LMFMulT.parameters_at(**PRESETS[preset]) == size


@pytest.mark.parametrize(
    ("preset", "size"), [("MOSI", 835_882), ("MOSEI", 839_662), ("IEMOCAP", 840_614)]
)
def test_the_published_size(preset, size):
    """That of the rows LMF-MulT .84M in configs/; IEMOCAP's printed size is 0.86M."""
    grid = yaml.safe_load((CONFIGS / f"table2_{preset.lower()}.yaml").read_text())
    options = grid["systems"]["LMF-MulT .84M"]["model_options"]
    assert LMFMulT.parameters_at(**PRESETS[preset], **options) == size
    assert f"{size / 1e6:.2f}" == "0.84"


def test_the_fused_stream_is_as_long_as_the_longest_modality_and_cuts_nothing():
    model, clips = build(LMFMulT).eval(), random_clips(3)
    streams = [model.inputs(pad(clips))[m] for m in model.modalities]
    projected = [
        (model.projections[m](x), mask)
        for m, (x, mask) in zip(model.modalities, streams, strict=True)
    ]
    fused, real = model._fuse(projected)
    assert real.sum(dim=1).tolist() == [max(map(len, clip.values())) for clip in clips]
    assert not fused[~real].any()
    # Every step of every modality is in it: changing any changes the prediction.
    plain = model(pad(clips[:1])).prediction
    for name, x in clips[0].items():
        for step in range(len(x)):
            changed = {m: y.clone() for m, y in clips[0].items()}
            changed[name][step] += 1
            assert not torch.allclose(model(pad([changed])).prediction, plain), (name, step)
