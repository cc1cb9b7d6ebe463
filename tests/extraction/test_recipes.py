import subprocess
import sys
from pathlib import Path
from runpy import run_path

import pytest

from deadpan import types
from deadpan.data.components import find_component
from deadpan.errors import DataError
from deadpan.extraction import recipes
from deadpan.extraction.measuring import METERS
from deadpan.extraction.recipes import feature_recipes, find_recipe, named_recipes
from deadpan.extraction.voice import VOICE_COLUMNS


@pytest.mark.parametrize("name", named_recipes())
def test_every_recipe_bears_its_name_and_its_columns_differ(name):
    for modality, recipe in feature_recipes(name).items():
        assert modality in types.MODALITIES
        assert recipe.name == name
        names = [column.name for column in recipe.columns]
        assert len(set(names)) == len(names) > 0
        assert all(len(sha256) == 64 for sha256 in recipe.files.values())
        assert set(names).isdisjoint(find_recipe(name).lacks.get(modality, ()))
        assert modality == "text" or modality in METERS[name]


def test_open_1_is_what_it_says():
    text, audio, vision = (feature_recipes("open-1")[name] for name in types.MODALITIES)
    assert len(text.columns) == 51
    assert [text.columns[i].name for i in (0, 49, 50)] == [
        "glove_1",
        "glove_50",
        "word_probability",
    ]
    assert text.rate is None
    matrix = find_component("glove-6b-50d").files[0]
    assert text.files[f"glove-6b-50d/{matrix.file}"] == matrix.sha256
    assert (audio.columns, audio.rate) == (VOICE_COLUMNS, 12.5)
    assert (len(vision.columns), vision.rate) == (59, 15)
    assert str(audio) == "open-1, 12.5 steps per second"
    assert str(text) == "open-1, a step per word"


def test_own_vectors_are_the_text_of_a_recipe_that_takes_them(tmp_path):
    vectors = tmp_path / "tiny.txt"
    vectors.write_text("good 0.5 1 2\nbad -1 0 3\n")
    ours = feature_recipes("glove-covarep-facet", vectors)
    assert [column.name for column in ours["text"].columns] == ["glove_1", "glove_2", "glove_3"]
    assert {column.source for column in ours["text"].columns} == {"tiny.txt"}
    assert len(ours["text"].files["tiny.txt"]) == 64
    component = feature_recipes("glove-covarep-facet")
    assert {name: recipe == component[name] for name, recipe in ours.items()} == {
        "text": False,
        "audio": True,
        "vision": True,
    }
    message = "open-1 has vectors of its own; give --recipe glove-covarep-facet, or no vectors"
    with pytest.raises(DataError, match=message):
        feature_recipes("open-1", vectors)
    vectors.write_text("good 0.5 1 2\nbad -1\n")
    with pytest.raises(DataError, match="line 2: has 1 numbers; wanted 3"):
        feature_recipes("glove-covarep-facet", vectors)


def test_the_documentation_lists_what_the_recipes_are():
    docs = Path(__file__).parents[2] / "docs"
    script = run_path(str(docs / "write_recipes.py"))
    remedy = "run: python docs/write_recipes.py"
    assert (docs / "recipes.md").read_text(encoding="utf-8") == script["page"](), remedy
    recordings = (docs / "recordings.md").read_text(encoding="utf-8")
    assert recordings == script["with_overview"](recordings), remedy
    lacks = {name: len(x) for name, x in find_recipe("glove-covarep-facet").lacks.items()}
    assert f"lacks {lacks['audio']} of COVAREP's columns and {lacks['vision']} of F" in recordings


def test_modalities_are_called_as_everywhere():
    assert (recipes.TEXT, recipes.AUDIO, recipes.VISION) == types.MODALITIES


def test_an_unknown_recipe_is_refused():
    with pytest.raises(DataError, match="unknown recipe 'open1'; did you mean 'open-1'"):
        feature_recipes("open1")


def test_a_recipe_needs_neither_torch_nor_the_extra():
    script = (
        "import sys; from deadpan.extraction.recipes import feature_recipes;"
        "feature_recipes('open-1');"
        "print(*{'torch', 'pandas', 'librosa', 'onnxruntime', 'pyarrow'} & set(sys.modules))"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (process.returncode, process.stdout, process.stderr) == (0, "\n", "")
