"""``extract_dataset``: from a folder of labelled recordings to a store that ``train`` takes."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

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
from deadpan.extraction.measuring import Outcome, WantedRecording
from deadpan.extraction.recipes import (
    check_components,
    feature_recipes,
    find_recipe,
    recipe_components,
    words_recipe,
)
from deadpan.extraction.sequences import MeasuredSequence
from deadpan.extraction.word_vectors import GloveVectors
from deadpan.files import home_path, write_csv
from deadpan.recordings.files import recordings_of
from deadpan.recordings.workers import ExtractionWatch, measure_all
from deadpan.types import AUDIO, TEXT, Modality, in_order

TABLE_OPTIONS = ("id", "label", "labels", "text", "group", "split", "task", "vectors")
"""The options of a table of labelled recordings; see ``own_dataset``. Not all take vectors."""
NOTHING_MEASURED = "has no modality: no face, no sound and no word"


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

    The words of a clip without a transcript are recognised; those of a transcript have no times.
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
    own_vectors = table_options.get("vectors")
    vectors = home_path(own_vectors) if own_vectors else None
    recipes = _chosen(recipe, modalities, vectors)
    table = home_path(labels)
    with new_store(folder, out, table_options) as path:
        if not table.is_file():
            raise DataError(f"{labels}: no such table; give a clip table such as labels.csv")
        options = {k: str(x) for k, x in table_options.items() if k != "vectors"}
        dataset, files = labelled_recordings(table, **options)
        recordings = recordings_of(home_path(folder), _ids(dataset), files, table)
        transcripts = _transcripts(dataset) if TEXT in recipes else {}
        wanted = _wanted(recordings, recipes, transcripts)
        recognition = any(TEXT in each.modalities for each in wanted)
        check_components(recipe_components(recipes, recognition=recognition), components)
        cache = cache or cache_folder(path)
        measured = {name: words_recipe() if name == TEXT else x for name, x in recipes.items()}
        outcomes = measure_all(
            wanted, measured, cache=cache, components=components, workers=workers, watch=watch
        )
        hashes = {clip: outcomes[file].recording for clip, file in recordings.items()}
        spoken = _spoken(dataset, transcripts, hashes, FeatureCache(cache), recipes)
        features = _Features(
            recipes=recipes,
            hashes=hashes,
            cache=FeatureCache(cache),
            spoken=spoken,
            vectors=_vectors(vectors or components / "glove-6b-50d", spoken),
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


def _chosen(
    recipe: str, modalities: Sequence[Modality], vectors: Path | None
) -> dict[Modality, FeatureRecipe]:
    """The recipe of each modality that is to be measured."""
    recipes = feature_recipes(recipe, vectors)
    for name in modalities:
        if name not in recipes:
            raise DataError(unknown_name(f"modality of {recipe}", name, recipes))
    return {name: recipes[name] for name in in_order(modalities or recipes)}


def _ids(dataset: Dataset) -> list[str]:
    return [clip.id for clip in chain.from_iterable(dataset.splits.values())]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Spoken:
    """The words of a clip.

    Attributes:
        words: as they are looked up, one or more.
        probabilities: that each is right; 1 in a transcript.
        times: start and end of each in seconds; None for a transcript, which tells none.
        transcript: the text.
    """

    words: tuple[str, ...]
    probabilities: Float32[np.ndarray, " word"]
    times: Float[np.ndarray, "word 2"] | None
    transcript: str


def _transcripts(dataset: Dataset) -> dict[str, _Spoken]:
    """The words of each clip that has a transcript, by id."""
    spoken: dict[str, _Spoken] = {}
    for clip in chain.from_iterable(dataset.splits.values()):
        if words := tokenize(clip.transcript):
            ones = np.ones(len(words), np.float32)
            spoken[clip.id] = _Spoken(
                words=words, probabilities=ones, times=None, transcript=clip.transcript
            )
    return spoken


def _wanted(
    recordings: Mapping[str, Path],
    recipes: Mapping[Modality, FeatureRecipe],
    transcripts: Mapping[str, _Spoken],
) -> list[WantedRecording]:
    """Each recording with its modalities; words are recognised where a clip has no transcript."""
    wordless = {path for clip, path in recordings.items() if clip not in transcripts}
    return [
        WantedRecording(
            path=path,
            modalities=tuple(name for name in recipes if name != TEXT or path in wordless),
        )
        for path in dict.fromkeys(recordings.values())
    ]


def _spoken(
    dataset: Dataset,
    transcripts: Mapping[str, _Spoken],
    hashes: Mapping[str, str],
    cache: FeatureCache,
    recipes: Mapping[Modality, FeatureRecipe],
) -> dict[str, _Spoken]:
    """The words of each clip, of its transcript or recognised; by id."""
    spoken = dict(transcripts)
    for clip in _ids(dataset) if TEXT in recipes else ():
        if clip in spoken or not hashes.get(clip):
            continue
        if words := cache.load_words(hashes[clip], words_recipe()):
            spoken[clip] = _Spoken(
                words=tuple(word.text for word in words),
                probabilities=np.array([word.probability for word in words], np.float32),
                times=np.array([(word.start, word.end) for word in words]),
                transcript=" ".join(word.text for word in words),
            )
    return spoken


def _vectors(source: Path, spoken: Mapping[str, _Spoken]) -> GloveVectors | None:
    """The vectors of all words; None if there is no word."""
    if not spoken:
        return None
    return GloveVectors(source, {word for each in spoken.values() for word in each.words})


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
    spoken: Mapping[str, _Spoken]
    vectors: GloveVectors | None

    def add_to(self, clip: Clip) -> Clip:
        """The clip with its sequences, their times, and the words that are steps of text."""
        sequences: dict[Modality, np.ndarray] = {}
        times: dict[Modality, np.ndarray] = {}
        spoken = self.spoken.get(clip.id)
        if spoken and self.vectors is not None:
            features = self.vectors.features(spoken.words, spoken.probabilities)
            sequences[TEXT] = features[:, : self.recipes[TEXT].width]  # some without probability
            if spoken.times is not None:
                times[TEXT] = spoken.times
        for name in self.recipes:
            if name == TEXT:
                continue
            sequence = self._measured(clip, name)
            if sequence.present.any():
                sequences[name] = sequence.values[sequence.present]
                times[name] = sequence.times()[sequence.present]
        return dataclasses.replace(
            clip,
            sequences=sequences,
            times=times,
            words=spoken.words if spoken else (),
            transcript=spoken.transcript if spoken else clip.transcript,
        )

    def _measured(self, clip: Clip, name: Modality) -> MeasuredSequence:
        """What was measured of a clip's recording."""
        entry = self.cache.load(self.hashes[clip.id], self.recipes[name])
        if entry is None:
            raise DataError(
                f"clip '{printable(clip.id)}': what was measured of it has gone from the cache; "
                "run the command again"
            )
        return entry[0]


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
    widths = {name: x.width for name, x in features.recipes.items() if name in present}
    if AUDIO in widths and (licence := find_recipe(recipe).licence):
        warnings.append(f"{AUDIO}: {licence}")
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
            word not in vectors for each in features.spoken.values() for word in each.words
        )
    return {kind: count for kind, count in repairs.items() if count}


def _source(table: Path, options: Mapping[str, Any], features: _Features) -> dict[str, Any]:
    """The description of what the store was made of: the table, and a hash of all recordings."""
    digest = hashlib.sha256()
    for clip, recording in sorted(features.hashes.items()):
        digest.update(f"{clip} {recording}\n".encode())
    return {**provenance(table, options), "recordings": digest.hexdigest()}
