"""``extract_dataset``: from a folder of labelled recordings to a store that ``train`` takes."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from deadpan.data.assembly import WORD_VECTORS
from deadpan.data.containers.files import printable
from deadpan.data.conversion import new_store, provenance
from deadpan.data.dataset import ChangedClips, Clip, Dataset
from deadpan.data.feature_recipe import FeatureRecipe, ModalityRecipe
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
from deadpan.extraction.transcripts import (
    Transcript,
    as_transcript,
    read_transcript,
    time_transcript,
)
from deadpan.extraction.utterances import Word
from deadpan.extraction.word_vectors import GloveVectors
from deadpan.files import home_path, write_csv
from deadpan.processes import LOCAL, WorkerPool
from deadpan.recordings.encoders import ENCODERS, EncoderChoice, OpenedEncoders, open_recipes
from deadpan.recordings.files import recordings_of, transcript_beside
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
    encoders: Mapping[Modality, EncoderChoice] | None = None,
    cache: Path | None = None,
    language: str = "en",
    word_times: bool = False,
    workers: int = 1,
    watch: ExtractionWatch | None = None,
    pool: WorkerPool = LOCAL,
    **table_options: Any,
) -> Dataset:
    """Measure the recordings that a clip table names, and write the store.

    The words of a clip are those of the table, or of a file .srt, .vtt or .txt beside its recording
    and of its name, or else are recognised. Words of files take their times from those that are
    recognised; words of the table have none unless ``word_times``.
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
        encoders: those of the recipe ``encoders``, by modality.
        cache: folder of what was measured; see :func:`cache_folder`.
        language: that is spoken, as ISO 639-1 writes it.
        word_times: whether words of the table take their times from those that are recognised.
        workers: processes at once.
        watch: is called as recordings are measured.
        pool: where the processes run.
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
    plan = _plan(recipe, modalities, vectors, encoders or {}, language)
    recipes = plan.recipes
    table = home_path(labels)
    with new_store(folder, out, table_options) as path:
        if not table.is_file():
            raise DataError(f"{labels}: no such table; give a clip table such as labels.csv")
        options = {k: str(x) for k, x in table_options.items() if k != "vectors"}
        dataset, files = labelled_recordings(table, **options)
        recordings = recordings_of(home_path(folder), _ids(dataset), files, table)
        told = _told(dataset, recordings, table, word_times) if TEXT in recipes else _Told()
        wanted = _wanted(recordings, recipes, told.untimed)
        recognition = any(TEXT in each.modalities for each in wanted)
        check_components(plan.components(recognition=recognition), components)
        cache = cache or cache_folder(path)
        if plan.encoders and watch:
            watch.say(plan.encoders.size([each.path for each in wanted]))
        outcomes = measure_all(
            wanted,
            plan.measured,
            cache=cache,
            components=components,
            workers=workers,
            meters=plan.encoders and plan.encoders.meters,
            language=language,
            watch=watch,
            pool=pool,
        )
        hashes = {clip: outcomes[file].recording for clip, file in recordings.items()}
        spoken = _spoken(dataset, told, hashes, FeatureCache(cache), plan)
        with _text(plan, cache, vectors or components / "glove-6b-50d", spoken) as text:
            features = _Features(
                plan=plan, hashes=hashes, cache=FeatureCache(cache), spoken=spoken, text=text
            )
            problems = _problems(dataset, recordings, outcomes, features, told.notes)
            _write_failures(failures_file(path), problems, recordings)
            result = _with_features(dataset, features, problems, Path(folder), recipe)
            options = table_options | {"language": language, "word_times": word_times}
            write_store(result, path, source=_source(table, options, features))
        return store_dataset(path)


def cache_folder(out: Path) -> Path:
    """The folder in which what is measured for a store is kept, if none is named."""
    return out.with_name(f"{out.name}.cache")


def failures_file(out: Path) -> Path:
    """The table of recordings that could not be measured, or not whole."""
    return out.with_name(f"{out.name}.failures.csv")


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Plan:
    """What is to be measured.

    Attributes:
        recipes: of the modalities, as the store has them.
        measured: of what recordings are measured for; that of text is of its words.
        widths: numbers in a step.
        encoders: of the recipe ``encoders``; None for others.
    """

    recipes: Mapping[Modality, ModalityRecipe]
    measured: Mapping[Modality, FeatureRecipe]
    widths: Mapping[Modality, int]
    encoders: OpenedEncoders | None = None

    def components(self, *, recognition: bool) -> dict[str, str]:
        """The files of components that are needed, ``recognition`` if words are recognised."""
        features = {k: x for k, x in self.recipes.items() if isinstance(x, FeatureRecipe)}
        both = {**features, **{f"measured {k}": x for k, x in self.measured.items()}}
        return recipe_components(both, recognition=recognition)


def _plan(
    recipe: str,
    modalities: Sequence[Modality],
    vectors: Path | None,
    choices: Mapping[Modality, EncoderChoice],
    language: str,
) -> _Plan:
    """What is to be measured; DataError if the options do not fit each other."""
    recipes = feature_recipes(recipe, vectors)
    if recipe == ENCODERS:
        encoders = open_recipes(choices, modalities)
        chosen, widths = encoders.recipes, encoders.widths
    else:
        if choices:
            raise DataError(
                f"the recipe {recipe} reads no encoder for {', '.join(choices)}; give --recipe "
                f"{ENCODERS}, or no --{next(iter(choices))}_encoder"
            )
        for name in modalities:
            if name not in recipes:
                raise DataError(unknown_name(f"modality of {recipe}", name, recipes))
        chosen = {name: recipes[name] for name in in_order(modalities or recipes)}
        encoders, widths = None, {name: x.width for name, x in chosen.items()}
    measured = {name: x for name, x in chosen.items() if isinstance(x, FeatureRecipe)}
    if TEXT in chosen:
        measured = {
            TEXT: words_recipe(language),
            **{k: x for k, x in measured.items() if k != TEXT},
        }
    return _Plan(recipes=chosen, measured=measured, widths=widths, encoders=encoders)


def _ids(dataset: Dataset) -> list[str]:
    return [clip.id for clip in chain.from_iterable(dataset.splits.values())]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Spoken:
    """The words of a clip.

    Attributes:
        words: as they are looked up, one or more.
        probabilities: that each is right; 1 in a transcript.
        times: start and end of each in seconds; None for a transcript without times.
        transcript: the text.
    """

    words: tuple[str, ...]
    probabilities: Float32[np.ndarray, " word"]
    times: Float[np.ndarray, "word 2"] | None
    transcript: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Told:
    """The words of clips that need not be recognised, by id.

    Attributes:
        untimed: words of the table.
        timed: transcripts that take times from the words that are recognised.
        notes: sentences on transcripts that cannot be used as they are; may grow.
    """

    untimed: Mapping[str, _Spoken] = dataclasses.field(default_factory=dict)
    timed: Mapping[str, Transcript] = dataclasses.field(default_factory=dict)
    notes: dict[str, list[str]] = dataclasses.field(default_factory=dict)


def _told(dataset: Dataset, recordings: Mapping[str, Path], table: Path, word_times: bool) -> _Told:
    """The words of each clip that the table has, or else a file beside its recording."""
    untimed: dict[str, _Spoken] = {}
    timed: dict[str, Transcript] = {}
    notes: dict[str, list[str]] = {}
    for clip in chain.from_iterable(dataset.splits.values()):
        if clip.id not in recordings:
            continue
        if words := tokenize(clip.transcript):
            spelled = as_transcript(table, clip.transcript) if word_times else None
            if spelled and spelled.cues:
                timed[clip.id] = spelled
            else:
                untimed[clip.id] = _untimed(words, clip.transcript)
        elif beside := transcript_beside(recordings[clip.id]):
            try:
                timed[clip.id] = read_transcript(beside)
            except DataError as error:
                notes[clip.id] = [f"{error}; its words were recognised"]
    return _Told(untimed=untimed, timed=timed, notes=notes)


def _untimed(words: Sequence[str], transcript: str) -> _Spoken:
    """Words of a transcript that tells no times."""
    return _Spoken(
        words=tuple(words),
        probabilities=np.ones(len(words), np.float32),
        times=None,
        transcript=transcript,
    )


def _wanted(
    recordings: Mapping[str, Path],
    recipes: Mapping[Modality, ModalityRecipe],
    untimed: Mapping[str, _Spoken],
) -> list[WantedRecording]:
    """Each recording with its modalities; words are recognised but for clips of untimed words."""
    recognized = {path for clip, path in recordings.items() if clip not in untimed}
    return [
        WantedRecording(
            path=path,
            modalities=tuple(name for name in recipes if name != TEXT or path in recognized),
        )
        for path in dict.fromkeys(recordings.values())
    ]


def _spoken(
    dataset: Dataset,
    told: _Told,
    hashes: Mapping[str, str],
    cache: FeatureCache,
    plan: _Plan,
) -> dict[str, _Spoken]:
    """The words of each clip, of its transcript or recognised; by id."""
    spoken = dict(told.untimed)
    for clip in chain.from_iterable(dataset.splits.values()) if TEXT in plan.recipes else ():
        if clip.id in spoken or not hashes.get(clip.id):
            continue
        heard = cache.load_words(hashes[clip.id], plan.measured[TEXT]) or ()
        if transcript := told.timed.get(clip.id):
            notes = told.notes.setdefault(clip.id, [])
            spoken[clip.id] = _timed(transcript, clip.transcript, heard, notes)
        elif heard:
            spoken[clip.id] = _with_times(heard)
    return spoken


def _timed(transcript: Transcript, text: str, heard: Sequence[Word], notes: list[str]) -> _Spoken:
    """The words of a transcript with times; without, if too few of them are heard.

    Args:
        transcript: of the clip.
        text: as the table has it; "" where the transcript is a file.
        heard: words that were recognised.
        notes: receives what does not match.
    """
    try:
        timed = time_transcript(transcript, heard)
    except DataError as error:
        notes.append(f"{error}; its words have no times")
        words = [word for cue in transcript.cues for word in cue.words]
        return _untimed(words, text or " ".join(words))
    notes += timed.warnings
    return _with_times(timed.words, text)


def _with_times(words: Sequence[Word], text: str = "") -> _Spoken:
    """Words with times; their transcript is the text, or else themselves."""
    return _Spoken(
        words=tuple(word.text for word in words),
        probabilities=np.array([word.probability for word in words], np.float32),
        times=np.array([(word.start, word.end) for word in words]),
        transcript=text or " ".join(word.text for word in words),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Text:
    """What makes features of the words of clips.

    Attributes:
        steps: gives those of a clip, by word, or by token if they are of an encoder.
        vectors: of the words; None if there are none.
    """

    steps: Callable[[_Spoken], Float32[np.ndarray, "step number"]]
    vectors: GloveVectors | None


@contextmanager
def _text(
    plan: _Plan, cache: Path, vectors: Path, spoken: Mapping[str, _Spoken]
) -> Generator[_Text | None, None, None]:
    """What makes features of all words; None if there are none."""
    if not spoken:
        yield None
    elif plan.encoders:
        texts = list(dict.fromkeys(each.transcript for each in spoken.values()))
        with plan.encoders.encoded_texts(cache, texts) as steps_of:
            yield _Text(steps=lambda each: steps_of(each.transcript), vectors=None)
    else:
        found = GloveVectors(vectors, {word for each in spoken.values() for word in each.words})
        width = plan.widths[TEXT]  # some recipes leave the probability out
        yield _Text(
            steps=lambda each: found.features(each.words, each.probabilities)[:, :width],
            vectors=found,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Features:
    """What was measured of all clips.

    Attributes:
        plan: of what was measured.
        hashes: SHA-256 of each clip's recording, by id; "" where it could not be measured.
        cache: has what was measured of recordings.
        spoken: the words of each clip, by id.
        text: makes features of words; None if there are none.
    """

    plan: _Plan
    hashes: Mapping[str, str]
    cache: FeatureCache
    spoken: Mapping[str, _Spoken]
    text: _Text | None

    def add_to(self, clip: Clip) -> Clip:
        """The clip with its sequences, their times, and the words that are steps of text."""
        sequences: dict[Modality, np.ndarray] = {}
        times: dict[Modality, np.ndarray] = {}
        spoken = self.spoken.get(clip.id)
        words = () if spoken is None else spoken.words
        if spoken and self.text is not None:
            steps = self.text.steps(spoken)
            if len(steps):
                sequences[TEXT] = steps
            if self.text.vectors is None:
                words = ()  # tokens are no words
            elif spoken.times is not None:
                times[TEXT] = spoken.times
        for name in self.plan.recipes:
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
            words=words,
            transcript=spoken.transcript if spoken else clip.transcript,
        )

    def _measured(self, clip: Clip, name: Modality) -> MeasuredSequence:
        """What was measured of a clip's recording."""
        entry = self.cache.load(self.hashes[clip.id], self.plan.measured[name])
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
    notes: Mapping[str, Sequence[str]],
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
        texts = [*outcome.warnings, *notes.get(clip.id, ())]
        listed = [_Problem(reason=text, left_out=False) for text in texts]
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
    recipes = features.plan.recipes
    widths = {name: width for name, width in features.plan.widths.items() if name in present}
    unscaled = WORD_VECTORS
    if features.plan.encoders:
        unscaled = dict.fromkeys(recipes, "states of an encoder")
        warnings += features.plan.encoders.warnings
    if AUDIO in widths and (licence := find_recipe(recipe).licence):
        warnings.append(f"{AUDIO}: {licence}")
    return dataclasses.replace(
        dataset,
        name=folder.resolve().name or dataset.name,
        layout=f"recordings measured by {recipe}",
        widths=widths,
        splits=changed,
        alignment=_alignment(recipes, widths),
        recipes={name: recipes[name] for name in widths},
        unscaled={name: why for name, why in unscaled.items() if name in widths},
        repairs=_repairs(dataset, features),
        warnings=tuple(warnings),
    )


def _alignment(
    recipes: Mapping[Modality, ModalityRecipe], modalities: Mapping[Modality, int]
) -> str:
    """Why steps are not aligned; "" for a single modality."""
    rates: list[str] = []
    for name in modalities:
        recipe = recipes[name]
        if isinstance(recipe, FeatureRecipe) and recipe.rate is not None:
            rates.append(f"{name} {recipe.rate:g} steps per second")
        else:
            step = "word" if isinstance(recipe, FeatureRecipe) else recipe.states
            rates.append(f"{name} has a step per {step}")
    return f"steps are not aligned: {', '.join(rates)}" if len(rates) > 1 else ""


def _repairs(dataset: Dataset, features: _Features) -> dict[str, int]:
    """The repairs of the table, and the words without a vector."""
    repairs = Counter(dataset.repairs)
    vectors = None if features.text is None else features.text.vectors
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
