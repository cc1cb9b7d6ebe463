"""Runs that other tools follow: what these read back is what epochs.csv holds."""

import csv
import sys
import types

import pytest

import deadpan
from deadpan.errors import DeadpanError
from deadpan.training import loggers

TINY = {"data": "controlled", "data_options": {"clips": 40}, "model": "AttentionPool"}


def epochs_of(run):
    with (run.path / "epochs.csv").open(newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def test_tensorboard_reads_every_epoch_also_of_a_run_that_went_on(tmp_path):
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    class Killed(Exception):
        pass

    class Killer:
        def step(self, epoch, step, steps, loss):
            if epoch == 2:
                raise Killed

        def epoch(self, row):
            pass

    settings = {**TINY, "epochs": 3, "out": tmp_path / "run", "log": "tensorboard"}
    with pytest.raises(Killed):
        deadpan.train(**settings, watch=Killer())
    run = deadpan.train(**settings, resume=True)
    events = EventAccumulator(str(run.path / "log")).Reload()
    rows = epochs_of(run)
    for name in ("train_loss", "valid_loss", "valid_mae"):
        logged = events.Scalars(name)
        assert [event.step for event in logged] == [1, 2, 3]
        assert [event.value for event in logged] == pytest.approx([row[name] for row in rows])


def test_csv_has_every_epoch(tmp_path):
    run = deadpan.train(**TINY, epochs=2, out=tmp_path / "run", log="csv")
    with (run.path / "log" / "version_0" / "metrics.csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    assert [int(row["step"]) for row in rows] == [1, 2]
    expected = [row["valid_loss"] for row in epochs_of(run)]
    assert [float(row["valid_loss"]) for row in rows] == pytest.approx(expected)


def test_mlflow_reads_every_epoch_and_the_settings(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="needs the extra mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    run = deadpan.train(**TINY, epochs=2, out=tmp_path / "run", log="mlflow")
    client = mlflow.MlflowClient()
    (found,) = client.search_runs([client.get_experiment_by_name("deadpan").experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.params["model"] == "AttentionPool"
    assert found.data.params["data_options.clips"] == "40"
    history = client.get_metric_history(found.info.run_id, "valid_loss")
    expected = [row["valid_loss"] for row in epochs_of(run)]
    assert [point.value for point in history] == pytest.approx(expected)
    assert (run.path / "log" / "mlflow.txt").read_text() == found.info.run_id


class FakeService:
    """Records what wandb would be told; the real one was tried by hand, offline."""

    def __init__(self, **options):
        self.options, self.logged, self.exit_code = options, [], None
        self.config = {}

    def log(self, metrics, step):
        self.logged.append((step, metrics))

    def finish(self, exit_code):
        self.exit_code = exit_code


@pytest.fixture
def wandb(monkeypatch):
    services = []

    def init(**options):
        services.append(FakeService(**options))
        services[-1].config = types.SimpleNamespace(
            update=lambda values, allow_val_change: services[-1].__setattr__("settings", values)
        )
        return services[-1]

    module = types.ModuleType("wandb")
    module.__spec__ = types.SimpleNamespace(name="wandb")
    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    return services


def test_wandb_is_told_the_settings_every_epoch_and_the_end(tmp_path, wandb):
    deadpan.train(**TINY, epochs=2, out=tmp_path / "run", log="wandb")
    (service,) = wandb
    assert service.options["resume"] == "allow"
    assert (service.options["project"], service.options["name"]) == ("deadpan", "run")
    assert service.settings["epochs"] == 2
    assert [step for step, _ in service.logged] == [1, 2]
    assert service.exit_code == 0


def test_a_run_that_goes_on_is_the_same_run_of_wandb(tmp_path, wandb):
    settings = {**TINY, "out": tmp_path / "run", "log": "wandb"}

    class Stop:
        def step(self, *_):
            pass

        def epoch(self, row):
            if row["epoch"] == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deadpan.train(**settings, epochs=2, watch=Stop())
    deadpan.train(**settings, epochs=2, resume=True)
    first, second = wandb
    assert first.options["id"] == second.options["id"]
    assert (first.exit_code, second.exit_code) == (1, 0)
    assert [step for service in wandb for step, _ in service.logged] == [1, 2]


def test_a_service_that_fails_stops_no_training(tmp_path, wandb, monkeypatch):
    def gone(*_, **__):
        raise ConnectionError("the server is gone")

    monkeypatch.setattr(FakeService, "log", gone)
    with pytest.warns(UserWarning, match=r"--log wandb failed .*the server is gone"):
        run = deadpan.train(**TINY, epochs=2, out=tmp_path / "run", log="wandb")
    assert len(epochs_of(run)) == 2


def test_an_unknown_logger_and_one_that_is_not_installed_are_refused(tmp_path, monkeypatch):
    out = tmp_path / "run"
    with pytest.raises(DeadpanError, match="unknown logger 'tensorbord'; did you mean 'tensorboar"):
        deadpan.train(**TINY, out=out, log="tensorbord")
    monkeypatch.setattr(loggers, "find_spec", lambda _: None)
    with pytest.raises(DeadpanError, match=r"pip install 'deadpan\[mlflow\]'"):
        deadpan.train(**TINY, out=out, log="mlflow")
    assert not out.exists()
