"""Feature recipes by name: what is measured of text, voice and face, and with which models.

The number in a name is the recipe's version. Whoever changes what a number means, or the model that
it comes from, gives the recipe a new one: runs and stores keep the recipe of their features whole,
and refuse others.
"""

import dataclasses
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from deadpan.data.components import COMPONENTS, find_component
from deadpan.data.containers.files import file_sha256
from deadpan.data.feature_recipe import Column, FeatureRecipe
from deadpan.errors import DataError, unknown_name
from deadpan.extraction.covarep import COVAREP_ABSENT, COVAREP_COLUMNS, COVAREP_RATE
from deadpan.extraction.egemaps import (
    EGEMAPS_COLUMNS,
    EGEMAPS_FILES,
    EGEMAPS_LICENCE,
    EGEMAPS_RATE,
)
from deadpan.extraction.faces import FACE_COLUMNS
from deadpan.extraction.facet import FACET_ABSENT, FACET_COLUMNS, FACET_RATE
from deadpan.extraction.tracks import FACE_RATE
from deadpan.extraction.voice import SWIFT_F0_SHA256, VOICE_COLUMNS, VOICE_RATE
from deadpan.extraction.word_vectors import GLOVE_COLUMNS, glove_columns

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


@cache
def words_recipe(language: str = "en") -> FeatureRecipe:
    """The recipe of recognised words of a language, of which all recipes make their text."""
    return FeatureRecipe(
        name="words-1" if language == "en" else f"words-1-{language}",
        rate=None,
        columns=(WORD_PROBABILITY,),
        files=component_files(*RECOGNITION),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class NamedRecipe:
    """A recipe that can be chosen by its name.

    Attributes:
        about: what it is, in a sentence.
        columns: of each modality, of the rates in ``rates``; none where an encoder decides.
        rates: steps per second; None: a step per word.
        files: SHA-256 of what each modality is measured with, by component and file.
        extras: of the package.
        needs: what else it needs on the disk besides components.
        licence: what it may not be used for; "" for nothing.
        takes_vectors: whether the user's word vectors may be its text.
        lacks: by modality and column of the set that a recipe comes near to, why it is not there.
    """

    about: str
    columns: Mapping[str, tuple[Column, ...]] = dataclasses.field(default_factory=dict)
    rates: Mapping[str, float | None]
    files: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    extras: tuple[str, ...] = ("video",)
    needs: str = ""
    licence: str = ""
    takes_vectors: bool = False
    lacks: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)


@cache
def named_recipes() -> Mapping[str, NamedRecipe]:
    """Every recipe by its name."""
    text = component_files("glove-6b-50d", *RECOGNITION)
    voice = {"swift-f0/model.onnx": SWIFT_F0_SHA256}
    face = component_files("face-landmarker")
    rated_text = (*GLOVE_COLUMNS, WORD_PROBABILITY)
    return {
        "open-1": NamedRecipe(
            about="open tools that may be used commercially, and nothing else",
            columns={TEXT: rated_text, AUDIO: VOICE_COLUMNS, VISION: FACE_COLUMNS},
            rates={TEXT: None, AUDIO: VOICE_RATE, VISION: FACE_RATE},
            files={TEXT: text, AUDIO: voice, VISION: face},
        ),
        "glove-covarep-facet": NamedRecipe(
            about="the conventional set of MOSI, MOSEI and IEMOCAP, as near as open tools come",
            columns={TEXT: GLOVE_COLUMNS, AUDIO: COVAREP_COLUMNS, VISION: FACET_COLUMNS},
            rates={TEXT: None, AUDIO: COVAREP_RATE, VISION: FACET_RATE},
            files={TEXT: text, AUDIO: voice, VISION: face},
            needs="for GloVe 300 your file of vectors, as glove.840B.300d.txt (about 5.6 GB)",
            takes_vectors=True,
            lacks={AUDIO: COVAREP_ABSENT, VISION: FACET_ABSENT},
        ),
        "egemaps": NamedRecipe(
            about="the voice by openSMILE's eGeMAPSv02, all else as in `open-1`",
            columns={TEXT: rated_text, AUDIO: EGEMAPS_COLUMNS, VISION: FACE_COLUMNS},
            rates={TEXT: None, AUDIO: EGEMAPS_RATE, VISION: FACE_RATE},
            files={TEXT: text, AUDIO: EGEMAPS_FILES, VISION: face},
            extras=("video", "egemaps"),
            needs="92 MB: openSMILE and pandas, which it needs",
            licence=EGEMAPS_LICENCE,
        ),
        "encoders": NamedRecipe(
            about="hidden states of frozen encoders that you name, as of the paper's second set",
            rates={TEXT: None, AUDIO: 5.0, VISION: 3.0},
            files={TEXT: component_files(*RECOGNITION), VISION: face},
            extras=("video", "encoders"),
            needs=(
                "BERT-large 1.3 GB, WavLM-Large 1.3 GB, CLIP ViT-L/14 1.2 GB without its text half"
            ),
        ),
    }


def find_recipe(name: str) -> NamedRecipe:
    """The recipe of a name; DataError if there is none."""
    if name not in named_recipes():
        raise DataError(unknown_name("recipe", name, named_recipes()))
    return named_recipes()[name]


def feature_recipes(name: str, vectors: Path | None = None) -> Mapping[str, FeatureRecipe]:
    """The recipe of each modality, by the recipe's name.

    Args:
        name: of the recipe.
        vectors: word vectors in GloVe's text format that the text consists of; None: those of the
            component.

    Raises:
        DataError: there is no such recipe, it takes no vectors, or they cannot be read.
    """
    found = find_recipe(name)
    columns, files = dict(found.columns), dict(found.files)
    if vectors is not None:
        if not found.takes_vectors:
            takers = [each for each, recipe in named_recipes().items() if recipe.takes_vectors]
            raise DataError(
                f"the recipe {name} has vectors of its own; give --recipe {' or '.join(takers)}, "
                "or no vectors"
            )
        from deadpan.data.formats.word_vectors import read_word_vectors  # its package needs torch

        _, width = read_word_vectors(vectors, ())
        columns[TEXT] = glove_columns(width, vectors.name, 100.0)
        files[TEXT] = {vectors.name: file_sha256(vectors)} | component_files(*RECOGNITION)
    return {
        modality: FeatureRecipe(
            name=name, rate=found.rates[modality], columns=columns[modality], files=files[modality]
        )
        for modality in columns
    }


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
