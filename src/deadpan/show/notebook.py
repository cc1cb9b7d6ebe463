"""Progress of training where code runs in a notebook, as a bar that the notebook redraws."""

import html
import sys
from typing import Any

STEPS = 20
"""How often within an epoch the bar moves."""


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


class NotebookBar:
    """Draws the epochs of a run as a bar; a ``deadpan.training.loop.Watch``.

    Args:
        epochs: of the run.
    """

    def __init__(self, epochs: int) -> None:
        self._epochs, self._losses = epochs, ""
        self._area: Any = None

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """Move the bar, if this step is one of the ``STEPS`` of its epoch that do."""
        if step * STEPS // steps > (step - 1) * STEPS // steps:
            self._draw(epoch - 1 + step / steps, f"epoch {epoch}/{self._epochs}")

    def epoch(self, row: dict[str, int | float]) -> None:
        """Show an epoch's losses beside the bar."""
        self._losses = f"train {row['train_loss']:.3f}, valid {row['valid_loss']:.3f}"
        self._draw(float(row["epoch"]), f"epoch {row['epoch']}/{self._epochs}")

    def _draw(self, done: float, text: str) -> None:
        from IPython.display import HTML, display  # pyright: ignore[reportMissingImports]

        line = html.escape(f"{text} {self._losses}")
        content = HTML(f'<progress value="{done:.3f}" max="{self._epochs}"></progress> {line}')
        if self._area is None:
            self._area = display(content, display_id=True)
        else:
            self._area.update(content)
