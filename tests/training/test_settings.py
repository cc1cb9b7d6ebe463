import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml

from deadpan.errors import DeadpanError
from deadpan.training.settings import Settings

COUNTS = ("epochs", "batch_size", "devices")


def refusal(**values):
    with pytest.raises(DeadpanError) as caught:
        Settings.from_dict({"data": "controlled", **values})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_only_the_data_is_required():
    assert Settings.from_dict({"data": "controlled"}) == Settings(data="controlled")
    with pytest.raises(DeadpanError, match="names no data; add 'data: NAME_OR_PATH'"):
        Settings.from_dict({})


def test_an_unknown_setting_is_answered_with_the_nearest():
    text = refusal(learning_rat=0.1)
    assert "unknown setting 'learning_rat'; did you mean 'learning_rate'?" in text


@pytest.mark.parametrize("name", [*COUNTS, "learning_rate", "gradient_clip"])
def test_what_must_be_above_zero_is(name):
    whole = name in COUNTS
    for value in (0, -1) if whole else (0.0, -1.0, float("nan")):
        assert f"{name} must be above 0; got {value}" in refusal(**{name: value})


@pytest.mark.parametrize("name", ["seed", "decay_when", "weight_decay", "gate_learning_rate"])
def test_what_must_not_be_negative_is_not(name):
    whole = name in ("seed", "decay_when")
    assert getattr(Settings.from_dict({"data": "x", name: 0}), name) == 0
    for value in (-1,) if whole else (-1.0, float("nan")):
        assert f"{name} must not be negative; got {value}" in refusal(**{name: value})


@pytest.mark.parametrize("name", [*COUNTS, "seed", "decay_when"])
@pytest.mark.parametrize("value", [1.5, "3", True, None])
def test_whole_numbers_are_whole(name, value):
    assert f"{name} wants a whole number; got {value!r}" in refusal(**{name: value})


@pytest.mark.parametrize("name", ["learning_rate", "weight_decay", "gradient_clip"])
def test_numbers_are_numbers(name):
    # YAML 1.1 reads 1e-3, without a point, as text.
    assert yaml.safe_load("1e-3") == "1e-3"
    for value in ("1e-3", True, None, [1]):
        assert f"{name} wants a number such as 0.001; got {value!r}" in refusal(**{name: value})


def test_a_normalization_is_one_of_the_known():
    text = refusal(normalization="rubost")
    assert "unknown normalization 'rubost'; did you mean 'robust'?" in text


def test_a_precision_is_one_of_the_known():
    assert "did you mean 'bf16-mixed'?" in refusal(precision="bf16-mix")


@pytest.mark.parametrize("name", ["seed", "epochs", "devices", "batch_size", "decay_when"])
def test_no_whole_number_is_endless(name):
    assert f"{name} must be at most " in refusal(**{name: 99999999999999999999})


def test_what_another_machine_trained_with_is_no_mistake():
    # More than this one has, whichever it is.
    assert Settings.from_dict({"data": "x", "devices": 1024}).devices == 1024


@pytest.mark.parametrize("names", [[], ["text", "text"]])
def test_modalities_are_named_once_each(names):
    assert f"wants names, each once, as in [text, audio]; got {names}" in refusal(modalities=names)


def test_modalities_are_a_list():
    assert "modalities wants a list; got 'text'" in refusal(modalities="text")


def test_yaml_holds_all_that_was_set():
    settings = Settings.from_dict(
        {
            "data": "label.csv",
            "data_options": {"vectors": Path("glove.txt"), "nested": ({"a": np.float64(0.5)},)},
            "modalities": ("text",),
            "model_options": {"layers": np.int64(3)},
            "seed": np.int64(7),
            "learning_rate": 1e-5,
            "weight_decay": 0,
        }
    )
    text = yaml.safe_dump(settings.to_dict(), sort_keys=False)
    again = Settings.from_dict(yaml.safe_load(text))
    assert settings.difference(again) is None
    assert again.difference(settings) is None
    assert again.data_options == {"vectors": "glove.txt", "nested": [{"a": 0.5}]}
    assert list(settings.to_dict()) == [field.name for field in dataclasses.fields(Settings)]


def test_the_first_difference_is_named():
    one, other = Settings(data="a", seed=1, epochs=2), Settings(data="a", seed=2, epochs=3)
    assert one.difference(one) is None
    assert one.difference(other) == "seed: 1, not 2"


@pytest.mark.parametrize("value", [-0.1, 1.0, 2.0, float("nan")])
def test_an_average_forgets(value):
    assert f"ema must be from 0 to below 1; got {value}" in refusal(ema=value)


def test_losses_and_schedules_are_those_that_are_known():
    assert "did you mean 'smooth_l1'?" in refusal(loss="smooth-l1")
    assert "did you mean 'onecycle'?" in refusal(schedule="one_cycle")
    assert Settings.from_dict({"data": "x", "loss": None}).loss is None


def test_patience_is_above_zero_and_does_not_end_one_cycle():
    assert "patience must be above 0; got 0" in refusal(patience=0)
    assert "onecycle must run to its end; got 3" in refusal(schedule="onecycle", patience=3)
    assert Settings.from_dict({"data": "x", "patience": None}).patience is None


def test_decay_when_belongs_to_plateau():
    text = refusal(schedule="onecycle", decay_when=5)
    assert "decay_when belongs to the schedule plateau; got 5 with onecycle: leave it out" in text
    assert Settings.from_dict({"data": "x", "schedule": "onecycle", "decay_when": 20})


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings(data="a").seed = 2
