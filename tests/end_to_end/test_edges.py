"""Settings at the edge: refused before anything is written, or run to the end."""

import copy
import dataclasses
import inspect
import shutil

import pytest
import yaml

import deadpan
from deadpan.api import benchmark
from deadpan.benchmarking.grid import GridData, GridFile, GridSystem
from deadpan.benchmarking.runner import finished
from deadpan.benchmarking.search import Search
from deadpan.cli import main
from deadpan.data.generated.controlled import controlled
from deadpan.models import MODELS
from deadpan.models.base import hyperparameters
from deadpan.training import memory
from deadpan.training.run import train_run
from deadpan.training.scoring import evaluate_run
from deadpan.training.settings import Settings

from .edges import (
    TEXTS,
    TINY,
    edges,
    fields_table,
    hyperparameter_table,
    listing,
    outcome,
    settings_table,
    small,
    some_texts,
)

RUN = {"data": "controlled", "model": "LFDNN", "epochs": 1}


@pytest.fixture(autouse=True)
def little_memory(monkeypatch):
    """The same on every machine: a model that wants more than 100 MB is refused."""
    monkeypatch.setattr(memory, "free_memory", lambda: 100_000_000)


def failures(folder, annotation, settings_with, tried=slice(None)):
    """Each value at the edge with which a run neither ends nor is refused as it should be.

    Of values with which it may run, which takes longest, only some are tried.
    """
    wrong, either = edges(annotation)
    either = either[tried]
    for number, value in enumerate([*wrong, *either]):
        out = folder / str(number)
        settings = settings_with(value)
        ended = outcome(lambda s=settings, out=out: deadpan.train(out=out, **s), folder)
        if ended == "ran" and "model.safetensors" not in listing(out):
            ended = "ran, and left nothing"
        if ended != "refused" and (number < len(wrong) or ended != "ran"):
            yield f"{value!r:.60} {ended}"


@pytest.mark.parametrize(
    ("path", "annotation"),
    [*settings_table()],
    ids=lambda x: ".".join(x) if type(x) is tuple else "",
)
def test_a_setting(path, annotation, tmp_path):
    def settings(value):
        if len(path) == 1:
            # The data is a parameter of the function itself, and so a text.
            return {**RUN, "data_options": TINY, path[0]: str(value) if "data" in path else value}
        return {**RUN, "data": path[2], "data_options": {**TINY, path[1]: value}}

    assert list(failures(tmp_path, annotation, settings)) == []


@pytest.mark.parametrize(
    ("kind", "name", "annotation"),
    [*hyperparameter_table()],
    ids=lambda x: x if isinstance(x, str) else getattr(x, "__name__", ""),
)
def test_a_hyperparameter(kind, name, annotation, tmp_path):
    def settings(value):
        options = {**small(kind), name: value}
        return {**RUN, "data_options": TINY, "model": kind.__name__, "model_options": options}

    half = slice(len(kind.__name__ + name) % 2, None, 2)
    assert list(failures(tmp_path, annotation, settings, half)) == []


def told(capsys, arguments, folder):
    """How a command ended: ``refused``, ``ran``, or what is wrong with it."""
    before = listing(folder)
    status = main(arguments)
    shown = capsys.readouterr()
    if status == 0:
        return "ran"
    if status != 2 or shown.err.count("\n") != 1 or not shown.err.startswith("deadpan: error: "):
        return f"status {status}: {shown.err}"
    return "refused" if listing(folder) == before else f"wrote, then refused: {shown.err}"


OPTIONS = [field.name for field in dataclasses.fields(Settings)]
OPTIONS += [f"data_options.{name}" for name in inspect.signature(controlled).parameters]
OPTIONS += [f"model.{name}" for name in hyperparameters(MODELS["LFDNN"])]


@pytest.mark.parametrize("number", range(len(OPTIONS)), ids=OPTIONS)
def test_an_option_of_train_as_a_text(number, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    option = f"--{OPTIONS[number]}".replace("--model_options", "--model")
    small_run = [f"--data_options.{name}={value}" for name, value in TINY.items()]
    for text in some_texts(number):
        arguments = ["train", "--data=controlled", "--model=LFDNN", "--epochs=1", *small_run]
        ended = told(capsys, [*arguments, f"{option}={text}"], tmp_path)
        assert ended == "refused" or (ended == "ran" and listing(tmp_path)), (option, text, ended)
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)


SMALL = {"epochs": 1, "model": "LFDNN", "data_options": TINY}
# Twice: a key that is replaced by nothing must leave a small grid.
GRID = {
    "seeds": [1],
    "settings": SMALL,
    "data": {"made": {"data": "controlled"}},
    "systems": {"one": SMALL},
}


@pytest.fixture
def at_once(monkeypatch):
    """Runs of a grid in this process: starting others would take a hundred times as long."""

    def run_cases(cases, runs, **options):
        for case in cases:
            if not finished(case, runs):
                run = train_run(case.settings, runs / case.directory)
                if case.trial is None:
                    evaluate_run(run)
        return {}

    monkeypatch.setattr("deadpan.benchmarking.run.run_cases", run_cases)


def write_grid(folder, values):
    (folder / "grid.yaml").write_text(yaml.safe_dump(values))


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("name", [*inspect.signature(benchmark).parameters])
def test_an_option_of_benchmark_as_a_text(name, tmp_path, capsys, monkeypatch):
    if name == "watch":
        return
    monkeypatch.chdir(tmp_path)
    write_grid(tmp_path, GRID)
    texts = TEXTS if name == "workers" else some_texts(len(name), 6)
    for text in [*texts, "grid.yaml", ",", "made,made"]:
        arguments = [text] if name == "config" else ["grid.yaml", f"--{name}={text}"]
        ended = told(capsys, ["benchmark", *arguments], tmp_path)
        assert ended == "refused" or list(tmp_path.rglob("tables.json")), (name, text, ended)
        for path in tmp_path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)


KEYS = fields_table(GridFile, GridData, GridSystem, Search)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("kind", "name", "annotation"),
    KEYS,
    ids=lambda x: getattr(x, "__name__", x if isinstance(x, str) else ""),
)
def test_a_key_of_a_grid(kind, name, annotation, tmp_path):
    wrong, either = edges(annotation)
    space = {"learning_rate": {"low": 1e-4, "high": 1e-3, "log": True}}
    for number, value in enumerate([*wrong, *either, {}, []]):
        values = copy.deepcopy(GRID)
        if kind is Search:
            values["search"] = {"trials": 2, "space": space, name: value}
        else:
            at = {GridFile: values, GridData: values["data"]["made"]}
            at.get(kind, values["systems"]["one"])[name] = value
        write_grid(tmp_path, values)
        out = tmp_path / str(number)
        ended = outcome(
            lambda out=out: deadpan.benchmark(tmp_path / "grid.yaml", out=out), tmp_path
        )
        assert ended == "refused" or (ended == "ran" and (out / "tables.json").is_file()), (
            value,
            ended,
        )
