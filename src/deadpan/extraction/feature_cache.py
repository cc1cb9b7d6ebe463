"""A folder of what was measured, by the content of the recording and the recipe."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deadpan.data.feature_recipe import FeatureRecipe
from deadpan.errors import DeadpanError
from deadpan.extraction.sequences import MeasuredSequence
from deadpan.extraction.utterances import Word
from deadpan.files import read_json, write_atomically, write_json
from deadpan.options import record

TAG = "CACHEDIR.TAG"
"""The file by which backups know a folder that need not be kept; see bford.info/cachedir."""
TAG_TEXT = """Signature: 8a477f597d28d172789f06886806bc55
# What 'deadpan extract' has measured, so that it need not measure it again. It may be removed.
"""

VERSION = 2
"""Of what files hold; those of version 1, whose names have none, may have scrambled faces."""


class FeatureCache:
    """What was measured of recordings, in a file for each recording, modality and recipe.

    Several processes may read and write it: files are written whole, and the same name means the
    same content.

    Args:
        folder: which is made with its first file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(
        self,
        recording: str,
        recipe: FeatureRecipe,
        sequence: MeasuredSequence,
        warnings: tuple[str, ...],
    ) -> None:
        """Keep a modality of a recording.

        Args:
            recording: the recording's SHA-256.
            recipe: by which it was measured.
            sequence: the modality.
            warnings: sentences on what of the recording could not be read.
        """
        import safetensors.numpy

        self._make_folder()
        about = {"rate": sequence.rate, "first": sequence.first, "warnings": warnings}
        tensors = {
            "values": sequence.values.astype(recipe.dtype),
            "present": sequence.present,
            "confidence": sequence.confidence,
        }
        content = safetensors.numpy.save(
            # Of a view of some columns it would write the memory, which holds all.
            {name: np.ascontiguousarray(x) for name, x in tensors.items()},
            {"about": json.dumps(about)},
        )
        write_atomically(self._file(recording, recipe), content)

    def load(
        self, recording: str, recipe: FeatureRecipe
    ) -> tuple[MeasuredSequence, tuple[str, ...]] | None:
        """A modality of a recording, and the warnings; None if it was not kept, or is damaged."""
        import safetensors

        path = self._file(recording, recipe)
        try:
            with safetensors.safe_open(path, framework="numpy") as file:
                about = json.loads(file.metadata()["about"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            tensors["values"] = tensors["values"].astype(np.float32)
            sequence = MeasuredSequence(
                columns=recipe.columns,
                rate=about["rate"],
                first=about["first"],
                **tensors,
            )
        except (OSError, safetensors.SafetensorError, ValueError, KeyError, TypeError):
            return None
        steps = len(sequence.values)
        fits = (
            sequence.values.shape == (steps, recipe.width)
            and sequence.present.shape == sequence.confidence.shape == (steps,)
            and np.isfinite(sequence.values).all()
        )
        return (sequence, tuple(about["warnings"])) if fits else None

    def save_words(self, recording: str, recipe: FeatureRecipe, words: Sequence[Word]) -> None:
        """Keep the words that were recognised in a recording."""
        self._make_folder()
        rows = [dataclasses.asdict(word) for word in words]
        write_json(self._file(recording, recipe, ".json"), rows)

    def load_words(self, recording: str, recipe: FeatureRecipe) -> tuple[Word, ...] | None:
        """The words of a recording; None if they were not kept, or are damaged."""
        try:
            rows = read_json(self._file(recording, recipe, ".json"), "")
            return tuple(record("word", row, Word) for row in rows)
        except (DeadpanError, TypeError):
            return None

    def _make_folder(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if not (tag := self._folder / TAG).is_file():
            write_atomically(tag, TAG_TEXT.encode())

    def _file(self, recording: str, recipe: FeatureRecipe, suffix: str = ".safetensors") -> Path:
        return self._folder / f"{recording[:40]}-{recipe.digest[:24]}-{VERSION}{suffix}"
