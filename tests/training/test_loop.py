import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import OneCycleLR

from deadpan.data.generated.controlled import controlled
from deadpan.data.store.reading import OpenStore
from deadpan.data.store.writing import write_store
from deadpan.training.checkpoint import load_tensors, unnested
from deadpan.training.loop import seed_everything, training_steps
from deadpan.training.opened import load_data
from deadpan.training.settings import Settings

from ..data.store.toy_datasets import unchecked
from .tiny import DATA, STEPS, StopAt, Stopped, rows, train


def draw(*parts):
    seed_everything(*parts)
    return torch.rand(2).tolist()


def test_the_same_parts_draw_the_same():
    assert draw(1, 2, 3) == draw(1, 2, 3)


def test_any_part_changes_every_draw():
    parts = [*itertools.product(range(4), repeat=3), *itertools.product(range(4), repeat=2), (0,)]
    assert len({tuple(draw(*each)) for each in parts}) == len(parts)


def test_seeds_of_any_size_are_taken():
    assert draw(2**62, 2**62) != draw(2**62, 2**62 + 1)


def weights_after(out, steps, **changes):
    """The weights of a run's model after each of its first steps, from its checkpoints."""
    weights = []
    for step in range(1, steps + 1):
        # With one batch an epoch is a step, and each leaves a checkpoint.
        train(out / str(step), batch_size=64, epochs=step, **changes)
        tensors, _ = load_tensors(out / str(step) / "checkpoint.safetensors")
        weights.append(unnested("model", tensors))
    return weights


def test_the_average_is_what_is_validated_and_kept(tmp_path):
    weights = weights_after(tmp_path, 3, ema=0.6)
    tensors, _ = load_tensors(tmp_path / "3" / "checkpoint.safetensors")
    shares = np.array([0.36, 0.6, 1.0])
    for name, average in unnested("average", tensors).items():
        parts = [share * each[name] for share, each in zip(shares, weights, strict=True)]
        torch.testing.assert_close(average, sum(parts) / shares.sum())
        assert not torch.equal(average, weights[-1][name])
    losses = [float(row["valid_loss"]) for row in rows(tmp_path / "3" / "epochs.csv")]
    best = 1 + int(np.argmin(losses))
    then, _ = load_tensors(tmp_path / str(best) / "checkpoint.safetensors")
    for name, average in unnested("average", then).items():
        assert torch.equal(tensors[f"best/{name}"], average)
    # Training itself goes on from the weights, not from their average.
    train(tmp_path / "plain", batch_size=64, epochs=3)
    plain, _ = load_tensors(tmp_path / "plain" / "checkpoint.safetensors")
    for name, x in unnested("model", plain).items():
        assert torch.equal(x, weights[-1][name])
    assert not unnested("average", plain)


def test_one_cycle_is_that_of_torch_over_all_steps(tmp_path):
    settings = {"schedule": "onecycle", "decay_when": 20, "gate_learning_rate": 0.02}
    train(tmp_path / "run", **settings)
    first, second = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    groups = [{"params": [first], "lr": 1e-3}, {"params": [second], "lr": 0.02}]
    optimizer = torch.optim.Adam(groups)
    wanted = OneCycleLR(optimizer, [1e-3, 0.02], total_steps=3 * STEPS)
    rates = []
    for _ in range(3 * STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        wanted.step()
    logged_rates = [float(row["learning_rate"]) for row in rows(tmp_path / "run" / "epochs.csv")]
    assert logged_rates == rates[::STEPS]
    _, meta = load_tensors(tmp_path / "run" / "checkpoint.safetensors")
    assert [group["lr"] for group in meta["groups"]] == wanted.get_last_lr()
    assert meta["groups"][1]["max_lr"] == 0.02


def test_patience_ends_a_run_that_no_longer_gets_better(tmp_path):
    """Weights that do not move are as good in every epoch as in the first."""
    still = {"epochs": 9, "learning_rate": 1e-30, "gate_learning_rate": 0.0, "patience": 3}
    assert len(rows(train(tmp_path / "still", **still).path / "epochs.csv")) == 4
    # What is done is not done again.
    train(tmp_path / "still", resume=True, **still)
    assert len(rows(tmp_path / "still" / "epochs.csv")) == 4
    moving = {"epochs": 4, "learning_rate": 0.01, "patience": 3}
    assert len(rows(train(tmp_path / "moving", **moving).path / "epochs.csv")) == 4


def test_steps_are_counted_for_each_process():
    settings = Settings(data="controlled", data_options=DATA, epochs=3, batch_size=4)
    dataset = load_data(settings)
    assert training_steps(dataset, settings, context=False) == 3 * STEPS
    two = dataclasses.replace(settings, devices=2)
    assert training_steps(dataset, two, context=False) == 3 * 2


def test_steps_of_whole_videos_are_counted_without_reading_a_clip(tmp_path, monkeypatch):
    write_store(controlled(**DATA), tmp_path / "store", source={})
    settings = Settings(data=str(tmp_path / "store"), epochs=3, batch_size=4)
    wanted = training_steps(controlled(**DATA), settings, context=True)
    stored = load_data(settings)
    monkeypatch.setattr(OpenStore, "clip", None)
    with unchecked():
        assert training_steps(stored, settings, context=True) == wanted


def test_a_model_that_reads_videos_takes_one_cycle_too(tmp_path):
    options = {"model": "CIA", "model_options": {"hidden": 4, "width": 4}}
    settings = {"schedule": "onecycle", "decay_when": 20, **options}
    train(tmp_path / "whole", **settings)
    with pytest.raises(Stopped):
        train(tmp_path / "run", watch=StopAt(epoch=1), **settings)
    train(tmp_path / "run", resume=True, **settings)
    wholes, _ = load_tensors(tmp_path / "whole" / "model.safetensors")
    for name, x in load_tensors(tmp_path / "run" / "model.safetensors")[0].items():
        assert torch.equal(x, wholes[name])
