"""What is done with a file: everything that deadpan does when it is given one of its kind."""

from pathlib import Path

import numpy as np


def load_data(path: Path, options: dict[str, str]) -> None:
    """Load a data set and read every clip; a store is read clip by clip."""
    from deadpan.data import load

    for clips in load(path, **options).splits.values():
        for clip in clips:
            _ = clip.sequences


def open_files_of_run(path: Path, _: dict[str, str]) -> None:
    """Read every file of a run, and go on from its checkpoint with one step of the optimizer.

    A file that is refused hides no other: the first refusal is raised at the end.
    """
    import torch

    from deadpan.errors import DeadpanError
    from deadpan.training.checkpoint import State
    from deadpan.training.opened import RunDirectory, build, open_run
    from deadpan.training.run import make_optimizer, make_scheduler

    run = RunDirectory(path)

    def resume() -> None:
        # The model is that of the sound run, whose settings whoever resumes must give again.
        sound = open_run(SOUND_RUN[0])
        model = build(sound.settings, sound.model.widths, sound.task.outputs)
        optimizer = make_optimizer(
            model, learning_rate=1e-3, gate_learning_rate=None, weight_decay=0.0
        )
        state = State(
            model=model, optimizer=optimizer, scheduler=make_scheduler(optimizer, patience=0)
        )
        state.load(run.checkpoint_file)
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        state.optimizer.step()
        state.finish_epoch([] if state.gate is None else [state.gate[0]], 1, 1.0)
        state.gate_rows()

    refusal = None
    for use in (run.settings, run.environment, run.epochs, run.gate, run.scores, run.predictions,
                lambda: open_run(path), resume):  # fmt: skip
        try:
            use()
        except DeadpanError as error:
            refusal = refusal or error
    if refusal is not None:
        raise refusal


SOUND_RUN: list[Path] = []
"""The undamaged run, once it is known where."""


def predict(path: Path, _: dict[str, str]) -> None:
    """Predict two clips with an exported file."""
    from deadpan.serving.predictor import Predictor

    random = np.random.default_rng(0)
    predictor = Predictor(path)
    clips = [
        {
            name: random.normal(size=(steps, width))
            for name, width in predictor.widths.items()
            if width < 99
        }
        for steps in (1, 3)
    ]
    groups = ["a", "b"] if predictor.facts["median_of_group_first"] else None
    predictor(clips, groups=groups).rows()


USES = {"data": load_data, "run": open_files_of_run, "predict": predict}
