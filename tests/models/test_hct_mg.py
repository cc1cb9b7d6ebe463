"""What only HCT-MG has; the contract is in tests/contracts, the equations in tests/parity."""

import math

import pytest
import torch
from torch.func import functional_call

from deadpan.catalogue import PRESETS
from deadpan.errors import DeadpanError
from deadpan.models import HCTMG
from deadpan.models.hct_mg import ModalityGate, converged
from deadpan.training.checkpoint import load_tensors, save_tensors
from deadpan.training.run import make_optimizer
from deadpan.types import AUDIO, TEXT, VISION

from ..contracts.small import WIDTHS, build, dropouts, gradients, pad, random_clips

D40 = 12 * 40**2 + 13 * 40


@pytest.mark.parametrize(
    ("preset", "two_blocks", "one_block"),
    [
        ("MOSI", 540_684, 489_164),
        ("MOSEI", 779_644, 728_124),
        ("IEMOCAP", 545_171, 493_651),
    ],
)
def test_sizes_of_the_paper(preset, two_blocks, one_block):
    sizes = PRESETS[preset] | HCTMG.presets.get(preset, {})
    assert HCTMG.parameters_at(**sizes) == two_blocks
    assert HCTMG.parameters_at(**sizes, head_blocks=1) == one_block


def test_sizes_of_the_variants():
    paper = HCTMG.parameters_at(**PRESETS["MOSI"])
    assert HCTMG.parameters_at(**PRESETS["MOSI"], primary=TEXT) == paper - 3
    assert HCTMG.parameters_at(**PRESETS["MOSI"], sharing="pairs") == paper + 2 * (2 * D40 + 80)


@pytest.mark.parametrize(("layers", "deep"), [(1, 3), (3, 3), (4, 4)])
def test_self_attention_is_at_least_three_deep(layers, deep):
    model = build(HCTMG, layers=layers)
    assert len(model.self_attention.layers) == deep
    assert {len(encoder.layers) for encoder in model.crossmodal.values()} == {layers}


def test_more_than_three_modalities_are_refused():
    with pytest.raises(DeadpanError, match="got 4 .text, audio, vision, eeg.; name up to 3"):
        build(HCTMG, widths=WIDTHS | {"eeg": 2})


def test_an_unknown_primary_names_the_nearest():
    with pytest.raises(DeadpanError, match="'vison'; did you mean 'vision'"):
        build(HCTMG, primary="vison")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 3}, "heads must divide the width; got width 8 and heads 3"),
        ({"width": 2, "heads": 1}, "width must be at least 4; got 2"),
        ({"width": 5, "heads": 1, "bidirectional": True}, "even width; got 5"),
    ],
)
def test_sizes_that_do_not_fit_together_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build(HCTMG, **options)


def choose(model, primary):
    with torch.no_grad():
        model.gate.logits.zero_()[model.modalities.index(primary)] = 1.0
    return model


def test_a_tie_makes_the_first_modality_primary():
    fresh, batch = build(HCTMG).eval(), pad(random_clips(2))
    tied = fresh(batch).prediction
    fresh.gate.logits.data[0] += 1e-6
    torch.testing.assert_close(tied, fresh(batch).prediction)
    fresh.gate.logits.data[1] += 2e-6
    assert not torch.allclose(tied, fresh(batch).prediction)


@pytest.mark.parametrize("gate", ["post", "pre", "even"])
@pytest.mark.parametrize("primary", WIDTHS)
def test_the_task_reaches_the_gate_through_products_alone(gate, primary):
    model = choose(build(HCTMG, gate=gate), primary).double().eval()
    batch = pad(random_clips(2))
    batch.sequences = {m: x.double() for m, x in batch.sequences.items()}

    def predict(logits):
        return functional_call(model, {"gate.logits": logits}, (batch,)).prediction.sum()

    logits = model.gate.logits.detach().clone()
    slope = gradients(model, batch)["gate.logits"]
    assert slope.abs().min() > 1e-6
    # With the choice held, the weights are all that a logit moves: its gradient is the whole slope.
    for i, step in enumerate(torch.eye(3, dtype=torch.float64) * 1e-6):
        measured = (predict(logits + step) - predict(logits - step)) / 2e-6
        torch.testing.assert_close(measured, slope[i], rtol=1e-4, atol=1e-8)


def test_a_hct_has_no_gate():
    model = build(HCTMG, primary=AUDIO)
    assert not [name for name, _ in model.named_parameters() if "gate" in name]
    assert model(pad(random_clips(2))).gate is None
    model.end_epoch(torch.zeros(9, 3))
    assert not model.frozen


def test_the_gate_freezes_when_its_choice_has_converged(tmp_path):
    model, batch = choose(build(HCTMG), VISION), pad(random_clips(2))
    steady = model(batch).gate.detach().expand(6, 3)
    model.end_epoch(steady[:5])
    assert not model.frozen
    optimizer = make_optimizer(model, learning_rate=0.1, gate_learning_rate=None, weight_decay=0.1)

    def train():
        optimizer.zero_grad()
        model(batch).prediction.sum().backward()
        optimizer.step()
        return model.gate.logits.detach().clone()

    start = model.gate.logits.detach().clone()
    free = train()
    assert not torch.equal(free, start)
    model.end_epoch(steady)
    assert model.frozen
    # Momentum from before the freeze does not move it either.
    assert torch.equal(train(), free)
    assert model.gate.logits.grad is None
    save_tensors(tmp_path / "model.safetensors", model.state_dict(), {})
    again = build(HCTMG, seed=5)
    again.load_state_dict(load_tensors(tmp_path / "model.safetensors")[0])
    assert again.frozen
    assert torch.equal(again(batch).gate, model(batch).gate)


def test_evaluation_uses_the_stored_choice():
    model = choose(build(HCTMG), AUDIO).eval()
    first = model(pad(random_clips(2))).gate
    for seed in range(3):
        # Not even a batch that lacks the primary modality changes it.
        lacking = pad(random_clips(2, seed=seed), modalities=(TEXT, VISION))
        assert torch.equal(model(lacking).gate, first)


@pytest.mark.parametrize("primary", [TEXT, AUDIO, VISION])
def test_pairs_use_four_of_six(primary):
    model = build(HCTMG, sharing="pairs", primary=primary).eval()
    first, second = (m for m in WIDTHS if m != primary)
    used = {name.split(".")[1] for name in gradients(model, pad(random_clips(2))) if "_to_" in name}
    assert len(model.crossmodal) == 6
    assert used == {
        f"{first}_to_{second}",
        f"{second}_to_{first}",
        f"{first}_to_{primary}",
        f"{second}_to_{primary}",
    }


def rates(model):
    """Attention, target and source dropout that each encoder is called with."""
    recorded = {}

    def note(name):
        def hook(_, arguments, options):
            names = ("attention_dropout", "target_dropout", "source_dropout")
            recorded[name] = tuple(options.get(key, 0.0) for key in names)

        return hook

    for name, encoder in (*model.crossmodal.items(), ("self", model.self_attention)):
        encoder.register_forward_pre_hook(note(name), with_kwargs=True)
    model(pad(random_clips(2)))
    return recorded


def test_dropout_follows_the_text():
    paper = {"embedding_dropout": 0.25, "embedding_dropout_on": "text", "attention_dropout": 0.1}
    into_text = rates(build(HCTMG, primary=TEXT, **paper))
    assert into_text == {
        "auxiliary2_to_auxiliary1": (0.0, 0.0, 0.0),
        "auxiliary1_to_auxiliary2": (0.0, 0.0, 0.0),
        "auxiliary1_to_primary": (0.0, 0.25, 0.0),
        "auxiliary2_to_primary": (0.0, 0.25, 0.0),
        "self": (0.1, 0.25, 0.0),
    }
    into_audio = rates(build(HCTMG, primary=AUDIO, **paper))
    assert into_audio == {
        "auxiliary2_to_auxiliary1": (0.0, 0.25, 0.0),
        "auxiliary1_to_auxiliary2": (0.1, 0.0, 0.25),
        "auxiliary1_to_primary": (0.1, 0.0, 0.25),
        "auxiliary2_to_primary": (0.0, 0.0, 0.0),
        "self": (0.1, 0.0, 0.0),
    }


def test_embedding_dropout_on_all_streams():
    recorded = rates(build(HCTMG, embedding_dropout=0.2, embedding_dropout_on="all"))
    assert {rate[1:] for name, rate in recorded.items() if name != "self"} == {(0.2, 0.2)}


def modalities_left(model, batch):
    torch.manual_seed(4)
    streams = model._drop_modalities(model.inputs(batch))
    return torch.stack([mask.any(dim=1) for _, mask in streams.values()], dim=1)


def test_a_clip_in_training_loses_modalities_but_never_all():
    clips = [*random_clips(300), {}]
    for clip in clips[:100]:
        del clip[AUDIO]
    left = modalities_left(build(HCTMG, modality_dropout=0.5), pad(clips))
    assert left[:300].any(dim=1).all()
    assert not left[:100, 1].any() and not left[300].any()
    # Half of each are drawn, but one clip in eight would lose all three, and keeps them.
    share = left[100:300].float().mean(dim=0)
    torch.testing.assert_close(share, torch.full((3,), 0.5 + 1 / 8), atol=0.1, rtol=0)


def test_what_a_clip_loses_is_missing():
    dry = dict.fromkeys(dropouts(HCTMG), 0.0)
    model, clips = build(HCTMG, **dry | {"modality_dropout": 0.5}), random_clips(8)
    left = modalities_left(model, pad(clips)).tolist()
    assert not all(map(all, left))
    torch.manual_seed(4)
    predicted = model.train()(pad(clips)).prediction
    rests = [
        {m: clip[m] for m, keep in zip(WIDTHS, present, strict=True) if keep}
        for clip, present in zip(clips, left, strict=True)
    ]
    torch.testing.assert_close(predicted, model.eval()(pad(rests)).prediction)


def test_projections_have_no_bias_and_recurrences_both():
    names = dict(build(HCTMG).named_parameters())
    assert "projections.text.bias" not in names
    assert {"recurrent.text.gru.bias_ih_l0", "recurrent.text.gru.bias_hh_l0"} <= names.keys()
    assert not [name for name in names if name.startswith("auxiliary_maps") and "bias" in name]


def gate_with(*logits):
    gate = ModalityGate(len(logits))
    gate.logits.data.copy_(torch.tensor(logits))
    return gate


def test_starts_even_and_ties_go_to_the_first():
    weights, primary = ModalityGate(3)()
    assert primary == 0
    torch.testing.assert_close(weights, torch.full((3,), 1 / 3))


@pytest.mark.parametrize(
    ("logits", "primary"), [((0.0, 1.0, 1.0), 1), ((2.0, 1.0, 2.0), 0), ((-1.0, -2.0, 0.0), 2)]
)
def test_the_heaviest_is_primary_and_the_lowest_index_of_a_tie(logits, primary):
    assert gate_with(*logits)()[1] == primary


def test_weights_are_the_softmax():
    weights, _ = gate_with(0.0, math.log(2), math.log(5))()
    torch.testing.assert_close(weights, torch.tensor([1 / 8, 2 / 8, 5 / 8]))


def test_a_frozen_gate_weighs_the_same_and_receives_no_gradient():
    gate = gate_with(0.1, 0.5)
    before, primary = gate()
    assert before.requires_grad
    gate.freeze()
    after, again = gate()
    assert (after.requires_grad, again) == (False, primary)
    torch.testing.assert_close(after, before)
    assert gate.state_dict()["frozen"]


def per_clip(model, *, weight=0.0, bias=(0.0, 0.0, 0.0), **options):
    """The model with a gate per clip, whose map has these numbers, and else the same weights."""
    other = build(HCTMG, gate_per="clip", **options).eval()
    state = {name: x for name, x in model.state_dict().items() if not name.startswith("gate.")}
    state |= {name: x for name, x in other.state_dict().items() if name.startswith("gate.")}
    other.load_state_dict(state)
    torch.manual_seed(3)
    with torch.no_grad():
        other.gate.map.weight.normal_(std=weight)
        other.gate.map.bias.copy_(torch.tensor(bias))
    return other


def shares(model, batch):
    """The weights of each clip, from the gate of a model that is given the clip alone."""
    outputs = [model(pad([clip])).gate for clip in batch]
    return torch.stack(outputs)


@pytest.mark.parametrize("gate", ["post", "pre", "even"])
def test_each_clip_mixes_its_predictions_under_each_primary(gate):
    model = build(HCTMG, gate=gate).eval()
    mixing, clips = per_clip(model, weight=3.0, gate=gate), random_clips(6)
    weights = shares(mixing, clips)
    assert set(weights.argmax(dim=1).tolist()) == {0, 1, 2}
    output = mixing(pad(clips))
    torch.testing.assert_close(output.gate, weights.mean(dim=0))
    for clip, clip_weights, predicted in zip(clips, weights, output.prediction, strict=True):
        scale = 3 if gate == "even" else 1
        streams = model.recurrent(
            {n: model._project(n, *x) for n, x in model.inputs(pad([clip])).items()}
        )
        by_name = {name: scale * clip_weights[i] for i, name in enumerate(model.modalities)}
        parts = [model._fuse(dict(streams), by_name, primary)[0] for primary in model.modalities]
        mixed = sum(share * part for share, part in zip(clip_weights, parts, strict=True))
        torch.testing.assert_close(predicted, mixed)


def test_a_sure_gate_of_a_clip_is_that_of_a_batch():
    model, batch = choose(build(HCTMG, gate="even"), AUDIO).eval(), pad(random_clips(4))
    model.gate.logits.data.copy_(torch.tensor([-60.0, 60.0, -60.0]))
    sure = per_clip(model, bias=(-60.0, 60.0, -60.0), gate="even")
    torch.testing.assert_close(sure(batch).prediction, model(batch).prediction)


def test_the_order_of_a_batch_changes_no_clip():
    model, clips = per_clip(build(HCTMG), weight=3.0), random_clips(9)
    forwards, backwards = model(pad(clips)).prediction, model(pad(clips[::-1])).prediction
    torch.testing.assert_close(backwards.flip(0), forwards)


def test_a_modality_that_a_clip_lacks_weighs_nothing():
    model = per_clip(build(HCTMG), bias=(0.0, 1.0, 5.0))
    whole, *others = random_clips(4)
    del others[0][VISION], others[1][VISION], others[1][AUDIO]
    others[2].clear()
    weights = shares(model, [whole, *others])
    assert weights.argmax(dim=1).tolist() == [2, 1, 0, 2]
    assert (weights[1, 2], *weights[2].tolist()) == (0.0, 1.0, 0.0, 0.0)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(4))


def test_a_gate_per_clip_learns_and_never_freezes():
    model = build(HCTMG, gate_per="clip").eval()
    assert gradients(model, pad(random_clips(3)))["gate.map.weight"].any()
    assert len([*model.gate_parameters()]) == 2
    model.end_epoch(torch.tensor([A] * 9))
    assert not model.frozen


def test_a_fixed_primary_leaves_nothing_to_choose():
    with pytest.raises(DeadpanError, match="got primary audio: leave one of the two out"):
        build(HCTMG, primary=AUDIO, gate_per="clip")


A, B = [0.5, 0.3, 0.2], [0.3, 0.5, 0.2]


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ([A] * 5, False),  # four epochs before it, not five
        ([A] * 6, True),
        ([B] + [A] * 6, True),
        ([B] + [A] * 5, False),  # the fifth epoch before had another primary
        ([A] * 3 + [B] + [A] * 5, False),
        ([A] * 3 + [B] + [A] * 6, True),
        ([A] * 5 + [B], False),  # flips now
        ([A] * 5 + [[0.509, 0.294, 0.197]], True),  # moved by 0.009
        ([A] * 5 + [[0.512, 0.294, 0.194]], False),  # moved by 0.012
        ([A] * 5 + [[0.505, 0.284, 0.211]], False),  # one that is not primary moved
        ([[0.9, 0.05, 0.05]] * 5 + [A], False),
        ([[0.9, 0.05, 0.05]] * 4 + [A, A], True),  # only the last move counts
        ([], False),
    ],
)
def test_converged(means, expected):
    assert converged(torch.tensor(means).view(len(means), 3)) is expected


def test_a_reader_that_is_left_out_reads_in_neither_direction():
    with pytest.raises(DeadpanError, match="bidirectional is of the GRUs, which reader none"):
        build(HCTMG, reader="none", bidirectional=True)
    gru = 6 * 40 * 40 + 6 * 40
    paper = HCTMG.parameters_at(**PRESETS["MOSI"])
    assert HCTMG.parameters_at(**PRESETS["MOSI"], reader="none") == paper - 3 * gru
