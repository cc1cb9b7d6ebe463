"""A figure that notebooks display without pyplot."""

import io

from matplotlib.figure import Figure


class NotebookFigure(Figure):
    """A figure of matplotlib that draws itself as PNG where a notebook shows it."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png", dpi=110)
        return content.getvalue()
