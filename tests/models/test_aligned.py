import math

import pytest
import torch

from deadpan.errors import DeadpanError
from deadpan.layers.ctc import CTCAligner
from deadpan.models.aligned import AlignedModel
from deadpan.types import AUDIO, TEXT, VISION, Output

from ..contracts.small import WIDTHS, aligned_clips, gradients, pad


class LastStep(AlignedModel):
    """Sums what it was given: a model with no parts but those of the alignment."""

    paper = "nobody 2000, Nothing"

    def forward(self, batch):
        result = self.aligned(batch)
        steps = torch.cat(list(result.sequences.values()), dim=2)
        return Output(prediction=steps.sum(dim=(1, 2))[:, None], losses=result.losses)


def build(**options):
    torch.manual_seed(0)
    widths = options.pop("widths", WIDTHS)
    return LastStep(widths=widths, outputs=1, **options)


def clips_of(*lengths):
    """A clip for each mapping of modality to steps; a modality of no steps is missing."""
    torch.manual_seed(2)
    return [{m: torch.randn(n, WIDTHS[m]) for m, n in steps.items() if n} for steps in lengths]


def clip_of(text, audio, vision):
    return {TEXT: text, AUDIO: audio, VISION: vision}


def test_aligned_clips_pass_as_they_are():
    clips = aligned_clips(4)
    result = build().aligned(pad(clips, left=2, right=3, garbage=math.nan))
    lengths = [len(clip[TEXT]) for clip in clips]
    assert result.mask.sum(dim=1).tolist() == lengths
    assert result.mask.shape[1] == max(lengths)
    assert result.losses == {}
    assert list(result.sequences) == [TEXT, AUDIO, VISION]
    for m, x in result.sequences.items():
        for row, mask, clip in zip(x, result.mask, clips, strict=True):
            torch.testing.assert_close(row[mask], clip[m])
            assert not row[~mask].any()


def test_a_missing_modality_is_zeros_beside_any_length():
    clips = clips_of(clip_of(3, 0, 3), clip_of(0, 5, 0), clip_of(0, 0, 0))
    result = build().aligned(pad(clips))
    assert result.mask.sum(dim=1).tolist() == [3, 5, 0]
    assert {x.shape[1] for x in result.sequences.values()} == {5}
    for m, x in result.sequences.items():
        for row, clip in zip(x, clips, strict=True):
            assert row.any() == (m in clip)


def test_a_batch_without_any_step_keeps_one_of_padding():
    for options in ({}, {"ctc": True, "ctc_steps": 3}):
        result = build(**options).aligned(pad([{}, {}]))
        assert result.mask.tolist() == [[False], [False]]
        assert not any(x.any() for x in result.sequences.values())
        assert not any(loss.any() for loss in result.losses.values())


@pytest.mark.parametrize(
    ("clip", "lengths"),
    [
        (clip_of(3, 7, 3), "text 3, audio 7, vision 3"),
        (clip_of(0, 7, 3), "text 0, audio 7, vision 3"),
        (clip_of(3, 3, 2), "text 3, audio 3, vision 2"),
    ],
)
def test_other_lengths_are_refused_with_the_clip_and_the_remedy(clip, lengths):
    clips = clips_of(clip_of(4, 4, 4), clip_of(2, 0, 2), clip, clip_of(1, 2, 3))
    with pytest.raises(DeadpanError) as caught:
        build()(pad(clips, left=1))
    assert str(caught.value) == (
        "LastStep reads aligned modalities, one step of each for every word; clip '2' has "
        f"modalities of different lengths ({lengths}): give word-aligned data, or let the model "
        "align them with --model.ctc true"
    )


def test_the_front_end_brings_the_others_to_the_steps_of_the_first():
    model = build(ctc=True, ctc_steps=6)
    clips = clips_of(clip_of(3, 9, 12), clip_of(5, 2, 5), clip_of(1, 4, 0))
    batch = pad(clips, left=2, right=1, garbage=math.nan)
    result = model.aligned(batch)
    assert list(model.aligners) == [AUDIO, VISION]
    assert result.mask.sum(dim=1).tolist() == [3, 5, 1]
    for row, clip in zip(result.sequences[TEXT], clips, strict=True):
        torch.testing.assert_close(row[: len(clip[TEXT])], clip[TEXT])
        assert not row[len(clip[TEXT]) :].any()
    front = model.inputs(batch)
    for m in (AUDIO, VISION):
        aligned, loss = model.aligners[m](*front[m], torch.tensor([3, 5, 1]))
        torch.testing.assert_close(result.sequences[m], aligned)
        torch.testing.assert_close(result.losses[f"ctc_{m}"], loss)
    assert not result.sequences[VISION][2].any()


@pytest.mark.parametrize(("audio", "vision", "steps"), [(4, 2, 4), (2, 4, 4), (9, 3, 6), (0, 3, 3)])
def test_without_the_first_a_clip_is_as_long_as_its_longest_other(audio, vision, steps):
    model = build(ctc=True, ctc_steps=6)
    clips = clips_of(clip_of(0, audio, vision), clip_of(2, 3, 3))
    result = model.aligned(pad(clips))
    assert result.mask.sum(dim=1).tolist() == [steps, 2]
    assert not result.sequences[TEXT][0].any()
    assert result.sequences[VISION][0, :steps].all()
    assert not result.sequences[VISION][0, steps:].any()
    assert all(loss.isfinite() for loss in result.losses.values())


def test_the_first_modality_need_not_be_text():
    model = build(widths={VISION: 3, AUDIO: 4}, ctc=True, ctc_steps=6)
    assert list(model.aligners) == [VISION]
    result = model.aligned(pad(clips_of(clip_of(2, 5, 9))))
    assert result.mask.tolist() == [[True] * 5]
    assert list(result.losses) == ["ctc_vision"]


def test_a_single_modality_has_nothing_to_align():
    model = build(widths={TEXT: 6}, ctc=True, ctc_steps=2)
    result = model.aligned(pad(clips_of(clip_of(5, 2, 3))))
    assert result.mask.sum() == 5
    assert result.losses == {}
    assert not list(model.parameters())


@pytest.mark.parametrize(
    ("widths", "name"), [(WIDTHS, TEXT), ({AUDIO: 4, VISION: 3}, AUDIO)], ids=["text", "audio"]
)
def test_a_clip_too_long_for_the_front_end_is_refused(widths, name):
    model = build(widths=widths, ctc=True, ctc_steps=4)
    clips = clips_of(clip_of(4, 4, 9), clip_of(3, 2, 9), clip_of(7, 7, 2))
    with pytest.raises(DeadpanError) as caught:
        model(pad(clips))
    assert str(caught.value) == (
        f"LastStep: clip '2' has 7 steps of {name}, the CTC front end 4: set --model.ctc_steps to "
        "those of the longest clip"
    )
    model(pad(clips[:2]))


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_the_losses_are_weighted_and_in_the_output(weight):
    clips = clips_of(clip_of(3, 9, 12), clip_of(2, 6, 5))
    plain = build(ctc=True, ctc_steps=6)(pad(clips))
    output = build(ctc=True, ctc_steps=6, ctc_weight=weight)(pad(clips))
    assert set(output.losses) == {"ctc_audio", "ctc_vision"}
    for name, loss in output.losses.items():
        assert plain.losses[name] > 1
        torch.testing.assert_close(loss, weight * plain.losses[name])
    torch.testing.assert_close(output.prediction, plain.prediction)


def test_the_front_end_learns_from_its_loss_and_from_the_task():
    batch = pad(clips_of(clip_of(3, 9, 12), clip_of(2, 6, 5)))
    for options in ({"ctc_weight": 0.0}, {}):
        result = gradients(build(ctc=True, ctc_steps=6, **options), batch)
        assert len(result) == 16
        assert all(grad.any() for grad in result.values())


def test_the_front_end_exists_only_where_it_is_asked_for():
    assert not list(build().parameters())
    model = build(ctc=True, ctc_steps=7)
    assert all(isinstance(part, CTCAligner) for part in model.aligners.values())
    assert {part.lstm.hidden_size for part in model.aligners.values()} == {8}
