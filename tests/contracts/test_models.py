"""What every model of the registry keeps to, in each of its choices."""

import contextlib
import dataclasses
import math

import pytest
import torch
from jaxtyping import config

from deadpan.errors import DeadpanError
from deadpan.layers.attention import record_attention
from deadpan.layers.transformer import Encoder
from deadpan.models import MODELS
from deadpan.models.base import FUSED, hyperparameters
from deadpan.training.checkpoint import load_tensors, save_tensors
from deadpan.training.run import make_optimizer
from deadpan.types import AUDIO, TEXT, VISION

from .small import (
    SIZES,
    VARIANTS,
    WIDTHS,
    build,
    clips_for,
    dropouts,
    gradients,
    name_of,
    pad,
    prediction_and_gradients,
)

each_choice = pytest.mark.parametrize(("kind", "options"), VARIANTS, ids=name_of)
each_model = pytest.mark.parametrize("kind", MODELS.values(), ids=name_of)
close = {"atol": 1e-5, "rtol": 1e-5}


@each_choice
@pytest.mark.parametrize("outputs", [1, 8])
def test_forward_gives_one_row_per_clip_and_weights_that_sum_to_one(kind, options, outputs):
    model = build(kind, outputs=outputs, **options)
    output = model(pad(clips_for(kind, options, 3)))
    assert output.prediction.shape == (3, outputs)
    assert output.prediction.isfinite().all()
    assert (output.gate is None) == (not list(model.gate_parameters()))
    if output.gate is not None:
        assert output.gate.shape == (len(model.modalities),)
        torch.testing.assert_close(output.gate.sum(), torch.tensor(1.0))


@each_choice
def test_every_parameter_gets_a_gradient(kind, options):
    model, batch = build(kind, **options).eval(), pad(clips_for(kind, options, 4))
    # Of one video: what reads along a video learns nothing from a clip that stands alone.
    batch.groups = ("video",) * 4
    reached = set()
    # Weights tied to pairs of modalities are used as the gate chooses: give each its turn.
    turns = len(WIDTHS) if "pairs" in options.values() else 1
    for turn in range(turns):
        for logits in model.gate_parameters():
            with torch.no_grad():
                logits[turn] = turn + 0.5
        reached |= {name for name, grad in gradients(model, batch).items() if grad.any()}
    assert reached == {name for name, _ in model.named_parameters()}


@each_choice
def test_every_parameter_is_in_the_optimizer_once(kind, options):
    model = build(kind, **options)
    optimizer = make_optimizer(model, learning_rate=1e-3, gate_learning_rate=None, weight_decay=0.0)
    held = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters())


# What padding holds and where it stands go wrong each for itself: each value once, and on both
# sides what is finite, which no repair of NaN hides.
PADDINGS = [(3, 0, math.nan), (0, 4, math.inf), (2, 5, 1e30), (2, 5, -7.0)]


@each_choice
def test_padding_changes_neither_prediction_nor_gradient(kind, options):
    model, clips = build(kind, **options).eval(), clips_for(kind, options, 3)
    prediction, slopes = prediction_and_gradients(model, pad(clips))
    for left, right, garbage in PADDINGS:
        dirty = pad(clips, left=left, right=right, garbage=garbage)
        place = f"{left} steps of {garbage} before and {right} behind"
        at = {**close, "msg": lambda difference, place=place: f"{place}: {difference}"}
        predicted, reached = prediction_and_gradients(model, dirty)
        torch.testing.assert_close(predicted, prediction, **at)
        torch.testing.assert_close(reached, slopes, **at)


@each_choice
def test_company_in_a_batch_changes_nothing(kind, options):
    model, clips = build(kind, **options).eval(), clips_for(kind, options, 5)
    together = model(pad(clips)).prediction
    alone = torch.cat([model(pad([clip])).prediction for clip in clips])
    torch.testing.assert_close(together, alone, **close)


@each_choice
def test_order_of_modalities_changes_nothing(kind, options):
    turned = dict(reversed(WIDTHS.items()))
    clips = clips_for(kind, options, 3)
    one, other = build(kind, **options).eval(), build(kind, widths=turned, **options).eval()
    batch = pad(clips, modalities=turned)
    assert tuple(batch.sequences) == tuple(turned) != one.modalities
    assert one.modalities == other.modalities
    expected = one(pad(clips)).prediction
    assert torch.equal(one(batch).prediction, expected)
    assert torch.equal(other(batch).prediction, expected)


def lacks(options):
    """What clips lack: as a rule one modality, then all but it, and all; by default each alone."""
    alone = [{TEXT}] if options else [{TEXT}, {AUDIO}, {VISION}]
    return [*alone, {AUDIO, VISION}, set(WIDTHS)]


@pytest.mark.parametrize(
    ("kind", "options", "missing"),
    [(kind, options, missing) for kind, options in VARIANTS for missing in lacks(options)],
    ids=lambda part: "+".join(sorted(part)) if isinstance(part, set) else name_of(part),
)
def test_a_clip_may_lack_modalities(kind, options, missing):
    model, clips = build(kind, **options).eval(), clips_for(kind, options, 3)
    clips[1] = {m: x for m, x in clips[1].items() if m not in missing}
    mixed = pad(clips, right=1, garbage=math.nan)
    predictions, slopes = prediction_and_gradients(model, mixed)
    assert predictions.isfinite().all()
    assert all(grad.isfinite().all() for grad in slopes.values())
    # The same clip by itself: an empty mask, no key at all, or a sequence of no steps.
    empty = pad([clips[1]], right=2, garbage=1e30)
    left_out = pad([clips[1]], modalities=[m for m in WIDTHS if m not in missing])
    no_steps = pad([clips[1]])
    for m in missing:
        assert not no_steps.masks[m].any()
        no_steps.sequences[m], no_steps.masks[m] = (
            torch.zeros(1, 0, WIDTHS[m]),
            torch.zeros(1, 0, dtype=torch.bool),
        )
    for batch in (empty, left_out, no_steps):
        torch.testing.assert_close(model(batch).prediction[0], predictions[1], **close)


@each_choice
@pytest.mark.parametrize("names", [(TEXT,), (VISION,), (TEXT, VISION), (AUDIO, VISION)])
def test_a_data_set_may_lack_modalities(kind, options, names):
    if options.get("primary", names[0]) not in names:
        with pytest.raises(DeadpanError, match="unknown primary modality 'vision'"):
            build(kind, widths={m: WIDTHS[m] for m in names}, **options)
        return
    model = build(kind, widths={m: WIDTHS[m] for m in names}, **options).eval()
    clips = clips_for(kind, options, 3)
    output = model(pad(clips))
    assert output.prediction.isfinite().all()
    assert model.modalities == names
    # What the model was not built for is not looked at.
    only = pad(clips, modalities=names)
    assert torch.equal(model(only).prediction, output.prediction)


@each_choice
def test_weights_survive_a_file(kind, options, tmp_path):
    saved, batch = build(kind, seed=1, **options).eval(), pad(clips_for(kind, options, 3))
    save_tensors(tmp_path / "model.safetensors", saved.state_dict(), {})
    loaded = build(kind, seed=2, **options).eval()
    assert not torch.equal(loaded(batch).prediction, saved(batch).prediction)
    loaded.load_state_dict(load_tensors(tmp_path / "model.safetensors")[0])
    assert torch.equal(loaded(batch).prediction, saved(batch).prediction)


@each_choice
def test_training_matters_only_through_dropout(kind, options):
    batch = pad(clips_for(kind, options, 3))
    dry = build(kind, **options, **dict.fromkeys(dropouts(kind), 0.0))
    torch.testing.assert_close(dry.train()(batch).prediction, dry.eval()(batch).prediction)
    wet = build(kind, **options, **dict.fromkeys(dropouts(kind), 0.5))
    assert not torch.equal(wet.train()(batch).prediction, wet(batch).prediction)
    torch.testing.assert_close(wet.eval()(batch).prediction, dry(batch).prediction)


@each_model
@pytest.mark.usefixtures("processor")
def test_half_precision_loses_nothing_but_digits(kind):
    aligners = [{}, {"ctc": True}] if "ctc" in hyperparameters(kind) else [{}]
    for options in aligners:
        model, batch = build(kind, **options).eval(), pad(clips_for(kind, options, 3))
        wanted = model(batch).prediction
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = model(batch)
            loss = sum(output.losses.values(), output.prediction.float().sum())
        torch.testing.assert_close(output.prediction.float(), wanted, atol=0.02, rtol=0.02)
        loss.backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@each_model
def test_layers_of_an_encoder_are_summed_before_anything_else(kind):
    wide = {**WIDTHS, TEXT: 3 * WIDTHS[TEXT]}
    plain = build(kind).eval()
    torch.manual_seed(0)
    sizes = {name: x for name, x in SIZES.items() if name in hyperparameters(kind)}
    mixing = kind.mixing({TEXT: 3}, widths=wide, outputs=1, **sizes).eval()
    assert mixing.widths == wide
    clips = clips_for(kind, {}, 3)
    del clips[1][VISION]
    batch = pad(clips, right=1)
    # Layers whose weighted sum is the text: the model that reads them predicts the same.
    shares = torch.tensor([0.2, 0.3, 0.5])
    mixing.layer_mixes[TEXT].logits.data = shares.log()
    layers = [batch.sequences[TEXT] * each for each in (2.5, 1 / 3, 0.8)]
    thrice = dataclasses.replace(
        batch, sequences={**batch.sequences, TEXT: torch.cat(layers, dim=2)}
    )
    torch.testing.assert_close(mixing(thrice).prediction, plain(batch).prediction, **close)
    assert gradients(mixing, thrice)[f"layer_mixes.{TEXT}.logits"].any()
    # One that the batch lacks is missing, however wide.
    nothing = {m: x for m, x in thrice.sequences.items() if m != TEXT}
    without = dataclasses.replace(thrice, sequences=nothing)
    torch.testing.assert_close(mixing(without).prediction, plain(without).prediction, **close)


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        ({TEXT: 4}, "text holds 4 layers, but it has 6 features per step; give a divisor above 1"),
        ({TEXT: 1}, "text holds 1 layers"),
        ({"txt": 2}, "unknown modality in layer_blocks 'txt'; did you mean 'text'"),
    ],
)
def test_layers_that_the_features_do_not_hold_are_refused(layers, told):
    with pytest.raises(DeadpanError, match=told):
        MODELS["LFDNN"].mixing(layers, widths=WIDTHS, outputs=1)


@contextlib.contextmanager
def shapes_unchecked():
    """For batches whose shapes have been checked: that takes longer than to train a small model."""
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        config.update("jaxtyping_disable", before)


def trained(kind, *, seed, steps, rate=5e-3, **options):
    """Losses on eight clips; the rate falls to nothing, so that the last does not swing."""
    model, batch, losses = build(kind, seed=seed, **options), pad(clips_for(kind, options, 8)), []
    optimizer = make_optimizer(model, learning_rate=rate, gate_learning_rate=None, weight_decay=0.0)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, steps)

    def step():
        output = model(batch)
        loss = (output.prediction - batch.labels).abs().mean()
        optimizer.zero_grad()
        sum(output.losses.values(), loss).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.8)
        optimizer.step()
        falling.step()
        losses.append(loss.item())

    step()
    with shapes_unchecked():
        for _ in range(steps - 1):
            step()
    return losses


@each_choice
def test_the_seed_decides_everything(kind, options):
    first = trained(kind, seed=3, steps=3, **options)
    with shapes_unchecked():
        assert first == trained(kind, seed=3, steps=3, **options)
        assert first != trained(kind, seed=4, steps=3, **options)


@each_model
def test_overfits_eight_clips(kind):
    dry = dict.fromkeys(dropouts(kind), 0.0)
    losses = trained(kind, seed=0, steps=100, rate=2e-2, **dry)
    assert losses[0] > 1
    assert sum(losses[-10:]) / 10 < 0.15


NONSENSE = {int: (0, -1, 2.5, "4", True, None), float: (-0.1, math.nan, "0.1", True)}


@each_model
def test_every_hyperparameter_refuses_nonsense(kind):
    checked = set()
    for name, parameter in hyperparameters(kind).items():
        values = (
            ("no such value",)
            if not isinstance(parameter.annotation, type)
            else NONSENSE.get(parameter.annotation, (1, "yes", None))
        )
        if name in dropouts(kind):
            values = (*values, 1.0, 50)
        for value in values:
            with pytest.raises(DeadpanError, match=name):
                build(kind, **{name: value})
        checked.add(name)
    assert checked == set(hyperparameters(kind)) != set()


@each_model
def test_sizes_that_make_no_model_are_refused(kind):
    with pytest.raises(DeadpanError, match="at least one modality; got none"):
        build(kind, widths={})
    with pytest.raises(DeadpanError, match="at least 1 for text; got 0"):
        build(kind, widths={TEXT: 0})
    with pytest.raises(DeadpanError, match="at least 1 for outputs; got 0"):
        build(kind, outputs=0)


@each_choice
def test_each_encoder_that_was_used_is_a_path_once(kind, options):
    model, batch = build(kind, **options).eval(), pad(clips_for(kind, options, 2))
    if options.get("gate_per") == "clip":
        with pytest.raises(DeadpanError, match="mixes all primary modalities in each clip"):
            model.attention_paths()
        return
    modules = [path.module for path in model.attention_paths()]
    encoders = {name for name, part in model.named_modules() if isinstance(part, Encoder)}
    if not encoders:
        assert not modules
        return
    with record_attention(model) as maps:
        model(batch)
    used = {name.partition(".layers.")[0] for name, calls in maps.items() if calls}
    assert sorted(modules) == sorted(used)
    assert used == encoders or "pairs" in options.values()
    lengths = {m: batch.sequences[m].shape[1] for m in WIDTHS}
    lengths[FUSED] = max(lengths.values())
    for path in model.attention_paths():
        (weights,) = maps[f"{path.module}.layers.0.attention"]
        assert weights.shape[2:] == (lengths[path.target], lengths[path.source])
        assert (path.stage == "self") == (path.source == path.target)
