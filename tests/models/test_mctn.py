"""What only MCTN has; the contract is in tests/contracts, the equations in tests/parity."""

import pytest
import torch

from deadpan.catalogue import PRESETS
from deadpan.models import MCTN
from deadpan.types import AUDIO, TEXT, VISION

from ..contracts.small import aligned_clips, build, pad


@pytest.mark.parametrize(
    ("preset", "size"), [("MOSI", 215_474), ("MOSEI", 219_959), ("IEMOCAP", 220_190)]
)
def test_sizes_at_the_defaults(preset, size):
    assert MCTN.parameters_at(**PRESETS[preset]) == size


@pytest.mark.parametrize("grad", [True, False])
def test_only_the_words_are_needed_to_predict(grad):
    model, clips = build(MCTN).eval(), aligned_clips(4)
    other = [{TEXT: c[TEXT], AUDIO: -c[AUDIO], VISION: c[VISION] + 9} for c in clips]
    words = [{TEXT: c[TEXT]} for c in clips]
    with torch.set_grad_enabled(grad):
        expected = model(pad(clips)).prediction
        for batch in (pad(other), pad(words), pad(words, modalities=[TEXT])):
            torch.testing.assert_close(model(batch).prediction, expected)


def test_its_losses_are_those_of_three_translations():
    model, clips = build(MCTN).eval(), aligned_clips(4)
    losses = model(pad(clips)).losses
    assert set(losses) == {"translation_vision", "translation_text", "translation_audio"}
    assert all(loss > 0 for loss in losses.values())
    double = build(MCTN, translation_weight=0.2).eval()(pad(clips)).losses
    for name, loss in losses.items():
        torch.testing.assert_close(double[name], 2 * loss)
    with torch.no_grad():
        assert not model(pad(clips)).losses


def test_clips_without_both_sides_teach_no_translation():
    model, clips = build(MCTN).eval(), aligned_clips(3)
    expected = model(pad(clips[:2])).losses
    lonely = {m: x for m, x in clips[2].items() if m == TEXT}
    torch.testing.assert_close(model(pad([*clips[:2], lonely])).losses, expected)
    none = model(pad([lonely])).losses
    assert not any(loss.any() for loss in none.values())


def test_source_and_first_target_share_encoder_and_decoder():
    model = build(MCTN, widths={TEXT: 3, AUDIO: 5, VISION: 7})
    assert (model.source, model.targets) == (TEXT, [VISION, AUDIO])
    assert model.width == 7
    assert len(model.encoders) == len(model.decoders) == 2
    assert build(MCTN, widths={AUDIO: 5}).targets == []
