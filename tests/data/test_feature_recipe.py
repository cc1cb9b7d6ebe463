import dataclasses
import math

import pytest

from deadpan.data.feature_recipe import Column, FeatureRecipe, recipe_difference
from deadpan.data.recipe import Recipe
from deadpan.errors import DataError

PITCH = Column(name="pitch", unit="Hz", source="model 1", low=0.0, high=500.0)
LOUDNESS = Column(name="loudness", unit="dB", source="numpy", low=-100.0, high=0.0)
MEASURED = FeatureRecipe(
    name="open-1", rate=12.5, columns=(PITCH, LOUDNESS), files={"m/model.onnx": "a" * 64}
)
ENCODED = Recipe(layers="6-9", encoder="mpnet", files={"x": "0"}, blocks=1, versions={})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "open-2"}, "recipe open-1, not open-2"),
        ({"rate": 25.0}, "both are called open-1, but 12.5 steps per second is not 25 steps per s"),
        ({"rate": None}, "both are called open-1, but 12.5 steps per second is not words"),
        ({"columns": (PITCH,)}, "both are called open-1, but it has 2 columns, not 1"),
        (
            {"columns": (dataclasses.replace(PITCH, unit="semitone"), LOUDNESS)},
            "but pitch (Hz, model 1) is not pitch (semitone, model 1)",
        ),
        ({"files": {"m/model.onnx": "b" * 64}}, "m/model.onnx is aaaaaaaaaaaa, not bbbbbbbbbbbb"),
        ({"files": {}}, "m/model.onnx is aaaaaaaaaaaa, not none"),
    ],
)
def test_recipes_that_differ_say_in_what(change, message):
    other = dataclasses.replace(MEASURED, **change)
    assert message in MEASURED.difference(other)
    assert MEASURED.digest != other.digest


def test_the_same_recipe_differs_in_nothing():
    same = dataclasses.replace(MEASURED, files=dict(MEASURED.files))
    assert MEASURED.difference(same) == recipe_difference(MEASURED, same) == ""
    assert MEASURED.digest == same.digest


def test_an_encoded_modality_is_no_measured_one():
    assert recipe_difference(ENCODED, MEASURED) == "mpnet, not open-1"
    assert recipe_difference(MEASURED, ENCODED) == "open-1, not mpnet"
    other = dataclasses.replace(ENCODED, layers="7")
    assert recipe_difference(ENCODED, other) == "layers 6-9, not 7"


@pytest.mark.parametrize(("low", "high"), [(1.0, 0.0), (-math.inf, 0.0), (0.0, math.nan)])
def test_bounds_that_json_cannot_hold_are_refused(low, high):
    with pytest.raises(DataError, match="column pitch: low .* wanted low <= high, finite"):
        dataclasses.replace(PITCH, low=low, high=high)


def test_hidden_states_are_blocks_of_numbers_and_other_columns_are_one():
    state = Column(name="layer_1", unit="", source="wavlm", low=-1.0, high=1.0, count=8)
    columns = (state, dataclasses.replace(state, name="layer_2"))
    states = dataclasses.replace(MEASURED, columns=columns, precision="half")
    assert (states.width, states.blocks, states.dtype) == (16, 2, "<f2")
    assert (MEASURED.width, MEASURED.blocks, MEASURED.dtype) == (2, 1, "<f4")
    wider = dataclasses.replace(states, columns=(dataclasses.replace(state, count=9), columns[1]))
    assert wider.digest != states.digest
    assert states.digest != dataclasses.replace(states, precision="single").digest
