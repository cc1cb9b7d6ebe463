"""Figures of the training, each with the sentence it shows and the file that holds its numbers."""

import dataclasses

from deadpan.analysis import figures
from deadpan.analysis.drawing import to_svg
from deadpan.analysis.epochs import EpochHistory
from deadpan.analysis.gate import GateHistory


@dataclasses.dataclass(frozen=True, kw_only=True)
class Panel:
    """A figure as the page shows it.

    Attributes:
        title: what is drawn.
        finding: what it shows in this run, in one sentence: also read aloud in the figure's place.
        svg: an ``<svg>`` element that holds no text of the data.
        sources: files of the run directory with its numbers.
    """

    title: str
    finding: str
    svg: str
    sources: tuple[str, ...]


def gate_panels(gate: GateHistory) -> list[Panel]:
    """Figures 6 and 7 of the paper."""
    first = int(gate.epochs[0])
    steps = int((gate.epochs == first).sum())
    early = sum(step <= steps for step in gate.flip_steps)
    last = f", the last at batch {gate.last_flip} of {len(gate.epochs)}" if gate.last_flip else ""
    frozen = f"frozen at epoch {gate.frozen_epoch}" if gate.frozen_epoch else "never frozen"
    return [
        Panel(
            title=f"Gate, batch by batch in epoch {first} (the paper’s figure 6)",
            finding=f"After {counted(steps, 'batch', 'batches')} the gate’s primary modality is "
            f"{gate.primary_in(first)}; {counted(early, 'flip')} on the way.",
            svg=to_svg("gate-first", lambda figure: figures.gate_first_epoch(figure, gate)),
            sources=("gate.csv",),
        ),
        Panel(
            title="Gate, mean of each epoch (the paper’s figure 7)",
            finding=f"The gate ends on {gate.primary} with weight {gate.weights[-1].max():.3f}; "
            f"{counted(gate.flips, 'flip')} in all{last}; {frozen}.",
            svg=to_svg("gate-epochs", lambda figure: figures.gate_by_epoch(figure, gate)),
            sources=("gate.csv", "epochs.csv"),
        ),
    ]


def loss_panel(history: EpochHistory, unit: str) -> Panel:
    """Losses by epoch; ``unit`` is what the loss is, for its axis."""
    best = history.best_epoch
    finding = f"No epoch of {len(history.epochs)} improved the validation loss."
    if best is not None:
        later = len(history.epochs) - best
        tail = f"; {counted(later, 'later epoch')} did not improve it" if later else ""
        finding = (
            f"Validation loss was lowest, {history.valid_loss[best - 1]:.3f}, at epoch {best}, "
            f"whose weights are the ones scored{tail}."
        )
    return Panel(
        title="Loss",
        finding=finding,
        svg=to_svg("loss", lambda figure: figures.loss_curves(figure, history, unit), height=4.0),
        sources=("epochs.csv",),
    )


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 clip``, ``2 clips``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
