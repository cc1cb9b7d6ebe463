"""What a trained run predicts for each utterance of a recording, and what each modality adds."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from deadpan.analysis.contributions import shapley_values, subset_outputs
from deadpan.data.batching import collate
from deadpan.data.dataset import Clip, Dataset
from deadpan.data.feature_recipe import FeatureRecipe
from deadpan.errors import DataError
from deadpan.extraction.readings import Span, steps_within
from deadpan.extraction.recipes import check_components, feature_recipes, recipe_components
from deadpan.extraction.recording_reader import ReadRecording
from deadpan.extraction.sequences import MeasuredSequence
from deadpan.extraction.timeline import FusedScore, Timeline
from deadpan.extraction.training_free import tracks_by_name
from deadpan.extraction.word_vectors import GloveVectors
from deadpan.tasks import Regression
from deadpan.training.opened import OpenedRun
from deadpan.training.uncertainty import uncertain_columns
from deadpan.types import AUDIO, TEXT, VISION, Modality

READ_BY = "open-1"
"""The recipe by which recordings are read to be analysed."""


def fused_timeline(
    timeline: Timeline, recording: ReadRecording, run: OpenedRun, components: Path
) -> Timeline:
    """Add a run's predictions to the utterances of a timeline.

    Args:
        timeline: of the recording.
        recording: as one pass measured it.
        run: that ``check_recording_run`` lets pass.
        components: the folder of all components.
    """
    clips = _clips(timeline, recording, run, components)
    scored = [index for index, clip in enumerate(clips) if clip.sequences]
    fused: dict[int, FusedScore] = {}
    if scored:
        scores = _scores(run, [clips[index] for index in scored])
        fused = dict(zip(scored, scores, strict=True))
    return dataclasses.replace(
        timeline,
        utterances=tuple(
            dataclasses.replace(each, fused=fused.get(index))
            for index, each in enumerate(timeline.utterances)
        ),
        run=str(run.files.path),
    )


def check_recording_run(run: OpenedRun, components: Path) -> None:
    """Check that a run predicts sentiment from what recordings are measured for.

    Args:
        run: of ``deadpan train``.
        components: the folder of all components.

    Raises:
        DataError: it predicts something else, was trained on other features, or a component of
            these features is missing or another one.
    """
    path = run.files.path
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
        if vectors is not None:
            probabilities = np.array([word.probability for word in each.words], np.float32)
            sequences[TEXT] = vectors.features([word.text for word in each.words], probabilities)
        if AUDIO in wanted:
            sequences[AUDIO] = _steps(recording.voice, span)
        if VISION in wanted and each.face_of is not None:
            sequences[VISION] = _steps(tracks[each.face_of].sequence, span)
        clips.append(
            Clip(
                id=str(index),
                sequences={name: x for name, x in sequences.items() if len(x)},
                label=np.zeros(1, np.float32),
            )
        )
    return clips


def _steps(sequence: MeasuredSequence, span: Span) -> np.ndarray:
    """The measured steps [step, column] of a span."""
    return sequence.values[steps_within(sequence, span)]


def _scores(run: OpenedRun, clips: Sequence[Clip]) -> list[FusedScore]:
    """The prediction of each clip, which has at least one modality."""
    model, task = run.model, run.task
    dataset = Dataset(
        name="recording",
        task="regression",
        labels=task.labels,
        widths=dict(model.widths),
        splits={"train": [], "valid": [], "test": list(clips)},
    )
    normalized = run.normalizer(dataset)["test"]
    outputs = subset_outputs(model, normalized)
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
            gate=_gate(run, normalized[index]),
            contributions={name: float(shares[name][index]) for name in model.modalities},
        )
        for index, score in enumerate(task.decisions(complete)[:, 0])
    ]


@torch.inference_mode()
def _gate(run: OpenedRun, clip: Clip) -> dict[Modality, float]:
    """The gate's weights for a clip; none for a model without a gate."""
    gate = run.model(collate([clip], run.model.widths)).gate
    return {} if gate is None else dict(zip(run.model.modalities, gate.tolist(), strict=True))
