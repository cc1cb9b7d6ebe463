"""What only MulT has; the contract is in tests/contracts, the equations in tests/parity."""

import pytest
import torch

from deadpan.catalogue import PRESETS
from deadpan.models import MulT
from deadpan.models.base import hyperparameters
from deadpan.types import AUDIO, TEXT, VISION

from ..contracts.small import WIDTHS, build, gradients, pad, random_clips

PAIRS = {f"{a}_to_{b}" for a in WIDTHS for b in WIDTHS if a != b}


@pytest.mark.parametrize(
    ("preset", "size"), [("MOSI", 1_071_211), ("MOSEI", 1_073_731), ("IEMOCAP", 1_074_998)]
)
def test_sizes_of_the_paper(preset, size):
    assert MulT.parameters_at(**PRESETS[preset]) == size


def test_the_authors_defaults():
    defaults = {name: p.default for name, p in hyperparameters(MulT).items()}
    assert (defaults["width"], defaults["heads"], defaults["layers"]) == (30, 5, 5)
    assert defaults["mask_future"]
    assert defaults["initialization"] == "stacked"


def test_stacked_projections_are_drawn_as_one_matrix():
    square, stacked = (
        build(MulT, initialization=name).state_dict() for name in ("square", "stacked")
    )
    for name, weight in square.items():
        inward = name.endswith(("query.weight", "key_value.weight"))
        torch.testing.assert_close(stacked[name], weight * (0.5**0.5 if inward else 1))
    bound = (6 / (4 * 8)) ** 0.5  # of a matrix [24, 8]
    weights = [x for name, x in stacked.items() if name.endswith(("query.weight", "value.weight"))]
    narrow = torch.cat([x.flatten() for x in weights if x.shape[1] == 8])
    assert 0.95 * bound < narrow.abs().max() <= bound


def test_every_ordered_pair_has_a_transformer():
    model = build(MulT)
    assert set(model.crossmodal) == PAIRS
    assert {encoder.norm.normalized_shape for encoder in model.crossmodal.values()} == {(8,)}
    memories = model.self_attention.values()
    assert {encoder.norm.normalized_shape for encoder in memories} == {(16,)}
    assert len(model.head.blocks) == 1


@pytest.mark.parametrize(("layers", "deep"), [(1, 3), (3, 3), (4, 4)])
def test_self_attention_is_at_least_three_deep(layers, deep):
    model = build(MulT, layers=layers)
    assert {len(encoder.layers) for encoder in model.self_attention.values()} == {deep}
    assert {len(encoder.layers) for encoder in model.crossmodal.values()} == {layers}


@pytest.mark.parametrize(
    ("names", "pairs", "gathered"),
    [
        ((AUDIO, VISION), {"audio_to_vision", "vision_to_audio"}, 8),
        ((TEXT,), set(), 8),
        ((TEXT, AUDIO, VISION, "eeg"), None, 24),
    ],
)
def test_pairs_that_lack_a_modality_fall_away(names, pairs, gathered):
    model = build(MulT, widths=dict.fromkeys(names, 3))
    if pairs is None:
        assert len(model.crossmodal) == 12
    else:
        assert set(model.crossmodal) == pairs
    assert model.self_attention[names[0]].norm.normalized_shape == (gathered,)
    assert model.head.output.in_features == gathered * len(names)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 3}, "heads must divide the width; got width 8 and heads 3"),
        ({"width": 2, "heads": 1}, "width must be at least 4; got 2"),
    ],
)
def test_sizes_that_do_not_fit_together_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build(MulT, **options)


def test_projections_have_no_bias_and_nothing_is_recurrent():
    names = dict(build(MulT).named_parameters())
    assert {name for name in names if name.startswith("projections")} == {
        f"projections.{m}.weight" for m in WIDTHS
    }
    assert not [name for name in names if "recurrent" in name or "gate" in name]


def test_an_own_mask_for_each_clip():
    """The mask counts real steps: company or padding must not move its offset."""
    model, clips = build(MulT).eval(), random_clips(6)
    together = model(pad(clips, right=9)).prediction
    alone = torch.cat([model(pad([clip])).prediction for clip in clips])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    free = build(MulT, mask_future=False).eval()
    assert not torch.allclose(free(pad(clips)).prediction, together, atol=1e-4)


def test_the_mask_hides_what_lies_ahead_of_the_last_step_of_the_shorter():
    """Equal lengths: a step sees itself and the past, so a first step never sees the second."""
    recorded = {}
    for mask_future in (True, False):
        model = build(MulT, mask_future=mask_future).eval()
        x, mask = torch.randn(1, 4, 8, generator=torch.manual_seed(0)), torch.ones(1, 4).bool()
        later = torch.cat([x[:, :1], x[:, 1:].flip(2)], dim=1)
        encoder = model.crossmodal["text_to_audio"]
        first = [encoder(x, mask, source, mask)[0, 0] for source in (x, later)]
        recorded[mask_future] = not torch.allclose(*first)
    assert recorded == {True: False, False: True}


def test_a_missing_source_is_not_attended_to():
    model, clips = build(MulT).eval(), random_clips(2)
    for clip in clips:
        del clip[AUDIO]
    names = {name for name, grad in gradients(model, pad(clips)).items() if grad.any()}
    # Of what reads audio only the bias that stands for nothing attended still learns.
    assert "crossmodal.audio_to_text.layers.0.attention.output.bias" in names
    assert "crossmodal.audio_to_text.layers.0.attention.output.weight" not in names
    assert "crossmodal.vision_to_text.layers.0.attention.output.weight" in names
    assert "projections.audio.weight" not in names


def rates(model):
    """Attention, target and source dropout that each encoder is called with."""
    recorded = {}

    def note(name):
        def hook(_, arguments, options):
            names = ("attention_dropout", "target_dropout", "source_dropout")
            recorded[name] = tuple(options.get(key, 0.0) for key in names)

        return hook

    for name, encoder in (*model.crossmodal.items(), *model.self_attention.items()):
        encoder.register_forward_pre_hook(note(name), with_kwargs=True)
    model(pad(random_clips(2)))
    return recorded


def test_dropout_follows_the_text():
    recorded = rates(build(MulT, embedding_dropout_on="text"))
    assert recorded == {
        "audio_to_text": (0.0, 0.25, 0.0),
        "vision_to_text": (0.0, 0.25, 0.0),
        "text_to_audio": (0.1, 0.0, 0.25),
        "vision_to_audio": (0.0, 0.0, 0.0),
        "text_to_vision": (0.1, 0.0, 0.25),
        "audio_to_vision": (0.0, 0.0, 0.0),
        "text": (0.1, 0.25, 0.0),
        "audio": (0.1, 0.0, 0.0),
        "vision": (0.1, 0.0, 0.0),
    }


def test_embedding_dropout_on_all_streams():
    recorded = rates(build(MulT, embedding_dropout=0.2))
    assert {rate[1:] for name, rate in recorded.items() if name in PAIRS} == {(0.2, 0.2)}
    assert {recorded[m] for m in WIDTHS} == {(0.1, 0.2, 0.0)}


def test_a_reader_is_a_gru_for_each_modality_of_the_width_of_its_stream():
    gru = 6 * 30 * 30 + 6 * 30
    paper = MulT.parameters_at(**PRESETS["MOSI"])
    assert MulT.parameters_at(**PRESETS["MOSI"], reader="gru") == paper + 3 * gru
