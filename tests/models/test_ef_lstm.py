"""What only EF-LSTM has; the contract is in tests/contracts, the equations in tests/parity."""

import math

import pytest
import torch

from deadpan.catalogue import PRESETS
from deadpan.models import EFLSTM
from deadpan.types import AUDIO, TEXT, VISION

from ..contracts.small import WIDTHS, aligned_clips, build, pad


@pytest.mark.parametrize(
    ("preset", "size"), [("MOSI", 605_249), ("MOSEI", 691_265), ("IEMOCAP", 691_496)]
)
def test_sizes_at_the_defaults(preset, size):
    assert EFLSTM.parameters_at(**PRESETS[preset]) == size


def test_one_lstm_reads_the_modalities_side_by_side():
    model, clips = build(EFLSTM).eval(), aligned_clips(3)
    plain = model(pad(clips)).prediction
    for clip, expected in zip(clips, plain, strict=True):
        joined = torch.cat([clip[m] for m in WIDTHS], dim=1)
        last = model.recurrent.lstm(joined)[0][-1]
        torch.testing.assert_close(model.head(last[None])[0], expected)


def test_reading_on_through_padding_would_be_seen():
    """The known bug: the state after the padded steps of the batch, not after the clip."""
    model, clips = build(EFLSTM).eval(), aligned_clips(4)
    batch = pad(clips)
    assert not batch.masks[TEXT].all()
    joined = torch.cat([batch.sequences[m] for m in WIDTHS], dim=2)
    buggy = model.head(model.recurrent.lstm(joined)[0][:, -1])
    assert not torch.allclose(buggy, model(batch).prediction, atol=1e-4)
    dirty = pad(clips, right=6, garbage=math.nan)
    torch.testing.assert_close(model(dirty).prediction, model(batch).prediction)


@pytest.mark.parametrize("missing", WIDTHS)
def test_a_missing_modality_is_zeros_at_every_step(missing):
    model, clips = build(EFLSTM).eval(), aligned_clips(3)
    zeros = [dict(clip) for clip in clips]
    zeros[1][missing] = torch.zeros_like(zeros[1][missing])
    del clips[1][missing]
    torch.testing.assert_close(model(pad(clips)).prediction, model(pad(zeros)).prediction)


@pytest.mark.parametrize("names", [(TEXT,), (AUDIO, VISION), (TEXT, AUDIO, VISION, "eeg")])
def test_any_number_of_modalities(names):
    model = build(EFLSTM, widths=dict.fromkeys(names, 3))
    assert model.recurrent.lstm.input_size == 3 * len(names)
