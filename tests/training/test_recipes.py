import dataclasses

import pytest

import deadpan
from deadpan.data import load
from deadpan.data.feature_recipe import Column, FeatureRecipe
from deadpan.data.recipe import Recipe
from deadpan.data.store.writing import write_store
from deadpan.errors import DataError

from .tiny import DATA, StopAt, Stopped, train

RECIPE = Recipe(
    layers="6-9", encoder="mpnet", files={"x": "0"}, blocks=1, versions={}, precision="single"
)
OTHER = dataclasses.replace(RECIPE, layers="7")
MEASURED = FeatureRecipe(
    name="open-1",
    rate=12.5,
    columns=(Column(name="pitch", unit="Hz", source="swift-f0", low=0.0, high=500.0),),
    files={"swift-f0/model.onnx": "0" * 64},
)


def store(path, recipe):
    dataset = load("controlled", **DATA)
    recipes = {"text": recipe} if recipe else {}
    write_store(dataclasses.replace(dataset, recipes=recipes), path, source={})
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipes")
    return train(
        folder / "run", data=str(store(folder / "data", RECIPE)), data_options={}, epochs=1
    )


def test_a_run_records_the_recipes_of_its_data(run):
    assert run.environment().dataset.recipes == {"text": RECIPE}


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (OTHER, r"text is of another recipe than .* \(layers 7, not 6-9\); encode it again, E"),
        (None, r"text is of no recipe, but .* was trained on that of mpnet; encode it again, E"),
        (MEASURED, r"text is of another recipe than .* \(open-1, not mpnet\); encode it again, E"),
    ],
)
def test_data_of_another_recipe_are_not_predicted(recipe, message, run, tmp_path):
    with pytest.raises(DataError, match=message):
        deadpan.predict(run.path, store(tmp_path / "new", recipe))


def test_data_of_the_same_recipe_or_without_the_modality_are_predicted(run, tmp_path):
    rounded = dataclasses.replace(RECIPE, versions={"torch": "0"}, encoder="elsewhere")
    assert len(deadpan.predict(run.path, store(tmp_path / "new", rounded))) == DATA["clips"]
    dataset = load("controlled", **DATA).only(["audio"])
    write_store(dataset, tmp_path / "audio", source={})
    assert len(deadpan.predict(run.path, tmp_path / "audio")) == DATA["clips"]


def test_features_of_another_recipe_than_those_measured_are_not_predicted(tmp_path):
    data = str(store(tmp_path / "data", MEASURED))
    run = train(tmp_path / "run", data=data, data_options={}, epochs=1)
    assert run.environment().dataset.recipes == {"text": MEASURED}
    assert len(deadpan.predict(run.path, data)) == DATA["clips"]
    advice = r"measure it again: deadpan extract FOLDER --labels TABLE --recipe open-1 --out STORE"
    for recipe, difference in (
        (dataclasses.replace(MEASURED, name="open-2"), r"recipe open-2, not open-1"),
        (RECIPE, r"mpnet, not open-1"),
    ):
        new = store(tmp_path / recipe.name, recipe)
        message = rf"text is of another recipe than .* \({difference}\); {advice}"
        with pytest.raises(DataError, match=message):
            deadpan.predict(run.path, new)
    with pytest.raises(DataError, match=r"text is of no recipe, .* that of open-1; measure it"):
        deadpan.predict(run.path, store(tmp_path / "none", None))


def test_layers_of_what_was_measured_are_refused(tmp_path):
    data = str(store(tmp_path / "data", MEASURED))
    with pytest.raises(DataError, match=r"text, which was measured by open-1 and has no layers"):
        train(tmp_path / "run", data=data, data_options={}, layer_blocks={"text": 2})


def test_a_run_does_not_go_on_with_data_that_were_encoded_anew(tmp_path):
    data = store(tmp_path / "data", RECIPE)
    with pytest.raises(Stopped):
        train(tmp_path / "run", data=str(data), data_options={}, watch=StopAt(epoch=1))
    data.unlink()
    store(data, OTHER)
    with pytest.raises(DataError, match=r"layers 7, not 6-9"):
        train(tmp_path / "run", data=str(data), data_options={}, resume=True)
    data.unlink()
    store(data, RECIPE)
    train(tmp_path / "run", data=str(data), data_options={}, resume=True)
    data.unlink()
    store(data, OTHER)
    with pytest.raises(DataError, match=r"layers 7, not 6-9"):
        deadpan.evaluate(tmp_path / "run")


def test_a_run_of_features_that_no_encoder_made_predicts_any(tmp_path):
    run = train(tmp_path / "run", epochs=1)
    assert run.environment().dataset.recipes == {}
    assert len(deadpan.predict(run.path, store(tmp_path / "new", RECIPE))) == DATA["clips"]


@pytest.mark.parametrize(
    ("blocks", "count", "told"),
    [
        (
            4,
            2,
            r"text holds 2 layers, .* 4 blocks \(layers 6-9 of mpnet\); give --layer_blocks.text 4",
        ),
        (1, 2, r"text holds 2 layers, but it was encoded with 1 block \(.*\); leave it out"),
    ],
)
def test_layers_unlike_those_of_the_recipe_are_refused(blocks, count, told, tmp_path):
    data = str(store(tmp_path / "data", dataclasses.replace(RECIPE, blocks=blocks)))
    with pytest.raises(DataError, match=told):
        train(tmp_path / "run", data=data, data_options={}, layer_blocks={"text": count})
    assert not (tmp_path / "run").exists()


def test_layers_of_the_recipe_or_of_no_recipe_are_read(tmp_path):
    data = str(store(tmp_path / "data", dataclasses.replace(RECIPE, blocks=4)))
    layer_blocks = {"text": 4, "vision": 5}
    train(tmp_path / "run", data=data, data_options={}, epochs=1, layer_blocks=layer_blocks)
