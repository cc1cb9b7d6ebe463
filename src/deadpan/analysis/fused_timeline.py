"""What a trained run predicts for each utterance of a recording, and what it attends to there."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32

from deadpan.analysis.attention import attend_all, attention_paths
from deadpan.analysis.contributions import shapley_values, subset_outputs
from deadpan.analysis.crossmodal import CrossmodalMap, crossmodal_map
from deadpan.data.batching import collate
from deadpan.data.dataset import Clip, Dataset
from deadpan.data.feature_recipe import FeatureRecipe
from deadpan.errors import DataError, DeadpanError
from deadpan.extraction.readings import Span, steps_within
from deadpan.extraction.recipes import check_components, feature_recipes, recipe_components
from deadpan.extraction.recording_reader import ReadRecording
from deadpan.extraction.sequences import MeasuredSequence
from deadpan.extraction.timeline import FusedScore, Timeline, TimelineUtterance
from deadpan.extraction.training_free import tracks_by_name
from deadpan.extraction.word_vectors import GloveVectors
from deadpan.models.base import FUSED, AttentionPath, Model
from deadpan.tasks import Regression
from deadpan.training.opened import OpenedRun, open_run
from deadpan.training.uncertainty import uncertain_columns
from deadpan.types import AUDIO, TEXT, VISION, Modality

READ_BY = "open-1"
"""The recipe by which recordings are read to be analysed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttentionMaps:
    """Crossmodal attention of a model in the utterances of a recording.

    Attributes:
        by_utterance: maps by the place of an utterance in the timeline, those of most interest
            first; steps are in seconds from the recording's start.
        attended: how many utterances can have maps: those with both modalities of one.
        reason: why none can; "" where one may.
    """

    by_utterance: Mapping[int, tuple[CrossmodalMap, ...]]
    attended: int = 0
    reason: str = ""


def fused_timeline(
    timeline: Timeline, recording: ReadRecording, run: OpenedRun, components: Path, *, heatmaps: int
) -> tuple[Timeline, AttentionMaps]:
    """Add a run's predictions to the utterances of a timeline.

    Args:
        timeline: of the recording.
        recording: as one pass measured it.
        run: of ``open_recording_run``.
        components: the folder of all components.
        heatmaps: most utterances of which attention is kept: first the incongruent ones, then those
            to whose score a modality adds most.

    Returns:
        The timeline with predictions, and what the model attends to.
    """
    clips = _clips(timeline, recording, run, components)
    scored = {index: clip for index, clip in enumerate(clips) if clip.sequences}
    normalized = dict(zip(scored, _normalized(run, list(scored.values())), strict=True))
    fused = dict(zip(normalized, _scores(run, list(normalized.values())), strict=True))
    utterances = tuple(
        dataclasses.replace(each, fused=fused.get(index))
        for index, each in enumerate(timeline.utterances)
    )
    first = sorted(normalized, key=lambda index: (*_interest(utterances[index]), index))
    maps = attention_maps(run.model, {index: normalized[index] for index in first}, heatmaps)
    timeline = dataclasses.replace(timeline, utterances=utterances, run=str(run.files.path))
    return timeline, maps


def _interest(utterance: TimelineUtterance) -> tuple[bool, float]:
    """Sorts an utterance among others: the incongruent first, then by what a modality adds."""
    parts = utterance.fused.contributions.values() if utterance.fused else ()
    return not utterance.incongruity, -max(map(abs, parts), default=0.0)


def attention_maps(model: Model, clips: Mapping[int, Clip], most: int) -> AttentionMaps:
    """What a model attends to across modalities in some utterances.

    Of words it keeps what they attend to in each other modality or, where the model has no such
    encoder, what that attends to in words.

    Args:
        model: any.
        clips: normalised utterances by their places in the timeline, those of most interest first.
        most: utterances of which attention is kept.
    """
    try:
        paths = _shown_paths(attention_paths(model))
    except DeadpanError as error:  # no attention, or a primary modality of each clip's own
        return AttentionMaps(by_utterance={}, reason=str(error).partition(";")[0])
    if not paths:
        reason = f"{type(model).__name__} attends to no other modality"
        return AttentionMaps(by_utterance={}, reason=reason)
    able = {
        index: clip for index, clip in clips.items() if any(_has_both(clip, path) for path in paths)
    }
    chosen = list(able)[:most]
    by_utterance: dict[int, tuple[CrossmodalMap, ...]] = dict.fromkeys(chosen, ())
    if chosen:
        for place, attention in attend_all(model, [able[index] for index in chosen]):
            by_utterance[chosen[place]] = tuple(
                crossmodal_map(attention, path) for path in paths if _has_both(attention.clip, path)
            )
    return AttentionMaps(by_utterance=by_utterance, attended=len(able))


def _has_both(clip: Clip, path: AttentionPath) -> bool:
    """Whether a clip has steps of an encoder's source and of its target."""
    ends = {path.source, path.target} - {FUSED}
    return all(len(clip.sequences.get(name, ())) for name in ends)


def _shown_paths(paths: Sequence[AttentionPath]) -> list[AttentionPath]:
    """For each other modality what words attend to in it, or else what it attends to in words.

    All pairs of a model without text.
    """
    crossmodal = [path for path in paths if path.stage == "crossmodal"]
    to_words = {path.source: path for path in crossmodal if path.target == TEXT}
    from_words = {path.target: path for path in crossmodal if path.source == TEXT}
    shown = from_words | to_words
    return [shown[name] for name in sorted(shown)] or crossmodal


def open_recording_run(path: Path, components: Path) -> OpenedRun:
    """Open a run that predicts sentiment from what recordings are measured for.

    Args:
        path: of a run of ``deadpan train``.
        components: the folder of all components.

    Raises:
        RunError: there is no such run, or it has not finished.
        DataError: it predicts something else, was trained on other features, or a component of
            these features is missing or another one.
    """
    run = open_run(path)
    if not isinstance(run.task, Regression):
        raise DataError(
            f"{path}: predicts {', '.join(run.task.labels)}, wanted sentiment; give a run on "
            "labels in [-3, 3]"
        )
    recipes = run.files.environment().dataset.recipes
    for name in run.model.modalities:
        recipe = recipes.get(name)
        if not isinstance(recipe, FeatureRecipe):
            source = "of no recipe" if recipe is None else f"of the recipe {recipe}"
            raise DataError(
                f"{path}: was trained on {name} {source}, not on what recordings are measured for; "
                "train on a store of 'deadpan extract'"
            )
        if difference := recipe.difference(feature_recipes(READ_BY)[name]):
            raise DataError(
                f"{path}: was trained on {name} of another recipe ({difference}); make the store "
                f"again with 'deadpan extract --recipe {READ_BY}', and train on that"
            )
        check_components(recipe_components({name: recipe}, recognition=False), components)
    return run


def _clips(
    timeline: Timeline, recording: ReadRecording, run: OpenedRun, components: Path
) -> list[Clip]:
    """Each utterance as a clip of the model's modalities."""
    tracks = tracks_by_name(recording.tracks)
    wanted = run.model.modalities
    vectors = None
    if TEXT in wanted:
        words = {word.text for each in timeline.utterances for word in each.words}
        vectors = GloveVectors(components / "glove-6b-50d", words)
    clips: list[Clip] = []
    for index, each in enumerate(timeline.utterances):
        span = (each.start, each.end)
        sequences: dict[Modality, np.ndarray] = {}
        times: dict[Modality, np.ndarray] = {}
        if vectors is not None:
            probabilities = np.array([word.probability for word in each.words], np.float32)
            sequences[TEXT] = vectors.features([word.text for word in each.words], probabilities)
            times[TEXT] = np.array([(word.start, word.end) for word in each.words])
        if AUDIO in wanted:
            sequences[AUDIO], times[AUDIO] = _steps(recording.voice, span)
        if VISION in wanted and each.face_of is not None:
            sequences[VISION], times[VISION] = _steps(tracks[each.face_of].sequence, span)
        clips.append(
            Clip(
                id=str(index),
                sequences={name: x for name, x in sequences.items() if len(x)},
                label=np.zeros(1, np.float32),
                words=tuple(word.text for word in each.words) if TEXT in sequences else (),
                times=times,
            )
        )
    return clips


def _steps(
    sequence: MeasuredSequence, span: Span
) -> tuple[Float32[np.ndarray, "step column"], Float[np.ndarray, "step 2"]]:
    """The measured steps of a span, with their starts and ends."""
    chosen = steps_within(sequence, span)
    return sequence.values[chosen], sequence.times()[chosen]


def _normalized(run: OpenedRun, clips: Sequence[Clip]) -> Sequence[Clip]:
    """Clips as the run's model takes them."""
    dataset = Dataset(
        name="recording",
        task="regression",
        labels=run.task.labels,
        widths=dict(run.model.widths),
        splits={"train": [], "valid": [], "test": list(clips)},
    )
    return run.normalizer(dataset)["test"] if clips else ()


def _scores(run: OpenedRun, clips: Sequence[Clip]) -> list[FusedScore]:
    """The prediction of each normalised clip, which has at least one modality."""
    if not clips:
        return []
    model, task = run.model, run.task
    outputs = subset_outputs(model, clips)
    complete = outputs[frozenset(model.modalities)]
    shares = shapley_values({names: task.decisions(x)[:, 0] for names, x in outputs.items()})
    columns = uncertain_columns(task, complete, run.files.uncertainty())
    (label,) = task.labels

    def bound(kind: str, index: int) -> float | None:
        values = columns.get(f"{kind}_{label}")
        return None if values is None else values[index]

    return [
        FusedScore(
            score=float(score),
            low=bound("low", index),
            high=bound("high", index),
            positive_probability=bound("positive_probability", index),
            gate=_gate(run, clips[index]),
            contributions={name: float(shares[name][index]) for name in model.modalities},
        )
        for index, score in enumerate(task.decisions(complete)[:, 0])
    ]


@torch.inference_mode()
def _gate(run: OpenedRun, clip: Clip) -> dict[Modality, float]:
    """The gate's weights for a clip; none for a model without a gate."""
    gate = run.model(collate([clip], run.model.widths)).gate
    return {} if gate is None else dict(zip(run.model.modalities, gate.tolist(), strict=True))
