"""studies/parity: its comparer, on a small stand-in for an official repository."""

import csv
import dataclasses
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from comparer import Case, compare
from metric_cases import NUMBERS, UNEXPLAINED, Evaluation, _our_numbers, compare_metrics
from repositories import REPOSITORIES, Repository, commit, importable, obstacle, python_2
from torch import nn

from deadpan.metrics.classification import binary_weighted_f1

NETWORK = """
import torch
from torch import nn
from parts.maps import Map


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = Map(4, 3), Map(3, 2)

    def forward(self, x):
        state = torch.zeros(len(x), 3) + self.first(x)
        return self.second(state.tanh())
"""
MAP = """
from torch import nn


class Map(nn.Linear):
    pass
"""


@pytest.fixture
def folder(tmp_path):
    """A repository whose network maps twice, with a tanh between."""
    home = tmp_path / "official"
    (home / "parts").mkdir(parents=True)
    (home / "net.py").write_text(NETWORK)
    (home / "parts/__init__.py").write_text("raise AssertionError('must not be run')")
    (home / "parts/maps.py").write_text(MAP)
    return home


class Ours(nn.Module):
    """The same network with other names, and both maps in one parameter where they can be."""

    def __init__(self, between):
        super().__init__()
        self.between = between
        self.enter, self.leave = nn.Linear(4, 3), nn.Linear(3, 2)

    def forward(self, x):
        return self.leave(self.between(self.enter(x)))


def case(folder, between=torch.tanh, **changes):
    with importable(folder, ["parts"]):
        from net import Net
    theirs, ours = Net(), Ours(between)
    weights = {
        f"{name}.{end}": (lambda w, key=f"{source}.{end}": w[key])
        for name, source in {"enter": "first", "leave": "second"}.items()
        for end in ("weight", "bias")
    }
    made = Case(
        name="Net",
        part="whole",
        theirs=theirs,
        ours=ours,
        run_theirs=lambda x: theirs(x["text"]),
        run_ours=lambda x: ours(x["text"]),
        inputs={"text": torch.linspace(-2, 2, 20, dtype=torch.float64).view(5, 4)},
        weights=weights,
    )
    return dataclasses.replace(made, **changes)


def test_the_same_network_has_the_same_outputs_and_gradients(folder):
    single, double = compare(case(folder))
    assert (single.dtype, double.dtype) == ("float32", "float64")
    for x, most in ((single, 1e-5), (double, 1e-13)):
        assert x.outputs.largest <= most
        assert x.gradients.largest <= most
        assert x.outputs.scale > 0.1
        assert x.gradients.numbers == 3 * 4 + 3 + 2 * 3 + 2 + 20


def test_another_function_is_seen_in_outputs_and_gradients(folder):
    _, double = compare(case(folder, between=torch.sin))
    assert double.outputs.largest > 1e-3
    assert double.gradients.largest > 1e-3


def test_the_same_outputs_with_other_gradients_are_seen(folder):
    _, double = compare(case(folder, between=lambda x: x.detach().tanh()))
    assert double.outputs.largest < 1e-13
    assert double.gradients.largest > 1e-3
    cut = ("enter", "inputs")
    _, double = compare(case(folder, between=lambda x: x.detach().tanh(), cut=cut))
    assert double.gradients.largest < 1e-13
    assert double.gradients.numbers == 2 * 3 + 2


def test_a_parameter_that_is_not_made_of_theirs_is_an_error(folder):
    made = case(folder)
    less = {name: take for name, take in made.weights.items() if name != "leave.bias"}
    with pytest.raises(ValueError, match=r"without a source, or the reverse: leave\.bias"):
        compare(dataclasses.replace(made, weights=less))
    wrong = {**made.weights, "leave.bias": lambda w: w["second.bias"][:1]}
    with pytest.raises(ValueError, match=r"leave\.bias has shape \(2,\); got \(1,\)"):
        compare(dataclasses.replace(made, weights=wrong))


def test_nothing_of_a_repository_remains(folder):
    before, path = set(sys.modules), list(sys.path)
    case(folder)
    assert {
        name for name in set(sys.modules) - before if name in ("net", "parts", "parts.maps")
    } == set()
    assert sys.path == path
    assert not list(folder.rglob("*.pyc"))


def test_modules_of_python_2_run(tmp_path):
    (tmp_path / "consts.py").write_text(
        "class gc:\n    width = 3\n    def show(self):\n        print 'x', 1\n"
    )
    (tmp_path / "layer.py").write_text(
        "from consts import gc\n\ndef twice(rows):\n"
        "    return map(lambda x: 2 * x, rows)[:gc.width]\n"
    )
    _, layer = python_2(tmp_path, ("consts", "layer"))
    assert layer.twice([1, 2, 3, 4]) == [2, 4, 6]
    assert "consts" not in sys.modules
    assert obstacle(tmp_path) == "consts.py is Python 2 (line 4)"
    (tmp_path / "consts.py").write_text("from keras.layers import Input\n")
    assert obstacle(tmp_path) == "consts.py needs Keras"
    (tmp_path / "empty").mkdir()
    assert obstacle(tmp_path / "empty") == "the repository holds no code"


def test_a_commit_is_that_of_the_clone(folder):
    assert commit(folder, ["net.py"]) == "not a clone"

    def git(*words):
        name = ["-c", "user.name=x", "-c", "user.email=x"]
        subprocess.run(["git", "-C", folder, *name, *words], check=True, capture_output=True)

    git("init", "-q")
    git("add", "net.py")
    git("commit", "-qm", "x")
    clean = commit(folder, ["net.py"])
    assert len(clean) == 12
    (folder / "net.py").write_text("")
    assert commit(folder, ["net.py"]) == clean + "+"
    assert commit(folder / "parts", ["maps.py"]) == "not a clone"


def evaluation(score):
    kinds = {name: NUMBERS[name] for name in ("random", "all labels 0", "constant prediction")}
    return Evaluation(name="x", score=score, ours=_our_numbers, draw=kinds, tolerance=1e-12)


def test_a_metric_that_differs_is_explained_or_said_not_to_be():
    def swapped(prediction, label):
        told = dict(_our_numbers(prediction, label))
        kept = label != 0
        if not kept.any():
            return "IndexError"
        told["f1_non0"] = binary_weighted_f1(label[kept] > 0, prediction[kept] > 0)
        return told | {"mae": told["mae"] + (0.5 if len(label) > 30 else 0)}

    rows = compare_metrics(evaluation(swapped), vectors=90)
    told = {(row["metric"], row["why"].split(":")[0]): row for row in rows}
    assert told["acc7", ""]["vectors"] == 60
    assert told["all", "every label is 0"]["kinds"] == "all labels 0"
    assert told["all", "every label is 0"]["vectors"] == 30
    (f1,) = [row for row in rows if row["metric"] == "f1_non0" and row["why"]]
    assert f1["why"].startswith("theirs takes predictions for labels")
    unexplained = told["mae", UNEXPLAINED]
    assert unexplained["difference"] == pytest.approx(0.5)
    assert unexplained["vectors"] + told["mae", ""]["vectors"] == 60


def test_vectors_are_of_their_kind():
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert not NUMBERS["all labels 0"](rng)[1].any()
        assert np.ptp(NUMBERS["constant prediction"](rng)[0]) == 0
        prediction, label = NUMBERS["ties at .5"](rng)
        assert ((2 * prediction) % 1 == 0).all()
        assert ((2 * label) % 1 == 0).all()


@pytest.fixture
def script():
    path = Path(__file__).parents[2] / "studies/parity/run.py"
    spec = importlib.util.spec_from_file_location("parity_run", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_was_not_given_says_how_to_get_it(script, tmp_path):
    assert script.main(["--out", str(tmp_path)]) == 0
    text = (tmp_path / "parity.md").read_text()
    for option, repository in REPOSITORIES.items():
        assert f"`git clone https://github.com/{repository.name}`, then --{option} FOLDER" in text
    rows = list(csv.DictReader((tmp_path / "parity.csv").read_text().splitlines()))
    found = json.loads((tmp_path / "parity.json").read_text())
    assert [row["model"] for row in rows] == [row["model"] for row in found["models"]]
    assert {"MulT", "RAVEN", "MCTN", "MARN", "RMFN", "CIA"} <= {row["model"] for row in rows}


def test_a_folder_that_is_not_the_repository_is_refused(script, folder, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    assert script.main(["--mult", str(folder), "--out", str(out)]) == 2
    told = capsys.readouterr().err
    assert "has no src/models.py, so it is not yaohungt/Multimodal-Transformer" in told
    assert "give the folder that 'git clone " in told
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ("between", "departs", "status", "result"),
    [
        (torch.tanh, "", 0, "same"),
        (torch.sin, "", 1, "NOT EXPLAINED: differs"),
        (torch.sin, "a sine", 0, "differs: a sine"),
        (torch.tanh, "a sine", 1, "NOT EXPLAINED: the same"),
    ],
)
def test_the_status_tells_whether_all_is_explained(
    script, folder, tmp_path, monkeypatch, between, departs, status, result
):
    small = Repository(name="a/b", models=("Net",), files={"net.py": "class Net"})
    monkeypatch.setattr(script, "REPOSITORIES", {"small": small})
    monkeypatch.setattr("repositories.REPOSITORIES", {"small": small})
    monkeypatch.setattr(script, "CASES", {"small": lambda x: [case(x, between, departs=departs)]})
    assert script.main(["--small", str(folder), "--out", str(tmp_path)]) == status
    (row,) = [x for x in json.loads((tmp_path / "parity.json").read_text())["models"] if x["part"]]
    assert row["result"] == result
    assert row["parameters"] == row["their parameters"] == 23
    assert "| Net | whole | a/b | 23 | " in (tmp_path / "parity.md").read_text()


def test_code_that_does_not_run_here_is_told_as_one_line(
    script, folder, tmp_path, monkeypatch, capsys
):
    small = Repository(name="a/b", models=("Net",), files={"net.py": "class Net"})
    monkeypatch.setattr(script, "REPOSITORIES", {"small": small})
    monkeypatch.setattr("repositories.REPOSITORIES", {"small": small})
    monkeypatch.setattr(script, "CASES", {"small": case})
    (folder / "net.py").write_text("import nowhere\n\nclass Net: ...\n")
    assert script.main(["--small", str(folder), "--out", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "does not run here (ModuleNotFoundError: No module named 'nowhere')" in told
    assert told.count("\n") == 1
