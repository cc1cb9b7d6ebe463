"""The figures of an explanation, each with the sentence that it shows."""

from collections.abc import Iterator, Sequence

from deadpan.analysis.crossmodal import CrossmodalMap
from deadpan.analysis.explanation import Explanation, TargetSalience
from deadpan.reports.clip.figures import (
    Strip,
    heatmap,
    scale_of,
    shade,
    step_curves,
    word_strips,
)
from deadpan.reports.gate import gate_panels
from deadpan.show.drawing import picture
from deadpan.show.fonts import lacks_letters
from deadpan.show.page import Panel, ShadedWord, WordStrip
from deadpan.types import TEXT


def clip_panels(explained: Explanation) -> list[Panel]:
    """Figures 1 to 3, 5 and 8, 6 and 7 of the paper, as far as the model has them."""
    found: list[Panel] = []
    if explained.crossmodal is not None:
        found.append(_map_panel(explained.crossmodal))
    found += _word_panels(explained)
    if explained.gates is not None:
        found += gate_panels(
            explained.gates, ["gate-batches.csv", "gate-epochs.csv"], for_papers=True
        )
    return found


def _map_panel(drawn: CrossmodalMap) -> Panel:
    size, drawn_words, paint = heatmap(drawn)
    shares = drawn.shares
    cells = "; ".join(
        f"{number}. {drawn.target.at(row)} to {drawn.source.at(column)} ({shares[row, column]:.2g})"
        for number, (row, column) in enumerate(drawn.strongest(), start=1)
    )
    drawing = picture("crossmodal", paint, size)
    return Panel(
        title=f"Crossmodal attention {drawn.source.name} → {drawn.target.name} (figure 1)",
        finding=f"Strongest cells, numbered (1 = their mean): {cells}. {drawn_words.note}".strip(),
        svg=drawing.inline,
        picture=drawing,
        sources=("crossmodal.csv",),
    )


def _word_panels(explained: Explanation) -> Iterator[Panel]:
    target, prefix = explained.target.name, "words" if explained.target.name == TEXT else "steps"
    conditions = [
        (f"{' + '.join(each.given)} → {target}" if each.given else f"{target} alone", each)
        for each in explained.conditions
    ]
    yield _panel(
        explained,
        f"{prefix}-self",
        f"Salience of {target}: alone, and with all other modalities (figure 2)",
        [conditions[i] for i in dict.fromkeys([0, len(conditions) - 1])],
    )
    singles = [condition for condition in conditions if len(condition[1].given) == 1]
    if len(singles) > 1:
        yield _panel(
            explained,
            f"{prefix}-sources",
            f"Salience of {target}: with one other modality at a time (figure 3)",
            singles,
        )
    if explained.against:
        yield _panel(
            explained,
            f"{prefix}-runs",
            f"Salience of {target}: the same clip under two runs (figures 5 and 8)",
            [
                (f"run {number}" if lacks_letters(each.run) else each.run, each)
                for number, each in enumerate(explained.against, start=1)
            ],
        )


def _panel(
    explained: Explanation, name: str, title: str, conditions: Sequence[tuple[str, TargetSalience]]
) -> Panel:
    axis = explained.target
    strips: list[Strip] = [(line, each.shares) for line, each in conditions]
    finding = " ".join(f"{line}: {_most_salient(explained, each)}." for line, each in conditions)
    if axis.name != TEXT:
        drawn = picture(name, lambda figure: step_curves(figure, axis, strips), (6.5, 2.9))
        return Panel(
            title=title,
            finding=finding,
            svg=drawn.inline,
            picture=drawn,
            sources=("words.csv",),
        )
    words = axis.words or tuple(str(i + 1) for i in range(len(axis.edges) - 1))
    size, drawn_words, paint = word_strips(words, strips)
    scale = scale_of(strips)
    drawn = picture(name, paint, size)
    return Panel(
        title=title,
        finding=f"{finding} {drawn_words.note}".strip(),
        svg=drawn.inline,
        strips=tuple(
            WordStrip(
                title=line,
                words=tuple(
                    ShadedWord(text=word, value=f"{share:.2f}", back=back, front=front)
                    for word, share in zip(words, shares.tolist(), strict=True)
                    for back, front in [shade(share, scale)]
                ),
            )
            for line, shares in strips
        ),
        right_to_left=drawn_words.right_to_left,
        picture=drawn,
        sources=("words.csv",),
    )


def _most_salient(explained: Explanation, condition: TargetSalience) -> str:
    shares = condition.shares
    if not shares.any():
        return "no step is salient"
    best = sorted(range(len(shares)), key=lambda i: -shares[i])[:3]
    return "most on " + ", ".join(f"{explained.target.at(i)} ({shares[i]:.2f})" for i in best)
