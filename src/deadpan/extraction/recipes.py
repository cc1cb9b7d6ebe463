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
from deadpan.extraction.faces import FACE_COLUMNS
from deadpan.extraction.tracks import FACE_RATE
from deadpan.extraction.voice import SWIFT_F0_SHA256, VOICE_COLUMNS, VOICE_RATE
from deadpan.extraction.word_vectors import GLOVE_COLUMNS

TEXT, AUDIO, VISION = "text", "audio", "vision"
"""Names of modalities, as ``deadpan.types`` has them, which imports torch."""

RECOGNITION = ("silero-vad", "whisper-base")
"""Components that recognise words; transcripts need none."""
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
            files=component_files("glove-6b-50d", *RECOGNITION),
        ),
        AUDIO: FeatureRecipe(
            name="open-1",
            rate=VOICE_RATE,
            columns=VOICE_COLUMNS,
            files={"swift-f0/model.onnx": SWIFT_F0_SHA256},
        ),
        VISION: FeatureRecipe(
            name="open-1",
            rate=FACE_RATE,
            columns=FACE_COLUMNS,
            files=component_files("face-landmarker"),
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


def recipe_components(recipes: Mapping[str, FeatureRecipe], *, recognition: bool) -> dict[str, str]:
    """The files of components that recipes need; see ``check_components``.

    Args:
        recipes: of the modalities that are measured. What they have of packages is checked where it
            is used.
        recognition: whether words are recognised.
    """
    return {
        name: sha256
        for recipe in recipes.values()
        for name, sha256 in recipe.files.items()
        if (component := name.partition("/")[0]) in COMPONENTS
        and (recognition or component not in RECOGNITION)
    }


def check_components(files: Mapping[str, str], folder: Path) -> None:
    """Compare files of components with their hashes.

    Args:
        files: SHA-256 by component and file.
        folder: that of all components.

    Raises:
        DataError: a file is missing, or is another one.
    """
    if missing := [name for name in files if not (folder / name).is_file()]:
        names = dict.fromkeys(name.partition("/")[0] for name in missing)
        raise DataError(
            f"{folder / missing[0]}: is not there; run: deadpan components fetch "
            f"{' '.join(names)}, or give the folder that has them with --components"
        )
    for name, sha256 in files.items():
        if file_sha256(folder / name) != sha256:
            raise DataError(
                f"{folder / name}: is not the file that deadpan was made with; remove it, and run: "
                f"deadpan components fetch {name.partition('/')[0]}"
            )


def component_files(*names: str) -> dict[str, str]:
    """SHA-256 of the files of components, by component and file."""
    return {
        f"{name}/{file.file}": file.sha256 for name in names for file in find_component(name).files
    }
