"""What exists, what is exported, what is documented and what is tested are one and the same."""

import importlib
import inspect
import json
import pkgutil
import re

import pytest

from deadpan import api, models
from deadpan.catalogue import CATALOGUE, PRESETS, read_catalogue
from deadpan.errors import unknown_name
from deadpan.models import MODELS, Model, display_name
from deadpan.models.aligned import AlignedModel
from deadpan.models.base import hyperparameters
from deadpan.models.description import describe_models

from .contracts.small import VARIANTS


def defined():
    """Subclasses of Model in any module of deadpan.models, by name."""
    found = set()
    for module in pkgutil.iter_modules(models.__path__, "deadpan.models."):
        classes = inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
        found |= {n for n, c in classes if issubclass(c, Model) and not inspect.isabstract(c)}
    return found


def test_every_model_is_registered_exported_listed_and_tested():
    assert set(MODELS) == defined() != set()
    assert set(MODELS) == {name for name in models.__all__ if name in MODELS}
    assert set(MODELS) == {row["name"] for row in api.list_models()}
    assert set(MODELS.values()) == {kind for kind, _ in VARIANTS}
    assert all(name == kind.__name__ for name, kind in MODELS.items())


def test_every_export_exists():
    assert all(hasattr(models, name) for name in models.__all__)


def test_every_model_has_a_title_of_its_own():
    titles = {name: kind.title for name, kind in MODELS.items()}
    assert {name: title for name, title in titles.items() if title != name} == {
        "EFLSTM": "EF-LSTM",
        "GraphMFN": "Graph-MFN",
        "HCTMG": "HCT-MG",
        "LFDNN": "LF-DNN",
        "LFLSTM": "LF-LSTM",
        "LMFMulT": "LMF-MulT",
    }
    assert all(title.replace("-", "") == name for name, title in titles.items())


@pytest.mark.parametrize("kind", MODELS.values(), ids=lambda kind: kind.__name__)
def test_a_title_typed_as_a_name_is_answered_with_the_name(kind):
    assert display_name(kind.__name__) == kind.title
    if kind.title not in MODELS:
        message = unknown_name("model", kind.title, MODELS)
        assert f"'{kind.title}'; did you mean '{kind.__name__}'?" in message


@pytest.mark.parametrize("name", ["train mean", "ridge", "HCT-MG", "HCT-T", "LMF, wide", ""])
def test_a_name_that_is_no_model_is_displayed_unchanged(name):
    assert display_name(name) == name


@pytest.mark.parametrize("kind", MODELS.values(), ids=lambda kind: kind.__name__)
def test_a_model_names_its_paper(kind):
    assert re.fullmatch(r".+ (19|20)\d\d, .+", kind.paper)


@pytest.mark.parametrize("kind", MODELS.values(), ids=lambda kind: kind.__name__)
def test_a_model_documents_every_hyperparameter_in_order(kind):
    # What a model hands on to its parent is documented there.
    parents = [AlignedModel] if issubclass(kind, AlignedModel) else []
    documented = []
    for described in [kind, *parents]:
        arguments = inspect.getdoc(described).split("Args:\n")[1]
        names = re.findall(r"^    (\w+): ", arguments, re.MULTILINE)
        documented += [name for name in names if name not in documented]
    assert documented == ["widths", "outputs", *hyperparameters(kind)]


@pytest.mark.parametrize("kind", MODELS.values(), ids=lambda kind: kind.__name__)
def test_a_hyperparameter_is_named_typed_and_has_a_default(kind):
    for parameter in hyperparameters(kind).values():
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.annotation is not parameter.empty
        assert parameter.default is not parameter.empty


CHOICES = {
    "RMFN": {"ctc"},
    "MFN": {"ctc"},
    "MCTN": {"ctc", "pooling"},
    "MARN": {"ctc"},
    "GraphMFN": {"ctc"},
    "EFLSTM": {"ctc", "pooling"},
    "LFLSTM": {"pooling"},
    "LFDNN": {"pooling"},
    "TFN": {"pooling"},
    "LMF": {"pooling"},
    "LMFMulT": {"pooling", "reader"},
    "CIA": {"pooling"},
    "HCTMG": {
        "primary",
        "gate",
        "gate_per",
        "sharing",
        "reader",
        "bidirectional",
        "mask_future",
        "pooling",
        "embedding_dropout_on",
    },
    "MulT": {"mask_future", "pooling", "reader", "embedding_dropout_on", "initialization"},
    "RAVEN": {"ctc", "pooling", "formula"},
}
"""What each model lets choose, by hand; a model that is not listed has sizes and rates only."""


@pytest.mark.parametrize("kind", MODELS.values(), ids=lambda kind: kind.__name__)
def test_each_choice_of_a_model_is_tested(kind):
    options = [options for tested, options in VARIANTS if tested is kind]
    assert {} in options
    assert {name for option in options for name in option} == CHOICES.get(kind.__name__, set())
    numbers = {name for name, p in hyperparameters(kind).items() if p.annotation in (int, float)}
    assert numbers | CHOICES.get(kind.__name__, set()) == set(hyperparameters(kind))


@pytest.mark.parametrize("kind", MODELS.values(), ids=lambda kind: kind.__name__)
def test_presets_name_data_sets_and_hyperparameters_that_exist(kind):
    assert kind.presets.keys() <= PRESETS.keys()
    for preset, options in kind.presets.items():
        assert options.keys() <= hyperparameters(kind).keys()
        assert kind.parameters_at(**PRESETS[preset], **options) > 0


def test_the_catalogue_is_that_of_the_models():
    remedy = "python -m deadpan.models.description writes it anew"
    assert json.loads(CATALOGUE.read_text(encoding="utf-8")) == describe_models(), remedy
    for name, entry in read_catalogue().items():
        options = {option.name: option for option in entry.hyperparameters}
        assert options.keys() == hyperparameters(MODELS[name]).keys()
        for key, parameter in hyperparameters(MODELS[name]).items():
            assert options[key].annotation == parameter.annotation
            assert options[key].default == parameter.default


def test_a_listed_size_is_that_of_the_presets_of_the_model():
    for row in api.list_models():
        kind = MODELS[row["name"]]
        for preset, sizes in PRESETS.items():
            model = kind(**sizes, **kind.presets.get(preset, {}))
            assert row["parameters"][preset] == sum(p.numel() for p in model.parameters())
