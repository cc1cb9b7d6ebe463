"""The figures of an explanation, each with the sentence that it shows."""

import dataclasses
from collections.abc import Iterator, Sequence

from deadpan.analysis.explanation import Explanation, Told
from deadpan.analysis.maps import CrossmodalMap
from deadpan.reports.clip.heatmap import heatmap
from deadpan.reports.clip.word_strips import Strip, scale_of, shade, step_curves, word_strips
from deadpan.reports.gate import batches_figure, epochs_figure, seeds_height
from deadpan.show.drawing import Picture, font_lacks, picture
from deadpan.show.page import counted
from deadpan.training.history import GateSeeds
from deadpan.types import TEXT


@dataclasses.dataclass(frozen=True, kw_only=True)
class Word:
    """A word as the page shows it: its text, what it is worth, and its colours."""

    text: str
    told: str
    back: str
    front: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExplainPanel:
    """A figure of the page.

    Attributes:
        title: what is drawn.
        finding: what it shows, in a sentence or two.
        picture: for papers, and for the page where there are no ``lines``.
        lines: words for the browser to set: a title, and the words in their colours.
        right_to_left: how the words are read.
        sources: files with its numbers.
    """

    title: str
    finding: str
    picture: Picture
    lines: tuple[tuple[str, tuple[Word, ...]], ...] = ()
    right_to_left: bool = False
    sources: tuple[str, ...]


def panels(explained: Explanation) -> list[ExplainPanel]:
    """Figures 1 to 3, 5 and 8, 6 and 7 of the paper, as far as the model has them."""
    found: list[ExplainPanel] = []
    if explained.crossmodal is not None:
        found.append(_map_panel(explained.crossmodal))
    found += _word_panels(explained)
    if explained.gates is not None:
        found += _gate_panels(explained.gates)
    return found


def _map_panel(drawn: CrossmodalMap) -> ExplainPanel:
    size, font, paint = heatmap(drawn)
    shares = drawn.shares
    cells = "; ".join(
        f"{number}. {drawn.target.at(row)} to {drawn.source.at(column)} ({shares[row, column]:.2g})"
        for number, (row, column) in enumerate(drawn.strongest(), start=1)
    )
    return ExplainPanel(
        title=f"Crossmodal attention {drawn.source.name} → {drawn.target.name} (figure 1)",
        finding=f"Strongest cells, in units of the mean: {cells}. {font.note}".strip(),
        picture=picture("crossmodal", paint, size, families=font.families),
        sources=("crossmodal.csv",),
    )


def _word_panels(explained: Explanation) -> Iterator[ExplainPanel]:
    target, told = explained.target.name, explained.told
    yield _told_panel(
        explained,
        "words-self" if target == TEXT else "steps-self",
        f"{target}: alone, and attending to all other modalities (figure 2)",
        list(dict.fromkeys([0, len(told) - 1])),
    )
    singles = [i for i, each in enumerate(told) if len(each.given) == 1]
    if len(singles) > 1:
        yield _told_panel(
            explained,
            "words-sources" if target == TEXT else "steps-sources",
            f"{target}: attending to one other modality at a time (figure 3)",
            singles,
        )
    if explained.against:
        yield _panel(
            explained,
            "words-runs" if target == TEXT else "steps-runs",
            f"{target}: the same clip under two runs (figures 5 and 8)",
            [
                (_plain(each.run, f"run {number}"), each)
                for number, each in enumerate(explained.against, start=1)
            ],
        )


def _told_panel(
    explained: Explanation, name: str, title: str, chosen: Sequence[int]
) -> ExplainPanel:
    target = explained.target.name
    named = [
        (f"{' + '.join(each.given)} → {target}" if each.given else f"{target} alone", each)
        for each in (explained.told[i] for i in chosen)
    ]
    return _panel(explained, name, title, named)


def _panel(
    explained: Explanation, name: str, title: str, told: Sequence[tuple[str, Told]]
) -> ExplainPanel:
    axis = explained.target
    strips: list[Strip] = [(line, each.shares) for line, each in told]
    finding = " ".join(f"{line}: {_highest(explained, each)}." for line, each in told)
    if axis.name != TEXT:
        drawn = picture(name, lambda figure: step_curves(figure, axis, strips), (6.5, 2.9))
        return ExplainPanel(title=title, finding=finding, picture=drawn, sources=("words.csv",))
    words = axis.words or tuple(str(i + 1) for i in range(len(axis.edges) - 1))
    size, font, paint = word_strips(words, strips)
    scale = scale_of(strips)
    return ExplainPanel(
        title=title,
        finding=f"{finding} {font.note}".strip(),
        picture=picture(name, paint, size, families=font.families),
        lines=tuple(
            (
                line,
                tuple(
                    Word(text=word, told=f"{share:.2f}", back=back, front=front)
                    for word, share in zip(words, shares.tolist(), strict=True)
                    for back, front in [shade(share, scale)]
                ),
            )
            for line, shares in strips
        ),
        right_to_left=font.right_to_left,
        sources=("words.csv",),
    )


def _highest(explained: Explanation, told: Told) -> str:
    shares = told.shares
    if not shares.any():
        return "nothing counts"
    best = sorted(range(len(shares)), key=lambda i: -shares[i])[:3]
    return ", ".join(f"{explained.target.at(i)} {shares[i]:.2f}" for i in best)


def _plain(title: str, instead: str) -> str:
    """A title as figures can show it."""
    return instead if font_lacks(title) else title


def _gate_panels(seeds: GateSeeds) -> list[ExplainPanel]:
    size = (6.5, seeds_height(seeds))
    runs = counted(len(seeds.gates), "run")
    ends = ", ".join(
        f"{name}: {gate.primary} ({counted(gate.flips, 'flip')}, "
        f"{f'frozen at epoch {gate.frozen_epoch}' if gate.frozen_epoch else 'never frozen'})"
        for name, gate in zip(seeds.names, seeds.gates, strict=True)
    )
    band = "; bands run from the least to the greatest of them" if len(seeds.gates) > 1 else ""
    return [
        ExplainPanel(
            title="Gate, batch by batch in the first epoch (figure 6)",
            finding=f"{runs}{band}. The primary modality of each is told by the rows below.",
            picture=picture("gate-batches", lambda f: batches_figure(f, seeds), size),
            sources=("gate-batches.csv",),
        ),
        ExplainPanel(
            title="Gate, mean of each epoch (figure 7)",
            finding=f"{runs}{band}. At the end of training {ends}.",
            picture=picture("gate-epochs", lambda f: epochs_figure(f, seeds), size),
            sources=("gate-epochs.csv",),
        ),
    ]
