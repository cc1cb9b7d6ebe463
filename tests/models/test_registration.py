import sys
from typing import Literal

import pytest
import torch
from jaxtyping import config

import deadpan
from deadpan import api
from deadpan.cli import main
from deadpan.errors import DeadpanError
from deadpan.models import MODELS, Model, MulT, find_model, register
from deadpan.types import Output


@pytest.fixture
def _types_unchecked():
    """For arguments of wrong types: outside of tests nothing checks them before our own code."""
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", before)


FILE = '''
import torch
from deadpan.models import Model, register
from deadpan.types import Output

@register
class {name}(Model):
    """Predicts a number that it learns."""

    def __init__(self, *, widths, outputs, scale: float = 1.0):
        super().__init__(widths=widths, outputs=outputs)
        self.x = torch.nn.Parameter(torch.zeros(outputs))
        self.scale = scale

    def forward(self, batch):
        return Output(prediction=(self.scale * self.x).expand(len(batch), -1))
'''


@pytest.fixture(autouse=True)
def _models_stay_as_they_are():
    known = dict(MODELS)
    yield
    MODELS.clear()
    MODELS.update(known)


def constant(**changes):
    """A class that needs nothing more, but for what is changed."""

    class Constant(Model):
        def __init__(self, *, widths, outputs, size: int = 2, kind: Literal["a", "b"] = "a"):
            super().__init__(widths=widths, outputs=outputs)
            self.x = torch.nn.Parameter(torch.zeros(outputs))

        def forward(self, batch):
            return Output(prediction=self.x.expand(len(batch), -1))

    return type(Model)("Constant", (Constant,), {"__module__": __name__, **changes})


def test_a_registered_class_is_found_by_its_name_and_listed_last():
    kind = register(constant())
    assert find_model("Constant") is kind
    row = api.list_models()[-1]
    assert (row["name"], row["paper"]) == ("Constant", "")
    assert row["parameters"] == {"MOSI": 1, "MOSEI": 1, "IEMOCAP": 8}
    assert register(MulT) is MulT


def test_a_preset_that_it_refuses_has_no_size(capsys):
    register(constant(most_modalities=2))
    assert api.list_models()[-1]["parameters"] == {}
    assert main(["models"]) == 0
    assert "–" in capsys.readouterr().out


def test_the_same_class_again_takes_its_place_but_no_other():
    register(constant())
    again = register(constant())
    assert MODELS["Constant"] is again
    with pytest.raises(DeadpanError, match=r"another model is called Constant \(tests"):
        register(constant(__module__="elsewhere"))
    taken = type("MulT", (constant(),), {})
    with pytest.raises(DeadpanError, match=r"called MulT \(deadpan.models.mult.MulT\); rename"):
        register(taken)
    assert MODELS["MulT"] is MulT


def bad_init(self, *, widths): ...


def untyped(self, *, widths, outputs, size=2): ...


def without_default(self, *, widths, outputs, size: int): ...


def positional(self, widths, outputs, size: int = 2): ...


@pytest.mark.usefixtures("_types_unchecked")
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (torch.nn.Linear, "wants a subclass of deadpan.models.Model; got <class"),
        ("MulT", "wants a subclass of deadpan.models.Model; got 'MulT'"),
        (type("Empty", (Model,), {}), "Empty lacks forward, which a model needs; define it"),
        (constant(__init__=bad_init), "Constant does not take outputs, which the data give"),
        (constant(__init__=untyped), "size of Constant must be keyword-only, .*; got 'size=2'"),
        (constant(__init__=without_default), "size of Constant must be .* and a default; got"),
        (constant(__init__=positional), "size of Constant must be keyword-only"),
    ],
)
def test_what_cannot_be_trained_is_refused(kind, message):
    with pytest.raises(DeadpanError, match=message):
        register(kind)
    assert "Constant" not in MODELS


@pytest.mark.usefixtures("_types_unchecked")
def test_training_takes_a_class(tmp_path):
    settings = {"data_options": {"clips": 40}, "epochs": 1, "out": tmp_path / "run"}
    with pytest.raises(DeadpanError, match="wants a subclass"):
        deadpan.train("controlled", model=torch.nn.Linear, **settings)
    assert not (tmp_path / "run").exists()
    run = deadpan.train("controlled", model=constant(), model_options={"size": 3}, **settings)
    assert run.settings.model == "Constant"
    assert len(run.predictions("valid")) == 6
    del MODELS["Constant"]
    with pytest.raises(DeadpanError, match=rf"Constant is a class of {__name__}, .*import the mod"):
        deadpan.load_run(run.path)
    with pytest.raises(DeadpanError, match="not registered here"):
        deadpan.evaluate(run.path)


def test_the_command_line_knows_the_models_of_a_file(tmp_path, monkeypatch, capsys):
    file = tmp_path / "file_of_models.py"
    file.write_text(FILE.format(name="FromFile"))
    out = tmp_path / "run"
    train = ["train", "--data=controlled", "--data_options.clips=40", "--epochs=1", f"--out={out}"]
    train += ["--model=FromFile", "--model.scale=2"]
    assert main(train) == 2
    assert "unknown model 'FromFile'" in capsys.readouterr().err
    monkeypatch.setenv("DEADPAN_MODELS", f" {file} , ")
    monkeypatch.delitem(sys.modules, file.stem, raising=False)
    assert main([*train[:-1], "--model.scales=2"]) == 2
    assert "did you mean '--model.scale'" in capsys.readouterr().err
    assert main(train) == 0
    assert main(["evaluate", str(out)]) == 0
    assert "FromFile" in capsys.readouterr().out
    del MODELS["FromFile"], sys.modules[file.stem]
    assert deadpan.load_run(out).settings.model == "FromFile"
    del sys.modules[file.stem]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("broken_models.py", "ZeroDivisionError: division by zero"),
        ("json.py", "ImportError: the name json is taken; rename the file"),
    ],
)
def test_models_that_cannot_be_imported_are_named(source, reason, tmp_path, monkeypatch):
    for name in ("broken_models.py", "json.py"):
        (tmp_path / name).write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEADPAN_MODELS", source)
    for _ in range(2):
        with pytest.raises(DeadpanError, match=f"DEADPAN_MODELS: {source} .*{reason}"):
            find_model("Mine")
