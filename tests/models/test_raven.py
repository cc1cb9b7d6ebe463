"""What only RAVEN has; the contract is in tests/contracts, the equations in tests/parity."""

import pytest
import torch
from torch import nn

from deadpan.catalogue import PRESETS
from deadpan.models import RAVEN
from deadpan.models.raven import FrameLSTM
from deadpan.types import AUDIO, TEXT, VISION

from ..contracts.small import WIDTHS, aligned_clips, build, gradients, pad

NONVERBAL = (AUDIO, VISION)


def seen_words(model, clips):
    """What the LSTM over words reads, per clip and real step."""
    recorded, batch = [], pad(clips)
    handle = model.recurrent.register_forward_pre_hook(
        lambda _, arguments: recorded.append(arguments[0])
    )
    model(batch)
    handle.remove()
    return [x[: len(clip[TEXT])].detach() for x, clip in zip(recorded[0], clips, strict=True)]


@pytest.mark.parametrize(
    ("preset", "size"), [("MOSI", 826_053), ("MOSEI", 863_853), ("IEMOCAP", 865_960)]
)
def test_sizes_at_the_defaults(preset, size):
    assert RAVEN.parameters_at(**PRESETS[preset]) == size


@pytest.mark.parametrize("part", ["frames.audio", "frames.vision", "gates.audio", "gates.vision"])
def test_the_task_trains_the_nonverbal_networks(part):
    """The known bug: frames and shift detached, so that their networks stayed as they began."""
    model, clips = build(RAVEN).eval(), aligned_clips(4)
    result = gradients(model, pad(clips))
    of_part = {name: grad for name, grad in result.items() if name.startswith(part)}
    assert of_part
    for name, grad in {**of_part, "shift": result["shift.weight"]}.items():
        assert grad.any(), name
    # A step along the gradient does what the gradient says.
    before = model(pad(clips)).prediction.sum()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name in of_part:
                p += 1e-2 * of_part[name]
    assert model(pad(clips)).prediction.sum() > before


def test_the_task_reaches_the_frames_themselves():
    model, batch = build(RAVEN).eval(), pad(aligned_clips(2))
    for m in WIDTHS:
        batch.sequences[m].requires_grad_()
    model(batch).prediction.sum().backward()
    for m in WIDTHS:
        reached = batch.sequences[m].grad.any(dim=2)
        assert torch.equal(reached, batch.masks[m]), m


def test_the_frame_network_is_an_lstm_over_one_frame():
    torch.manual_seed(0)
    cell, lstm = FrameLSTM(3, 4), nn.LSTM(3, 4, batch_first=True)
    with torch.no_grad():
        for parameter, source in ((cell.gates.weight, lstm.weight_ih_l0), (cell.gates.bias, None)):
            parts = source if source is not None else lstm.bias_ih_l0 + lstm.bias_hh_l0
            i, _, g, o = parts.chunk(4)
            parameter.copy_(torch.cat([i, g, o]))
    frames = torch.randn(5, 1, 3)
    torch.testing.assert_close(cell(frames), lstm(frames)[0])


@pytest.mark.parametrize("limit", [0.0, 0.05, 0.2, 1.0])
def test_a_shift_is_at_most_so_many_times_as_long_as_its_word(limit):
    model, clips = build(RAVEN, shift_limit=limit).eval(), aligned_clips(6)
    with torch.no_grad():
        model.shift.weight *= 20
    ratios = []
    for clip, words in zip(clips, seen_words(model, clips), strict=True):
        ratios.append((words - clip[TEXT]).norm(dim=1) / clip[TEXT].norm(dim=1))
    assert torch.cat(ratios).max() == pytest.approx(limit, abs=1e-6)


def test_a_short_shift_is_taken_as_it_is():
    model, clips = build(RAVEN, shift_limit=1e6).eval(), aligned_clips(3)
    shifts = []
    model.shift.register_forward_hook(lambda _, __, out: shifts.append(out))
    for clip, words, s in zip(clips, seen_words(model, clips), shifts[0], strict=True):
        torch.testing.assert_close(words, clip[TEXT] + s[: len(words)])


@pytest.mark.parametrize("m", NONVERBAL)
def test_the_gate_weighs_each_modality_by_itself(m):
    """Of a closed gate nothing passes; a gate opens by a sigmoid of its own, not by a softmax."""
    model, clips = build(RAVEN).eval(), aligned_clips(3)
    other = [dict(clip, **{m: torch.randn_like(clip[m])}) for clip in clips]
    assert not torch.allclose(model(pad(other)).prediction, model(pad(clips)).prediction)
    with torch.no_grad():
        model.gates[m].bias.fill_(-200)
    torch.testing.assert_close(model(pad(other)).prediction, model(pad(clips)).prediction)


@pytest.mark.parametrize("m", NONVERBAL)
def test_a_word_without_frames_has_the_state_zero(m):
    model, clips = build(RAVEN).eval(), aligned_clips(2)
    clips[0][m] = torch.zeros_like(clips[0][m])
    states = []
    model.gates[m].register_forward_pre_hook(lambda _, arguments: states.append(arguments[0]))
    model(pad(clips))
    width = model.shift.in_features // 2
    assert not states[0][0, :, :width].any()
    assert states[0][1, 0, :width].all()
    # As in a clip that lacks the modality.
    lacking = [{name: x for name, x in clips[0].items() if name != m}, clips[1]]
    torch.testing.assert_close(model(pad(lacking)).prediction, model(pad(clips)).prediction)


def test_without_words_there_is_nothing_to_shift():
    model, clips = build(RAVEN).eval(), aligned_clips(2)
    del clips[0][TEXT]
    loud = [{m: 10 * x for m, x in clips[0].items()}, clips[1]]
    torch.testing.assert_close(model(pad(loud)).prediction, model(pad(clips)).prediction)
    result = gradients(model, pad(clips[:1]))
    assert all(grad.isfinite().all() for grad in result.values())
    assert not result["shift.weight"].any()


def test_a_shift_of_zero_has_finite_gradients():
    model, clips = build(RAVEN).eval(), aligned_clips(2)
    with torch.no_grad():
        model.shift.weight.zero_()
        model.shift.bias.zero_()
    result = gradients(model, pad(clips))
    assert all(grad.isfinite().all() for grad in result.values())
    assert result["shift.bias"].any()


@pytest.mark.parametrize(
    ("names", "nonverbal"),
    [
        ((TEXT,), ()),
        ((AUDIO, VISION), (VISION,)),
        ((TEXT, AUDIO, VISION, "eeg"), (AUDIO, VISION, "eeg")),
    ],
)
def test_the_first_modality_is_that_of_the_words(names, nonverbal):
    model = build(RAVEN, widths=dict.fromkeys(names, 3))
    assert tuple(model.frames) == tuple(model.gates) == nonverbal
    assert hasattr(model, "shift") == bool(nonverbal)
