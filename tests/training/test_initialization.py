import dataclasses
import re
import shutil

import numpy as np
import pytest
import torch

from deadpan.data.generated.controlled import controlled
from deadpan.data.recipe import Recipe
from deadpan.data.store.writing import write_store
from deadpan.errors import DataError, RunError
from deadpan.training.checkpoint import load_tensors, save_tensors
from deadpan.training.opened import RunDirectory, open_run

from .tiny import DATA, MODEL, StopAt, Stopped, run_contents, train


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return train(tmp_path_factory.mktemp("source") / "run", learning_rate=0.01).path


def parameters(run):
    return dict(open_run(run).model.named_parameters())


def same(value, other):
    """Whether a step of the smallest size is all that lies between two tensors."""
    return torch.allclose(value, other, rtol=0, atol=1e-20)


def start(out, run, **changes):
    """Train by steps so small that the weights stay where they started."""
    still = {"epochs": 1, "learning_rate": 1e-30, "gate_learning_rate": 0.0}
    return train(out, init_from=str(run), seed=7, **{**still, **changes}).path


def test_a_run_starts_from_the_weights_of_another(source, tmp_path):
    weights = parameters(start(tmp_path / "run", source))
    for name, value in parameters(source).items():
        assert same(value, weights[name]), name
    other = parameters(train(tmp_path / "other", epochs=1, seed=7).path)
    assert not torch.equal(other["head.output.weight"], weights["head.output.weight"])
    facts = RunDirectory(tmp_path / "run").environment()
    assert len(facts.initial_weights) == 64
    assert facts.warnings == []


def test_an_output_layer_of_another_task_is_drawn(source, tmp_path):
    run = start(tmp_path / "run", source, loss="distribution")
    (warning,) = RunDirectory(run).environment().warnings
    assert warning == (
        f"{source} has 1 outputs and this run 25: drawn anew are head.output.weight, "
        "head.output.bias"
    )
    weights = parameters(run)
    assert weights["head.output.weight"].shape[0] == 25
    for name, value in parameters(source).items():
        assert name.startswith("head.output") or same(value, weights[name]), name


def labelled(folder, task, *labels, scale=1):
    """The path of a store of the same clips, whose labels have another task, names or scale."""
    dataset = controlled(**DATA)
    splits = {
        name: [
            dataclasses.replace(clip, label=scale * np.tile(clip.label, len(labels)))
            for clip in clips
        ]
        for name, clips in dataset.splits.items()
    }
    path = folder / "-".join(["data", task, *labels, str(scale)])
    write_store(
        dataclasses.replace(dataset, task=task, labels=labels, splits=splits), path, source={}
    )
    return str(path)


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [
        (
            {"task": ("regression", "sentiment")},
            {"task": ("scores", "sentiment")},
            "the task regression and this run scores",
        ),
        (
            {"task": ("scores", "calm", "warm")},
            {"task": ("scores", "warm", "calm")},
            "the labels calm, warm and this run warm, calm",
        ),
        (
            {"task": ("scores", "calm"), "loss": "distribution"},
            {"task": ("scores", "calm"), "loss": "distribution", "scale": 2},
            "bins from .* to .* and this run from .* to .*",
        ),
    ],
)
def test_an_output_layer_of_the_same_size_is_drawn_where_it_means_other_things(
    tmp_path, before, after, difference
):
    def options(*, task, loss=None, scale=1):
        return {"data": labelled(tmp_path, *task, scale=scale), "data_options": {}, "loss": loss}

    source = train(tmp_path / "source", epochs=1, **options(**before)).path
    run = start(tmp_path / "run", source, **options(**after))
    (warning,) = RunDirectory(run).environment().warnings
    assert re.fullmatch(
        f"{source} has {difference}: drawn anew are head.output.weight, head.output.bias", warning
    )
    weights = parameters(run)
    for name, value in parameters(source).items():
        assert same(value, weights[name]) != name.startswith("head.output"), name


def test_an_output_layer_of_another_loss_is_not_drawn(source, tmp_path):
    run = start(tmp_path / "run", source, loss="smooth_l1")
    assert RunDirectory(run).environment().warnings == []
    assert same(parameters(run)["head.output.weight"], parameters(source)["head.output.weight"])


def test_the_normalization_is_that_of_the_new_data(source, tmp_path):
    run = start(tmp_path / "run", source, data_options={**DATA, "seed": 5})
    mine, theirs = open_run(run).normalizer.centers, open_run(source).normalizer.centers
    assert (mine["audio"] != theirs["audio"]).any()


def test_a_gate_that_froze_learns_again(tmp_path):
    frozen = train(tmp_path / "frozen", epochs=1).path
    tensors, meta = load_tensors(frozen / "model.safetensors")
    tensors["model/gate.frozen"] = torch.tensor(True)
    save_tensors(frozen / "model.safetensors", tensors, meta)
    assert open_run(frozen).model.frozen
    assert not open_run(start(tmp_path / "run", frozen)).model.frozen


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "MulT", "model_options": {}}, r"\(a HCTMG, not a MulT\); give one of MulT"),
        (
            {"model_options": {**MODEL, "heads": 4}},
            r"\(heads 2, not 4\); give the same --model.heads",
        ),
        (
            {"data_options": {**DATA, "text_width": 9}},
            r"\(its weights 'projections.text.weight' is float32 \[8, 8\], wanted float32 \[8, 9\]",
        ),
        (
            {"modalities": ["text"]},
            r"\(of text, audio, vision, not of text\); give one of",
        ),
        ({"model_options": {**MODEL, "primary": "text"}}, "have an unknown 'gate.logits'"),
        ({"layer_blocks": {"text": 2}}, "lack 'layer_mixes.text.logits'"),
    ],
)
def test_weights_of_another_model_are_refused(source, tmp_path, changes, message):
    with pytest.raises(RunError, match=f"{source}: no run to start from .*{message}"):
        start(tmp_path / "run", source, **changes)
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(RunError, match="no run here"):
        start(tmp_path / "run", tmp_path / "nothing")
    with pytest.raises(Stopped):
        train(tmp_path / "half", watch=StopAt(epoch=1))
    with pytest.raises(RunError, match="has not finished"):
        start(tmp_path / "run", tmp_path / "half")
    assert not (tmp_path / "run").exists()


def stored(folder, name, *files):
    """The path of a store whose text is of a recipe with these files, or of none."""
    recipe = Recipe(
        layers="2", encoder="bert", files={name: name for name in files}, blocks=1, versions={}
    )
    dataset = dataclasses.replace(controlled(**DATA), recipes={"text": recipe} if files else {})
    write_store(dataset, folder / name, source={})
    return str(folder / name)


def test_features_of_another_encoder_are_refused(tmp_path):
    a, b, none = (stored(tmp_path, *names) for names in (("a", "one"), ("b", "two"), ("none",)))
    runs = {
        data: train(tmp_path / f"run{i}", data=data, data_options={}, epochs=1).path
        for i, data in enumerate((a, none))
    }
    messages = {
        (a, b): r"text is of another recipe than .* \(encoder bert \(.*, not bert \(",
        (a, none): "text is of no recipe, but .* was trained on that of bert",
        (none, a): "text is of the recipe of bert, but .* was trained on features of none",
    }
    for (source, data), message in messages.items():
        with pytest.raises(DataError, match=message):
            start(tmp_path / "run", runs[source], data=data, data_options={})
        assert not (tmp_path / "run").exists()
    start(tmp_path / "run", runs[a], data=a, data_options={})


@pytest.mark.parametrize("stop", [{"step": 2}, {"epoch": 2}])
def test_interrupted_it_ends_as_if_it_had_not_been(source, tmp_path, stop):
    whole = train(tmp_path / "whole", init_from=str(source)).path
    with pytest.raises(Stopped):
        train(tmp_path / "run", init_from=str(source), watch=StopAt(**stop))
    train(tmp_path / "run", init_from=str(source), resume=True)
    assert run_contents(tmp_path / "run") == run_contents(whole)
    assert run_contents(whole)["model"] != run_contents(source)["model"]


def test_a_run_with_a_checkpoint_goes_on_without_what_it_started_from(source, tmp_path):
    copy = shutil.copytree(source, tmp_path / "source")
    with pytest.raises(Stopped):
        train(tmp_path / "run", init_from=str(copy), watch=StopAt(epoch=1), loss="distribution")
    before = RunDirectory(tmp_path / "run").environment()
    shutil.rmtree(copy)
    train(tmp_path / "run", init_from=str(copy), resume=True, loss="distribution")
    after = RunDirectory(tmp_path / "run").environment()
    assert after.initial_weights == before.initial_weights != ""
    assert after.warnings == before.warnings != []


def test_a_start_that_has_changed_is_refused(tmp_path):
    source = train(tmp_path / "source", epochs=1).path
    with pytest.raises(Stopped):
        train(tmp_path / "run", init_from=str(source), watch=StopAt(step=1))
    other = train(tmp_path / "other", epochs=1, seed=3).path
    (source / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    with pytest.raises(RunError, match=f"{source}: its weights have changed since the run started"):
        train(tmp_path / "run", init_from=str(source), resume=True)
