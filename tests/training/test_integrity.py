"""Files of a run whose tensors or values do not fit: each is refused in one line, none is used."""

import json
import math

import pytest
import torch
from safetensors.torch import save

import deadpan
from deadpan.errors import RunError
from deadpan.files import write_atomically
from deadpan.training.checkpoint import State, load_tensors, save_tensors
from deadpan.training.opened import build, open_run
from deadpan.training.run import make_optimizer, make_scheduler

from .tiny import train

NAN, INF = math.nan, math.inf


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(tmp_path_factory.mktemp("integrity") / "run", epochs=2)


@pytest.fixture(scope="module")
def new_state(run):
    """A function that makes the state that a checkpoint of the run is loaded into."""
    opened = open_run(run.path)

    def make():
        model = build(opened.settings, opened.model.widths, opened.task.outputs)
        optimizer = make_optimizer(
            model, learning_rate=1e-3, gate_learning_rate=None, weight_decay=0.0
        )
        return State(
            model=model, optimizer=optimizer, scheduler=make_scheduler(optimizer, patience=0)
        )

    return make


def edited(run, path, edit):
    """A checkpoint of the run after an edit of its tensors and values."""
    tensors, meta = load_tensors(run.checkpoint_file)
    edit(tensors, meta)
    save_tensors(path, tensors, meta)
    return path


def put(name, make):
    return lambda tensors, meta: tensors.__setitem__(name, make(tensors.get(name)))


def drop(name):
    return lambda tensors, meta: tensors.pop(name)


def value(*keys, to):
    """Set a value of the metadata, at any depth."""

    def edit(tensors, meta):
        for key in keys[:-1]:
            meta = meta[key]
        meta[keys[-1]] = to

    return edit


def fill(name, number):
    return put(name, lambda tensor: torch.full_like(tensor, number))


TENSORS = {
    "a moment of a parameter that there is not": put("optimizer/99/exp_avg", lambda _: one()),
    "a moment beyond every integer": put(f"optimizer/{'9' * 5000}/exp_avg", lambda _: one()),
    "a moment of no number": put("optimizer/a/exp_avg", lambda _: one()),
    "a moment deeper": put("optimizer/0/exp_avg/x", lambda _: one()),
    "a moment below zero": put("optimizer/-1/exp_avg", lambda _: one()),
    "another moment": put("optimizer/0/max_exp_avg_sq", lambda _: one()),
    "a short moment": put("optimizer/0/exp_avg", lambda _: one()),
    "a long moment": put("optimizer/0/exp_avg_sq", lambda x: torch.zeros(2 * len(x), *x.shape[1:])),
    "a moment of another type": put("optimizer/1/exp_avg", lambda x: x.double()),
    "a missing moment": drop("optimizer/0/exp_avg_sq"),
    "a missing step": drop("optimizer/0/step"),
    "a long step": put("optimizer/0/step", lambda _: torch.ones(3)),
    "a step that is whole by type": put("optimizer/0/step", lambda _: torch.tensor(1)),
    "step 0": fill("optimizer/0/step", 0),
    "a step between two": fill("optimizer/0/step", 1.5),
    "a step never taken": fill("optimizer/0/step", 7),
    "an infinite step": fill("optimizer/0/step", INF),
    "a step that is NaN": fill("optimizer/0/step", NAN),
    "a negative square": fill("optimizer/2/exp_avg_sq", -1),
    "an infinite moment": fill("optimizer/2/exp_avg", INF),
    "a missing weight": drop("model/gate.logits"),
    "an unknown weight": put("model/x", lambda _: one()),
    "a weight of another shape": put("model/gate.logits", lambda _: torch.zeros(4)),
    "a weight of another type": put("model/gate.logits", lambda x: x.half()),
    "a flag of another type": put("model/gate.frozen", lambda _: torch.tensor(0.0)),
    "a weight that is NaN": fill("model/gate.logits", NAN),
    "an infinite best weight": fill("best/gate.logits", INF),
    "a missing best weight": drop("best/gate.logits"),
    "a best weight of another shape": put("best/gate.logits", lambda _: torch.zeros(1)),
    "an average that is not kept": put("average/gate.logits", lambda _: torch.zeros(3)),
    "a short gate": put("gate", lambda x: x[:-1]),
    "a gate of two modalities": put("gate", lambda x: x[:, :2]),
    "a gate that is NaN": fill("gate", NAN),
    "a gate of whole numbers": put("gate", lambda x: x.long()),
    "an unknown tensor": put("other", lambda _: one()),
}
VALUES = {
    **{f"no {key}": lambda tensors, meta, key=key: meta.pop(key)
       for key in ("epoch", "best_loss", "rows", "steps", "scheduler", "groups")},
    **{f"{key} of another type": value(key, to="2")
       for key in ("epoch", "best_loss", "rows", "steps", "scheduler", "groups")},
    **{f"{key} null": value(key, to=None)
       for key in ("epoch", "best_loss", "rows", "steps", "scheduler", "groups")},
    "no epoch yet": value("epoch", to=0),
    "an epoch too many": value("epoch", to=3),
    "an epoch true": value("epoch", to=True),
    "the best loss is NaN": value("best_loss", to=NAN),
    "steps below one": value("steps", 0, to=0),
    "steps by halves": value("steps", 0, to=2.5),
    "another number of steps": value("steps", 0, to=10**9),
    "a row of text": value("rows", 0, to="x"),
    "a row with text": value("rows", 1, "valid_loss", to="low"),
    "a loss beyond every float": value("rows", 1, "valid_loss", to=10**400),
    "a row with true": value("rows", 1, "valid_loss", to=True),
    "a best loss beyond every float": value("best_loss", to=10**400),
    "a rate beyond every float": value("groups", 0, "lr", to=10**400),
    "a threshold beyond every float": value("scheduler", "factor", to=10**400),
    "a row more": lambda tensors, meta: meta["rows"].append(meta["rows"][0]),
    "rows out of order": lambda tensors, meta: meta["rows"].reverse(),
    "a column in one row": value("rows", 1, "more", to=1.0),
    "too few groups": lambda tensors, meta: meta["groups"].pop(),
    "a group that is a list": value("groups", 0, to=[]),
    "a negative rate": value("groups", 0, "lr", to=-1.0),
    "an infinite rate": value("groups", 0, "lr", to=INF),
    "a rate of text": value("groups", 0, "lr", to="1e-3"),
    "three betas": value("groups", 0, "betas", to=[0.9, 0.9, 0.9]),
    "a beta of one": value("groups", 0, "betas", to=[0.9, 1.0]),
    "parameters in the metadata": value("groups", 0, "params", to=[0]),
    "a flag that asks for another moment": value("groups", 0, "amsgrad", to=True),
    "an unknown setting": value("groups", 0, "x", to=0),
    "a scheduler of another optimizer": value("scheduler", "optimizer", to=0),
    "a scheduler's method": value("scheduler", "step", to=0),
    "another mode": value("scheduler", "mode", to="max"),
    "rates of more groups": value("scheduler", "min_lrs", to=[0.0] * 3),
    "negative patience": value("scheduler", "patience", to=-1),
    "a scheduler of another epoch": value("scheduler", "last_epoch", to=9),
}  # fmt: skip


def one():
    return torch.zeros(1)


@pytest.fixture(scope="module")
def state(new_state):
    """One state for every refusal, none of which may change it."""
    return new_state()


@pytest.mark.parametrize("edit", [*TENSORS.values(), *VALUES.values()], ids=[*TENSORS, *VALUES])
def test_a_checkpoint_that_does_not_fit_is_refused_before_it_is_used(run, state, tmp_path, edit):
    path = edited(run, tmp_path / "checkpoint.safetensors", edit)
    before = {name: x.clone() for name, x in state.model.state_dict().items()}
    with pytest.raises(RunError, match="damaged, or of other settings") as refused:
        state.load(path)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400
    assert state.epoch == 0
    assert not state.optimizer.state_dict()["state"]
    assert all(torch.equal(x, before[name]) for name, x in state.model.state_dict().items())


def test_a_checkpoint_of_a_run_that_diverged_holds_what_it_came_to(run, new_state, tmp_path):
    def diverge(tensors, meta):
        for name in tensors:
            if name.startswith("model/") and tensors[name].is_floating_point():
                tensors[name].fill_(NAN)
        meta["rows"][-1]["valid_loss"] = NAN

    state = new_state()
    state.load(edited(run, tmp_path / "checkpoint.safetensors", diverge))
    assert math.isnan(state.rows[-1]["valid_loss"])
    assert all(torch.isfinite(x).all() for x in state.best.values())


def test_a_checkpoint_without_a_best_epoch_is_one_of_a_run_that_never_had_any(
    run, new_state, tmp_path
):
    def no_best(tensors, meta):
        for name in [name for name in tensors if name.startswith("best/")]:
            del tensors[name]
        meta["best_loss"] = INF

    state = new_state()
    state.load(edited(run, tmp_path / "checkpoint.safetensors", no_best))
    assert state.best == {}


def test_metadata_nested_beyond_every_stack_are_refused(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, save({"x": torch.zeros(1)}, {"deadpan": "[" * 100_000}))
    with pytest.raises(RunError, match="damaged or not written by deadpan"):
        load_tensors(path)


WEIGHTS = {
    "a missing weight": drop("model/gate.logits"),
    "a weight that is NaN": fill("model/gate.logits", NAN),
    "a weight of another type": put("model/gate.logits", lambda x: x.double()),
    "no centers": drop("centers/audio"),
    "no scales": drop("scales/audio"),
    "centers of another width": put("centers/audio", lambda _: torch.zeros(7)),
    "centers of another type": put("centers/audio", lambda x: x.long()),
    "a scale of 0": fill("scales/vision", 0),
    "an infinite scale": fill("scales/vision", INF),
    "a scale of an unknown modality": lambda tensors, meta: tensors.update(
        {"centers/smell": torch.zeros(0), "scales/smell": torch.zeros(0)}
    ),
    "no scaling of a modality": lambda tensors, meta: [
        tensors.pop(f"{part}/audio") for part in ("centers", "scales")
    ],
    "a scaling of text": lambda tensors, meta: tensors.update(
        {"centers/text": torch.zeros(8), "scales/text": torch.ones(8)}
    ),
    "scaled that is text": value("scaled", to="audio"),
    "scaled with a list": value("scaled", to=[["audio"]]),
    "a scaling that text has none of": value("scaled", to=["audio", "vision", "text"]),
    "unscaled that is text": value("unscaled", to="text"),
    "unscaled of an unknown modality": value("unscaled", to=["text", "smell"]),
    "unscaled that is scaled": value("unscaled", to=["text", "audio"]),
    "an unknown tensor": put("other", lambda _: one()),
    "an unknown group of tensors": put("means/audio", lambda _: torch.zeros(6)),
    "no widths": lambda tensors, meta: meta.pop("widths"),
    "no by_group": lambda tensors, meta: meta.pop("by_group"),
    "widths that are a list": value("widths", to=[8, 6, 5]),
    "a width of text": value("widths", "text", to="8"),
    "a width beyond memory": value("widths", "text", to=10**12),
    "a width of 0": value("widths", "text", to=0),
    "by_group of 1": value("by_group", to=1),
    "by_group of another normalization": value("by_group", to=True),
}


@pytest.mark.parametrize("edit", WEIGHTS.values(), ids=WEIGHTS)
def test_weights_that_do_not_fit_are_refused(run, tmp_path, edit):
    for file in (run.config_file, run.environment_file, run.weights_file):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors, meta = load_tensors(run.weights_file)
    edit(tensors, meta)
    save_tensors(tmp_path / run.weights_file.name, tensors, meta)
    with pytest.raises(RunError, match="do not fit each other") as refused:
        open_run(tmp_path)
    assert "\n" not in str(refused.value)


def test_an_older_run_that_does_not_say_what_it_scales_opens(run, tmp_path):
    for file in (run.config_file, run.environment_file):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors, meta = load_tensors(run.weights_file)
    assert meta.pop("scaled") == ["audio", "vision"]
    assert meta.pop("unscaled") == ["text"]
    save_tensors(tmp_path / run.weights_file.name, tensors, meta)
    normalizer = open_run(tmp_path).normalizer
    assert set(normalizer.centers) == {"audio", "vision"}
    assert normalizer.unscaled == {"text"}


def test_settings_of_a_model_beyond_memory_do_not_fit_the_weights(run, tmp_path):
    for file in (run.environment_file, run.weights_file):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    text = run.config_file.read_text()
    assert "\n  width: 8\n" in text
    changed = text.replace("\n  width: 8\n", "\n  width: 40000000\n")
    (tmp_path / run.config_file.name).write_text(changed)
    with pytest.raises(RunError, match="do not fit each other"):
        open_run(tmp_path)


def test_the_values_are_those_that_a_checkpoint_has(run):
    """Each key that is edited above is one of the file's: else an edit would show nothing."""
    tensors, meta = load_tensors(run.checkpoint_file)
    assert json.loads(json.dumps(meta)) == meta
    assert {"model/gate.logits", "best/gate.logits", "optimizer/2/exp_avg", "gate"} <= set(tensors)


@pytest.fixture(scope="module")
def stepping(tmp_path_factory):
    """A run whose schedule moves at each step, and whose weights are averaged."""
    out = tmp_path_factory.mktemp("stepping") / "run"
    return train(out, epochs=2, schedule="onecycle", decay_when=20, ema=0.5)


STEPPING = {
    "no average": lambda tensors, meta: [
        tensors.pop(name) for name in list(tensors) if name.startswith("average/")
    ],
    "an average that lacks a weight": drop("average/gate.logits"),
    "an average of another shape": put("average/gate.logits", lambda _: torch.zeros(4)),
    "an average that is NaN": fill("average/gate.logits", NAN),
    "fewer steps in all": value("scheduler", "total_steps", to=1),
    "a schedule of another step": value("scheduler", "last_epoch", to=2),
    "another shape of the schedule": value("scheduler", "_anneal_func_type", to="linear"),
    "another phase": value("scheduler", "_schedule_phases", 0, "end_step", to=0.0),
    "momentum as a number": value("scheduler", "cycle_momentum", to=1.5),
    "rates of other groups": value("scheduler", "base_lrs", to=[1.0]),
}


@pytest.mark.parametrize("edit", STEPPING.values(), ids=STEPPING)
def test_an_average_and_a_schedule_that_do_not_fit_are_refused(stepping, tmp_path, edit):
    for file in stepping.path.iterdir():
        if file.name not in ("model.safetensors", "checkpoint.safetensors"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    edited(stepping, tmp_path / "checkpoint.safetensors", edit)
    with pytest.raises(RunError, match="damaged, or of other settings") as refused:
        deadpan.train(out=tmp_path, resume=True)
    assert "\n" not in str(refused.value)
