"""What only LF-LSTM has; the contract is in tests/contracts, the equations in tests/parity."""

import math

import pytest
import torch

from deadpan.catalogue import PRESETS
from deadpan.models import LFLSTM
from deadpan.types import AUDIO, TEXT, VISION

from ..contracts.small import WIDTHS, build, pad, random_clips


@pytest.mark.parametrize(
    ("preset", "size"), [("MOSI", 1_150_017), ("MOSEI", 1_236_033), ("IEMOCAP", 1_236_264)]
)
def test_sizes_of_the_paper(preset, size):
    assert LFLSTM.parameters_at(**PRESETS[preset]) == size


def test_the_state_is_that_of_the_last_real_step():
    model, clips = build(LFLSTM).eval(), random_clips(3)
    plain = model(pad(clips)).prediction
    # torch's own LSTMs on one clip at a time: no padding, so their last output is the last step.
    for clip, expected in zip(clips, plain, strict=True):
        last = [model.recurrent[m].lstm(clip[m])[0][-1] for m in WIDTHS]
        torch.testing.assert_close(model.head(torch.cat(last)[None])[0], expected)


def test_reading_on_through_padding_would_be_seen():
    """The known bug: the state after the padded steps of the batch, not after the clip."""
    model, clips = build(LFLSTM).eval(), random_clips(4)
    batch = pad(clips)
    assert not all(bool(mask.all()) for mask in batch.masks.values())
    last = [model.recurrent[m].lstm(batch.sequences[m])[0][:, -1] for m in WIDTHS]
    buggy = model.head(torch.cat(last, dim=1))
    assert not torch.allclose(buggy, model(batch).prediction, atol=1e-4)
    dirty = pad(clips, right=6, garbage=math.nan)
    torch.testing.assert_close(model(dirty).prediction, model(batch).prediction)


def test_the_last_step_matters_most_and_the_first_too():
    model, clips = build(LFLSTM).eval(), random_clips(2)
    before = model(pad(clips)).prediction
    for m in WIDTHS:
        for step in (0, -1):
            changed = [{**clip, m: clip[m].clone()} for clip in clips]
            changed[1][m][step] += 1.0
            after = model(pad(changed)).prediction
            assert torch.equal(after[0], before[0])
            assert not torch.equal(after[1], before[1])


@pytest.mark.parametrize("missing", [TEXT, AUDIO, VISION])
def test_a_missing_modality_is_a_zero_vector(missing):
    model, clips = build(LFLSTM).eval(), random_clips(1)
    last = [
        torch.zeros(8) if m == missing else model.recurrent[m].lstm(clips[0][m])[0][-1]
        for m in WIDTHS
    ]
    del clips[0][missing]
    expected = model.head(torch.cat(last)[None])
    torch.testing.assert_close(model(pad(clips)).prediction, expected)


def test_any_number_of_modalities_of_any_name():
    widths = WIDTHS | {"eeg": 2}
    model = build(LFLSTM, widths=widths)
    assert model.head.layers[0].in_features == 4 * 8
    assert model(pad(random_clips(2))).prediction.shape == (2, 1)
