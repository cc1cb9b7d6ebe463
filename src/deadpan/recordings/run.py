"""``extract_dataset``: from a folder of labelled recordings to a store that ``train`` takes."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from deadpan.data.assembly import WORD_VECTORS
from deadpan.data.containers.files import printable
from deadpan.data.conversion import new_store, provenance
from deadpan.data.dataset import ChangedClips, Clip, Dataset
from deadpan.data.feature_recipe import FeatureRecipe
from deadpan.data.formats.own.dataset import labelled_recordings
from deadpan.data.formats.word_vectors import WITHOUT_VECTOR, tokenize
from deadpan.data.store.reading import store_dataset
from deadpan.data.store.writing import write_store
from deadpan.errors import DataError, count_of, unknown_name
from deadpan.extraction.feature_cache import FeatureCache
from deadpan.extraction.measuring import METERS, Outcome
from deadpan.extraction.recipes import check_components, feature_recipes
from deadpan.extraction.word_vectors import GloveVectors
from deadpan.files import home_path, write_csv
from deadpan.recordings.files import recordings_of
from deadpan.recordings.workers import ExtractionWatch, measure_all
from deadpan.types import TEXT, Modality, in_order

TABLE_OPTIONS = ("id", "label", "labels", "text", "group", "split", "task")
"""The options of a table of labelled recordings; see ``own_dataset``."""
NOTHING_MEASURED = "has no modality: no sound in the recording and no word in the transcript"


def extract_dataset(
    folder: str | Path,
    labels: str | Path,
    out: str | Path,
    *,
    components: Path,
    recipe: str = "open-1",
    modalities: Sequence[Modality] = (),
    cache: Path | None = None,
    workers: int = 1,
    watch: ExtractionWatch | None = None,
    **table_options: Any,
) -> Dataset:
    """Measure the recordings that a clip table names, and write the store.

    What is measured is kept in the cache at once: whatever interrupts, the next call goes on. A
    recording that is missing or cannot be read is left out, and stands in the table of failures
    (see :func:`failures_file`) beside the store.

    Args:
        folder: of the recordings.
        labels: the clip table.
        out: the file to write, which must not exist.
        components: the folder of all components.
        recipe: name of the recipe of the features.
        modalities: those of the recipe that are measured; all if none is named.
        cache: folder of what was measured; see :func:`cache_folder`.
        workers: processes at once.
        watch: is called as recordings are measured.
        **table_options: options of the table, of ``TABLE_OPTIONS``.

    Returns:
        The data set, read from its store.

    Raises:
        DataError: the table or the folder does not fit, no clip could be measured, or the file
            cannot be written.
        DeadpanError: a package is missing, or another process writes the file.
    """
    for name in table_options:
        if name not in TABLE_OPTIONS:
            raise DataError(unknown_name("option of a table of recordings", name, TABLE_OPTIONS))
    recipes = _chosen(recipe, modalities)
    table = home_path(labels)
    with new_store(folder, out, table_options) as path:
        if not table.is_file():
            raise DataError(f"{labels}: no such table; give a clip table such as labels.csv")
        options = {name: str(value) for name, value in table_options.items()}
        dataset, files = labelled_recordings(table, **options)
        recordings = recordings_of(home_path(folder), _ids(dataset), files, table)
        spoken = _spoken(dataset) if TEXT in recipes else {}
        if not spoken:
            recipes.pop(TEXT, None)
        for each in recipes.values():
            check_components(each, components)
        measured = {name: each for name, each in recipes.items() if name in METERS}
        kept = cache or cache_folder(path)
        distinct = list(dict.fromkeys(recordings.values()))
        outcomes = measure_all(distinct, measured, kept, workers=workers, watch=watch)
        features = _Features(
            recipes=recipes,
            hashes={clip: outcomes[file].recording for clip, file in recordings.items()},
            cache=FeatureCache(kept),
            spoken=spoken,
            vectors=_vectors(components, spoken),
        )
        problems = _problems(dataset, recordings, outcomes, features)
        _write_failures(failures_file(path), problems, recordings)
        result = _with_features(dataset, features, problems, Path(folder), recipe)
        write_store(result, path, source=_source(table, table_options, features))
        return store_dataset(path)


def cache_folder(out: Path) -> Path:
    """The folder in which what is measured for a store is kept, if none is named."""
    return out.with_name(f"{out.name}.cache")


def failures_file(out: Path) -> Path:
    """The table of recordings that could not be measured, or not whole."""
    return out.with_name(f"{out.name}.failures.csv")


def _chosen(recipe: str, modalities: Sequence[Modality]) -> dict[Modality, FeatureRecipe]:
    """The recipe of each modality that is to be measured."""
    recipes = feature_recipes(recipe)
    for name in modalities:
        if name not in recipes:
            raise DataError(unknown_name(f"modality of {recipe}", name, recipes))
    return {name: recipes[name] for name in in_order(modalities or recipes)}


def _ids(dataset: Dataset) -> list[str]:
    return [clip.id for clip in chain.from_iterable(dataset.splits.values())]


def _spoken(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """The words of each clip that has some, by id."""
    words = {
        clip.id: tokenize(clip.transcript) for clip in chain.from_iterable(dataset.splits.values())
    }
    return {clip: text for clip, text in words.items() if text}


def _vectors(components: Path, spoken: Mapping[str, tuple[str, ...]]) -> GloveVectors | None:
    """The vectors of all words; None if there is no word."""
    if not spoken:
        return None
    return GloveVectors(components / "glove-6b-50d", set(chain.from_iterable(spoken.values())))


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Features:
    """What was measured of all clips.

    Attributes:
        recipes: of the modalities.
        hashes: SHA-256 of each clip's recording, by id; "" where it could not be measured.
        cache: has what was measured of recordings.
        spoken: the words of each clip, by id.
        vectors: of the words; None if there are none.
    """

    recipes: Mapping[Modality, FeatureRecipe]
    hashes: Mapping[str, str]
    cache: FeatureCache
    spoken: Mapping[str, tuple[str, ...]]
    vectors: GloveVectors | None

    def add_to(self, clip: Clip) -> Clip:
        """The clip with its sequences, their times, and the words that are steps of text."""
        sequences: dict[Modality, np.ndarray] = {}
        times: dict[Modality, np.ndarray] = {}
        words = self.spoken.get(clip.id, ())
        for name, recipe in self.recipes.items():
            if name == TEXT:
                if words and self.vectors is not None:
                    vectors = np.stack([self.vectors[word] for word in words])
                    probability = np.ones((len(words), 1), np.float32)
                    sequences[name] = np.hstack([vectors, probability])
                continue
            entry = self.cache.load(self.hashes[clip.id], recipe)
            if entry is None:
                raise DataError(
                    f"clip '{printable(clip.id)}': what was measured of it has gone from the "
                    "cache; run the command again"
                )
            sequence, _ = entry
            if sequence.present.any():
                sequences[name] = sequence.values[sequence.present]
                times[name] = sequence.times()[sequence.present]
        words = words if TEXT in sequences else ()
        return dataclasses.replace(clip, sequences=sequences, times=times, words=words)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Problem:
    """What is wrong with a recording; ``left_out`` if its clip is."""

    reason: str
    left_out: bool


def _problems(
    dataset: Dataset,
    recordings: Mapping[str, Path],
    outcomes: Mapping[Path, Outcome],
    features: _Features,
) -> dict[str, list[_Problem]]:
    """What is wrong with the recording of each clip, by id; none for most."""
    problems: dict[str, list[_Problem]] = {}
    for clip in chain.from_iterable(dataset.splits.values()):
        if clip.id not in recordings:
            reason = "no recording of this name in the folder"
            problems[clip.id] = [_Problem(reason=reason, left_out=True)]
            continue
        outcome = outcomes[recordings[clip.id]]
        if outcome.failure:
            problems[clip.id] = [_Problem(reason=outcome.failure, left_out=True)]
            continue
        listed = [_Problem(reason=text, left_out=False) for text in outcome.warnings]
        if not features.add_to(clip).sequences:
            listed.append(_Problem(reason=NOTHING_MEASURED, left_out=True))
        if listed:
            problems[clip.id] = listed
    return problems


def _write_failures(
    path: Path, problems: Mapping[str, Sequence[_Problem]], recordings: Mapping[str, Path]
) -> None:
    """Write the table of failures; without any, remove that of an earlier extraction."""
    path.unlink(missing_ok=True)
    rows = [
        {
            "id": clip,
            "file": str(recordings.get(clip, "")),
            "left_out": "yes" if problem.left_out else "no",
            "reason": problem.reason,
        }
        for clip, listed in problems.items()
        for problem in listed
    ]
    write_csv(path, rows)


def _with_features(
    dataset: Dataset,
    features: _Features,
    problems: Mapping[str, Sequence[_Problem]],
    folder: Path,
    recipe: str,
) -> Dataset:
    """The data set of the clips that were measured, whose features are read on access."""
    left_out = {
        clip: problem.reason
        for clip, listed in problems.items()
        for problem in listed
        if problem.left_out
    }
    splits = {
        name: [clip for clip in clips if clip.id not in left_out]
        for name, clips in dataset.splits.items()
    }
    if not any(splits.values()):
        clip, reason = next(iter(left_out.items()))
        raise DataError(
            f"{folder}: no recording could be measured (first: '{printable(clip)}': {reason})"
        )
    warnings = [*dataset.warnings]
    if left_out:
        warnings.append(
            f"{count_of(len(left_out), 'clip')} could not be measured (first: "
            f"'{printable(next(iter(left_out)))}'): they were left out"
        )
    changed = {name: ChangedClips(clips, features.add_to) for name, clips in splits.items()}
    present = {name for clips in changed.values() for clip in clips for name in clip.sequences}
    widths = {
        name: len(features.recipes[name].columns) for name in features.recipes if name in present
    }
    return dataclasses.replace(
        dataset,
        name=folder.resolve().name or dataset.name,
        layout=f"recordings measured by {recipe}",
        widths=widths,
        splits=changed,
        alignment=_alignment(features.recipes, widths),
        recipes={name: features.recipes[name] for name in widths},
        unscaled={name: why for name, why in WORD_VECTORS.items() if name in widths},
        repairs=_repairs(dataset, features),
        warnings=tuple(warnings),
    )


def _alignment(
    recipes: Mapping[Modality, FeatureRecipe], modalities: Mapping[Modality, int]
) -> str:
    """Why steps are not aligned; "" for a single modality."""
    rates = [
        f"{name} has a step per word" if rate is None else f"{name} {rate:g} steps per second"
        for name, rate in ((name, recipes[name].rate) for name in modalities)
    ]
    return f"steps are not aligned: {', '.join(rates)}" if len(rates) > 1 else ""


def _repairs(dataset: Dataset, features: _Features) -> dict[str, int]:
    """The repairs of the table, and the words without a vector."""
    repairs = Counter(dataset.repairs)
    vectors = features.vectors
    if vectors is not None:
        repairs[WITHOUT_VECTOR] += sum(
            word not in vectors for words in features.spoken.values() for word in words
        )
    return {kind: count for kind, count in repairs.items() if count}


def _source(table: Path, options: Mapping[str, Any], features: _Features) -> dict[str, Any]:
    """The description of what the store was made of: the table, and a hash of all recordings."""
    digest = hashlib.sha256()
    for clip, recording in sorted(features.hashes.items()):
        digest.update(f"{clip} {recording}\n".encode())
    return {**provenance(table, options), "recordings": digest.hexdigest()}
