import dataclasses

import pytest

from deadpan.data.recipe import EncodingOptions, Recipe, layer_groups
from deadpan.data.store.format import parse_recipes
from deadpan.errors import DataError

RECIPE = Recipe(
    layers="6-9",
    encoder="/models/all-mpnet",
    files={"config.json": "c" * 64, "model.safetensors": "d" * 64},
    blocks=1,
    versions={"torch": "2"},
)


@pytest.mark.parametrize(
    ("layers", "groups"),
    [
        ("6", ((6,),)),
        ("0", ((0,),)),
        ("6-9", ((6, 7, 8, 9),)),
        ("5-6, 9-10,12", ((5, 6), (9, 10), (12,))),
        ("all", tuple((layer,) for layer in range(13))),
    ],
)
def test_layers_are_parsed_into_blocks(layers, groups):
    assert layer_groups(layers, depth=12) == groups


@pytest.mark.parametrize("layers", ["", "six", "9-6", "6-", "1,,2", "-1", "1.5", "All"])
def test_what_is_no_list_of_layers_is_refused(layers):
    with pytest.raises(DataError, match=r"no layer and no range of them; give such as 6, 6-9"):
        EncodingOptions(layers=layers)


def test_a_layer_beyond_the_last_is_refused():
    with pytest.raises(DataError, match=r"layers 6-14: the encoder has no layer 14; .* to 12"):
        layer_groups("6-14", depth=12)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"template": "Review:"}, "has {text} 0 times"),
        ({"template": "{text} {text}"}, "has {text} 2 times"),
        ({"states": "last"}, "there is no template; give one such as"),
        ({"context": -1}, "context -1: give a number of clips, 0 for none"),
    ],
)
def test_templates_that_cannot_be_read_are_refused(options, told):
    with pytest.raises(DataError, match=told):
        EncodingOptions(layers="1", **options)


def test_recipes_differ_where_their_features_do():
    same = {"encoder": "elsewhere/mpnet", "versions": {}, "precision": "single"}
    assert RECIPE.difference(dataclasses.replace(RECIPE, **same)) == ""
    assert RECIPE.digest == dataclasses.replace(RECIPE, **same).digest
    for change, told in (
        ({"layers": "7"}, "layers 6-9, not 7"),
        ({"states": "token"}, "states word, not token"),
        ({"casing": "lower"}, "casing as_is, not lower"),
        ({"template": "a {text}"}, "template {text}, not a {text}"),
        ({"context": 5}, "context 0, not 5"),
        (
            {"files": {"config.json": "e" * 64}},
            f"encoder all-mpnet ({RECIPE.short_hash}), not all-mpnet (",
        ),
    ):
        other = dataclasses.replace(RECIPE, **change)
        assert RECIPE.difference(other).startswith(told)
        assert RECIPE.digest != other.digest


def test_the_digest_of_a_recipe_without_context_is_that_of_older_versions():
    # Computed before recipes had a context.
    assert RECIPE.digest == "2bd9adba37aef77e14acd9d337257635b70dce422cf9f3c5f71281dff92e77ba"
    old = {k: x for k, x in dataclasses.asdict(RECIPE).items() if k != "context"}
    assert parse_recipes({"recipes": {"text": old}}) == {"text": RECIPE}


def test_a_recipe_is_shown_in_a_line():
    assert str(RECIPE) == (
        f"all-mpnet ({RECIPE.short_hash}), layers 6-9, a step per word, stored in half precision"
    )
    prompt = {"states": "last", "template": "{text}:\n", "casing": "lower", "precision": "single"}
    assert str(dataclasses.replace(RECIPE, **prompt)).endswith(
        r"the last token, lower case, template '{text}:\n', stored in single precision"
    )
    assert ", a step per word, 5 clips of context, stored" in str(
        dataclasses.replace(RECIPE, context=5)
    )
