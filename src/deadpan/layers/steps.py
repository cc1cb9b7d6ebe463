"""A recurrence over the steps of sequences, which torch can export for any number of steps."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from deadpan.layers.exporting import is_exporting

States = tuple[Tensor, ...]
"""What a step hands on to the next; its shapes never change."""


def fold(
    step: Callable[[States, States], tuple[States, Tensor]],
    states: States,
    sequences: Sequence[Tensor],
    *,
    dim: int = 0,
) -> tuple[States, Tensor]:
    """Read sequences step by step.

    Args:
        step: from the states, and what the sequences hold at a step, to the next states and an
            output of the step.
        states: before the first step.
        sequences: steps first, at least one, all as long.
        dim: of the steps in the outputs.

    Returns:
        The states after the last step, and the outputs of all steps.
    """
    if is_exporting() and isinstance(sequences[0].shape[0], torch.SymInt):  # pyright: ignore[reportUnnecessaryIsInstance]
        return _scanned(step, states, sequences, dim)
    outputs: list[Tensor] = []
    for values in zip(*sequences, strict=True):
        states, output = step(states, values)
        outputs.append(output)
    return states, torch.stack(outputs, dim=dim)


def _scanned(
    step: Callable[[States, States], tuple[States, Tensor]],
    states: States,
    sequences: Sequence[Tensor],
    dim: int,
) -> tuple[States, Tensor]:
    """The same as one operator: a loop of Python would be exported for one number of steps."""
    from torch._higher_order_ops.scan import scan

    def copied(before: list[Tensor], values: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        after, output = step(tuple(before), tuple(values))
        # An operator returns no tensor that it was given, nor any twice.
        return [x.clone() for x in after], [output.clone()]

    last, (outputs,) = scan(copied, [x.clone() for x in states], list(sequences))
    return tuple(last), outputs.movedim(0, dim)
