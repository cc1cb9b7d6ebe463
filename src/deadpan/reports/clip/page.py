"""``deadpan explain``: a folder of figures, tables and one self-contained HTML page."""

import csv
import io
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from deadpan.analysis.disagreement import Verdict
from deadpan.analysis.explanation import Explanation
from deadpan.errors import DeadpanError
from deadpan.files import write_atomically
from deadpan.reports.clip.panels import clip_panels
from deadpan.reports.clip.tables import Rows, tables, values
from deadpan.show.page import Fact, Panel, render

PAGE = "explain.html"
METHODS = {
    "attention": "the attention of the last real step, carried back through the mean of each "
    "encoder’s layers and heads; crossmodal encoders leave half with the word and hand half on",
    "rollout": "attention rollout (Abnar and Zuidema 2020): layer by layer, half for the residual "
    "connection",
    "gradient": "attention times its positive gradient (Chefer et al. 2021), layer by layer",
}


def write_explanation(explained: Explanation, folder: Path) -> Path:
    """Write every figure, table and the page; the page last.

    The page needs no other file and no network. Files of an earlier explanation are replaced one
    by one, each whole; a new folder that could not be filled is removed again.

    Returns:
        The page's path.

    Raises:
        DeadpanError: the folder is a file, or cannot be written.
    """
    files = explanation_files(explained)
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_atomically(folder / name, content)
    except OSError as error:
        if new:
            shutil.rmtree(folder, ignore_errors=True)
        raise DeadpanError(
            f"{folder}: cannot be written ({error.strerror}); give another --out"
        ) from None
    return folder / PAGE


def explanation_files(explained: Explanation) -> dict[str, bytes]:
    """Every file by its name."""
    found: dict[str, bytes] = {}
    drawn = clip_panels(explained)
    for picture in (panel.picture for panel in drawn if panel.picture):
        found[f"{picture.name}.svg"] = picture.svg.encode()
        found[f"{picture.name}.png"] = picture.png
    for name, rows in tables(explained).items():
        found[name] = _csv(rows)
    numbers = json.dumps(_finite(values(explained)), indent=1, ensure_ascii=False, allow_nan=False)
    found["explain.json"] = numbers.encode("utf-8", "replace")
    return found | {PAGE: _page(explained, drawn).encode("utf-8", "replace")}


def _page(explained: Explanation, drawn: Sequence[Panel]) -> str:
    clip = explained.clip
    return render(
        "clip.html.j2",
        title=f"Clip {clip.id}",
        words=" ".join(clip.words),
        runs=[run.title for run in explained.runs],
        why=f"Of the {explained.split} split; {explained.why}.",
        closed=[str(run.path) for run in explained.runs if not run.evaluated],
        kind=clip.truth.kind if clip.truth else "",
        facts=cards(explained.verdict),
        panels=drawn,
        modalities=explained.runs[0].model.modalities,
        apart=explained.apart,
        shown=shown,
        method=explained.method,
        meaning=METHODS[explained.method],
        check=explained.check,
        number=_number,
        files=sorted(["explain.json", *tables(explained)]),
    )


def cards(verdict: Verdict) -> list[Fact]:
    """Label, predictions and single modalities of the clip."""
    alone = [
        Fact(term=f"With {name} alone", value=shown(said), note="all else missing")
        for name, said in verdict.tendencies.items()
    ]
    said = [
        Fact(term=f"Predicted by {run}", value=shown(said), note="with all it has")
        for run, said in verdict.predictions.items()
    ]
    return [Fact(term="Label", value=shown(verdict.truth), note=""), *said, *alone]


def shown(by_label: Mapping[str, float]) -> str:
    """A signed number for one label; the greatest by name for several."""
    if len(by_label) == 1:
        return _number(next(iter(by_label.values())), "+")
    name, value = max(by_label.items(), key=lambda item: item[1])
    return f"{name} {_number(value)}"


def _number(value: float, sign: str = "") -> str:
    return "–" if math.isnan(value) else f"{value:{sign}.2f}".replace("-", "−")


def _csv(rows: Rows) -> bytes:
    """The rows under every key that one of them has."""
    text = io.StringIO(newline="")
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, fieldnames=names, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
