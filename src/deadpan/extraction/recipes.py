"""Feature recipes by name: what is measured of text, voice and face, and with which models.

The number in a name is the recipe's version. Whoever changes what a number means, or the model that
it comes from, gives the recipe a new one: runs and stores keep the recipe of their features whole,
and refuse others.
"""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from deadpan.data.components import COMPONENTS, find_component
from deadpan.data.containers.files import file_sha256
from deadpan.data.feature_recipe import Column, FeatureRecipe
from deadpan.errors import DataError, unknown_name
from deadpan.extraction.voice import SWIFT_F0_SHA256, VOICE_COLUMNS, VOICE_RATE
from deadpan.extraction.word_vectors import GLOVE_COLUMNS

TEXT, AUDIO = "text", "audio"
"""Names of modalities, as ``deadpan.types`` has them, which imports torch."""

WORD_PROBABILITY = Column(
    name="word_probability",
    unit="",
    source="the recogniser; 1 for a word of a transcript",
    low=0.0,
    high=1.0,
)


def _open_1() -> dict[str, FeatureRecipe]:
    """Open tools that may be used commercially, and nothing else."""
    return {
        TEXT: FeatureRecipe(
            name="open-1",
            rate=None,
            columns=(*GLOVE_COLUMNS, WORD_PROBABILITY),
            files=_component_files("glove-6b-50d"),
        ),
        AUDIO: FeatureRecipe(
            name="open-1",
            rate=VOICE_RATE,
            columns=VOICE_COLUMNS,
            files={"swift-f0/model.onnx": SWIFT_F0_SHA256},
        ),
    }


RECIPES: Mapping[str, Callable[[], dict[str, FeatureRecipe]]] = {"open-1": _open_1}
"""What makes each recipe."""


@cache
def feature_recipes(name: str) -> Mapping[str, FeatureRecipe]:
    """The recipe of each modality, by the recipe's name; DataError if there is none of it."""
    if name not in RECIPES:
        raise DataError(unknown_name("recipe", name, RECIPES))
    return RECIPES[name]()


def check_components(recipe: FeatureRecipe, folder: Path) -> None:
    """Compare the components of a recipe with its hashes.

    Args:
        recipe: of a modality. What it has of packages is checked where it is used.
        folder: that of all components.

    Raises:
        DataError: a file is missing, or is another one.
    """
    for name, sha256 in recipe.files.items():
        component = name.partition("/")[0]
        if component not in COMPONENTS:
            continue
        path = folder / name
        if not path.is_file():
            raise DataError(
                f"{path}: is not there; run: deadpan components fetch {component}, or give the "
                "folder that has it with --components"
            )
        if file_sha256(path) != sha256:
            raise DataError(
                f"{path}: is not the file that {recipe.name} is made with; remove it, and run: "
                f"deadpan components fetch {component}"
            )


def _component_files(*names: str) -> dict[str, str]:
    """SHA-256 of the files of components, by component and file."""
    return {
        f"{name}/{file.file}": file.sha256 for name in names for file in find_component(name).files
    }
