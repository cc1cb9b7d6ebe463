import subprocess
import sys

import pytest

from deadpan import types
from deadpan.data.components import find_component
from deadpan.errors import DataError
from deadpan.extraction import recipes
from deadpan.extraction.recipes import RECIPES, feature_recipes
from deadpan.extraction.voice import VOICE_COLUMNS


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_bears_its_name_and_its_columns_differ(name):
    for modality, recipe in feature_recipes(name).items():
        assert modality in types.MODALITIES
        assert recipe.name == name
        names = [column.name for column in recipe.columns]
        assert len(set(names)) == len(names) > 0
        assert all(len(sha256) == 64 for sha256 in recipe.files.values())


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
