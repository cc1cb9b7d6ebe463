"""Figures of the training, each with the sentence it shows and the file that holds its numbers."""

import typing

from deadpan.reports.gate import count_epochs, gate_by_epoch, gate_first_epoch
from deadpan.show.drawing import FAINT, INK, MUTED, to_svg
from deadpan.show.page import Panel, counted
from deadpan.training.history import EpochHistory, GateHistory


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
            svg=to_svg("gate-first", lambda figure: gate_first_epoch(figure, gate)),
            sources=("gate.csv",),
        ),
        Panel(
            title="Gate, mean of each epoch (the paper’s figure 7)",
            finding=f"The gate ends on {gate.primary} with weight {gate.weights[-1].max():.3f}; "
            f"{counted(gate.flips, 'flip')} in all{last}; {frozen}.",
            svg=to_svg("gate-epochs", lambda figure: gate_by_epoch(figure, gate)),
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
        svg=to_svg("loss", lambda figure: loss_curves(figure, history, unit), height=4.0),
        sources=("epochs.csv",),
    )


if typing.TYPE_CHECKING:
    import matplotlib.figure


def loss_curves(figure: "matplotlib.figure.Figure", history: EpochHistory, unit: str) -> None:
    """Training and validation loss by epoch, the best epoch marked.

    Args:
        figure: empty.
        history: the losses.
        unit: what the loss is, for the axis.
    """
    axes = figure.subplots()
    marker = "o" if len(history.epochs) < 4 else ""  # a line of one point would not be seen
    axes.plot(history.epochs, history.train_loss, ls="--", c=MUTED, marker=marker, label="train")
    axes.plot(history.epochs, history.valid_loss, c=INK, marker=marker, label="valid")
    if history.best_epoch is not None:
        loss = float(history.valid_loss[history.best_epoch - 1])
        axes.axvline(history.best_epoch, color=FAINT, lw=1, zorder=0)
        label = f"best: epoch {history.best_epoch}, {loss:.3f}"
        axes.plot(
            [history.best_epoch], [loss], "*", c="#D55E00", ms=11, mec="white", mew=0.6, label=label
        )
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"loss ({unit})")
    count_epochs(axes, history.epochs)
    figure.legend(loc="outside upper center", ncols=3)
