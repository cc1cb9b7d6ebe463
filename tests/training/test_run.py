import dataclasses
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
import torch

import deadpan
from deadpan.data.generated.controlled import controlled
from deadpan.data.store.writing import write_store
from deadpan.errors import DeadpanError, RunError
from deadpan.models import HCTMG
from deadpan.training import run as training
from deadpan.training.checkpoint import load_tensors
from deadpan.training.evaluation import predict_clips
from deadpan.training.opened import open_run
from deadpan.training.run import GATE_FLOOR, make_optimizer, make_scheduler

from .tiny import DATA, STEPS, rows, run_contents, train


def refusal(out, **changes):
    with pytest.raises(DeadpanError) as caught:
        train(out, **changes)
    assert "\n" not in str(caught.value)
    assert not out.exists()
    assert list(out.parent.iterdir()) == []
    return str(caught.value)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(tmp_path_factory.mktemp("runs") / "run")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "HCTGM"}, "unknown model 'HCTGM'; did you mean 'HCTMG'?"),
        ({"model_options": {"layer": 2}}, "did you mean 'layers'?"),
        ({"model_options": {"width": 8, "heads": 3}}, "heads"),
        ({"data": "controled"}, "did you mean 'controlled'?"),
        ({"data_options": {"clip": 2}}, "did you mean 'clips'?"),
        ({"modalities": ["txt"]}, "did you mean 'text'?"),
        ({"modalities": []}, "wants names, each once"),
        ({"epochs": 0}, "epochs must be above 0"),
        ({"accelerator": "abacus"}, "--accelerator cpu"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_a_run_is_made(tmp_path, changes, message):
    assert message in refusal(tmp_path / "run", **changes)


def test_a_run_that_exists_is_left_as_it_is(run):
    before = run_contents(run.path)
    with pytest.raises(RunError, match="exists already; choose another --out, or go on with"):
        train(run.path)
    assert run_contents(run.path) == before


def test_a_run_directory_holds_what_it_says(run):
    assert sorted(p.name for p in run.path.iterdir()) == [
        "checkpoint.safetensors",
        "config.yaml",
        "environment.json",
        "epochs.csv",
        "gate.csv",
        "model.safetensors",
        "uncertainty.json",
    ]
    facts = run.environment()
    assert facts.task == "regression"
    assert facts.labels == ("sentiment",)
    assert facts.modalities == ("text", "audio", "vision")
    assert facts.dataset.splits == {"train": 10, "valid": 2, "test": 4}
    model = open_run(run.path).model
    assert facts.parameters == sum(p.numel() for p in model.parameters())


def test_no_pickle_is_in_a_run(run):
    for path in run.path.iterdir():
        content = path.read_bytes()
        # Pickles start with \x80 and a protocol up to 5; torch.save makes zip archives.
        assert not (content[:1] == b"\x80" and content[1] <= 5), path
        assert not content.startswith(b"PK"), path
    for path in run.path.glob("*.safetensors"):
        size = int.from_bytes(path.read_bytes()[:8], "little")
        assert path.read_bytes()[8:9] == b"{" and size < path.stat().st_size


def test_the_kept_weights_are_those_of_the_best_epoch(run):
    table = rows(run.path / "epochs.csv")
    losses = [float(row["valid_loss"]) for row in table]
    best = [i for i, row in enumerate(table) if row["best"] == "1"]
    assert best == [i for i in range(3) if losses[i] < min([*losses[:i], float("inf")])]
    tensors, meta = load_tensors(run.checkpoint_file)
    assert meta["best_loss"] == min(losses)
    model = open_run(run.path).model
    assert not model.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, tensors[f"best/{name}"]), name


def test_the_scheduler_lowers_the_rate_after_an_epoch_without_progress(tmp_path):
    # A rate at which no run improves for long; decay_when 0 acts on each epoch that did not. In
    # eight epochs it cannot reach 1e-8, below which torch lets a rate be.
    train(tmp_path / "run", epochs=8, learning_rate=1.0)
    table = rows(tmp_path / "run" / "epochs.csv")
    rate = 1.0
    for row in table:
        assert float(row["learning_rate"]) == pytest.approx(rate)
        if row["best"] == "0":
            rate /= 10
    assert rate < 1.0


def test_configuration_and_weights_rebuild_the_model(run, tmp_path):
    for name in ("config.yaml", "environment.json", "model.safetensors"):
        (tmp_path / name).write_bytes((run.path / name).read_bytes())
    one, other = open_run(run.path), open_run(tmp_path)
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[name])
    assert set(one.normalizer.centers) == set(other.normalizer.centers) == {"audio", "vision"}
    assert [one.normalizer.scales[m].shape for m in ("audio", "vision")] == [(6,), (5,)]


def test_every_hyperparameter_is_written_down(run):
    options = run.settings().model_options
    assert options["width"] == 8  # given
    assert "residual_dropout" in options  # a default, which a later version may change


def diverging(monkeypatch, after):
    """Predictions on the validation split are NaN from the epoch after ``after``."""
    calls = []

    def predict(network, clips, widths, *, device=None):
        calls.append(0)
        outputs = predict_clips(network, clips, widths, device=device)
        return outputs if len(calls) <= after else np.full_like(outputs, np.nan)

    monkeypatch.setattr("deadpan.training.loop.predict_clips", predict)


def test_diverging_at_once_leaves_advice_and_nothing_else(tmp_path, monkeypatch):
    diverging(monkeypatch, after=0)
    with pytest.raises(DeadpanError, match="lower learning rate") as caught:
        train(tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_diverging_late_keeps_the_best_epoch(tmp_path, monkeypatch):
    diverging(monkeypatch, after=1)
    run = train(tmp_path / "run", epochs=4)
    assert run.weights_file.is_file()
    rows = (run.path / "epochs.csv").read_text().splitlines()
    assert len(rows) == 1 + 2
    assert deadpan.evaluate(run.path)["rows"]


def test_a_watch_is_told_of_every_step_and_epoch(tmp_path):
    calls = []

    class Watch:
        def step(self, epoch, step, steps, loss):
            calls.append((epoch, step, steps))

        def epoch(self, row):
            calls.append(row["epoch"])

    train(tmp_path / "run", epochs=2, watch=Watch())
    assert calls == [
        *[(1, step, STEPS) for step in range(1, STEPS + 1)],
        1,
        *[(2, step, STEPS) for step in range(1, STEPS + 1)],
        2,
    ]


def test_the_first_process_that_a_launcher_starts_makes_the_run(tmp_path, monkeypatch):
    # torchrun numbers the first one too.
    monkeypatch.setitem(os.environ, "LOCAL_RANK", "0")
    assert train(tmp_path / "run", epochs=1).config_file.is_file()


def test_a_task_without_numbers_builds_no_model_for_intervals(tmp_path, monkeypatch):
    dataset = controlled(**DATA)
    splits = {
        name: [
            dataclasses.replace(clip, label=np.eye(2, dtype=np.float32)[int(clip.label[0] > 0)])
            for clip in clips
        ]
        for name, clips in dataset.splits.items()
    }
    labels = ("negative", "positive")
    dataset = dataclasses.replace(dataset, task="classes", labels=labels, splits=splits)
    write_store(dataset, tmp_path / "data", source={})
    calls, build = [], training.build
    monkeypatch.setattr(training, "build", lambda *args: calls.append(args) or build(*args))
    run = train(tmp_path / "run", data=str(tmp_path / "data"), data_options={}, epochs=1)
    assert not run.uncertainty_file.exists()
    assert len(calls) == 2  # its sizes, and the model that is trained


def test_clips_that_a_model_cannot_read_are_refused_before_a_run_is_made(tmp_path):
    message = refusal(tmp_path / "run", model="EFLSTM", model_options={})
    assert (
        "clip 'clip00000' has modalities of different lengths (text 21, audio 89, vision 107)"
        in message
    )
    assert "--model.ctc true" in message


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_a_freed_block_is_not_asked_for_again():
    script = (
        "import resource, numpy\n"
        "from deadpan.training.run import keep_freed_memory\n"
        "keep_freed_memory()\n"
        "def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "numpy.ones(1 << 24)\n"
        "before = faults()\n"
        "for _ in range(10): numpy.ones(1 << 24)\n"
        "print(faults() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = 10 * (1 << 27) // 4096
    assert int(done.stdout) < pages / 10


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(training.ctypes, "CDLL", lambda name: pytest.fail("asked for a library"))
    training.keep_freed_memory()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(training.ctypes, "CDLL", lambda name: object())  # as with musl
    training.keep_freed_memory()


SIZES = {"widths": {"text": 4, "audio": 3, "vision": 2}, "outputs": 1, "width": 4, "heads": 2}


def groups(model, **changes):
    options = {"learning_rate": 1e-5, "gate_learning_rate": None, "weight_decay": 0.1, **changes}
    return make_optimizer(model, **options).param_groups


@pytest.mark.parametrize("primary", [None, "text"])
def test_every_parameter_is_in_one_group(primary):
    model = HCTMG(**SIZES, primary=primary)
    ids = [id(p) for group in groups(model) for p in group["params"]]
    assert sorted(ids) == sorted(id(p) for p in model.parameters())
    assert len(groups(model)) == (2 if primary is None else 1)


@pytest.mark.parametrize(
    ("rate", "gate_rate", "wanted"),
    [(1e-5, None, GATE_FLOOR), (0.01, None, 0.01), (0.01, 1e-6, 1e-6), (0.01, 0.0, 0.0)],
)
def test_the_gate_has_a_rate_of_its_own_and_no_decay(rate, gate_rate, wanted):
    rest, gate = groups(HCTMG(**SIZES), learning_rate=rate, gate_learning_rate=gate_rate)
    assert (rest["lr"], rest["weight_decay"]) == (rate, 0.1)
    assert (gate["lr"], gate["weight_decay"]) == (wanted, 0.0)


def test_layers_side_by_side_are_read_as_their_sum(tmp_path):
    run = train(tmp_path / "run", epochs=1, layer_blocks={"text": 4, "vision": 5})
    opened = open_run(run.path)
    assert opened.model.widths == {"text": 8, "audio": 6, "vision": 5}
    assert opened.model.layer_mixes["text"].logits.shape == (4,)
    assert opened.model.projections["text"].in_features == 2
    assert deadpan.evaluate(run.path)["rows"][2]["metrics"]["mae"] > 0
    assert deadpan.export(run.path).deviation < 1e-5
    train(run.path, epochs=1, layer_blocks={"text": 4, "vision": 5}, resume=True)
    with pytest.raises(DeadpanError, match="text holds 3 layers, but it has 8 features"):
        train(tmp_path / "other", layer_blocks={"text": 3})
    assert not (tmp_path / "other").exists()


def test_the_scheduler_waits_and_divides_every_rate_by_ten():
    optimizer = make_optimizer(
        HCTMG(**SIZES), learning_rate=0.01, gate_learning_rate=0.1, weight_decay=0.0
    )
    scheduler = make_scheduler(optimizer, patience=2)
    rates = []
    for loss in (1.0, 0.5, 0.6, 0.6, 0.6, 0.6):
        scheduler.step(loss)
        rates.append([group["lr"] for group in optimizer.param_groups])
    assert rates[:4] == [[0.01, 0.1]] * 4
    assert torch.allclose(torch.tensor(rates[4:]), torch.tensor([[0.001, 0.01]] * 2))
