"""The data sets of the field, as tables that fit into 80 columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deadpan.data.corpora import Corpus, Source
from deadpan.data.fetching.fetch import CorpusFile
from deadpan.types import SPLITS

UNTRIED = "none of these addresses was tried when this version was made"
UNKNOWN = "?"


def corpora_table(corpora: Sequence[Corpus]) -> RenderableType:
    """A line per data set."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("data set", no_wrap=True)
    table.add_column("task", no_wrap=True)
    table.add_column("labels", no_wrap=True)
    for name in ("clips", "videos", "hours"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("train/valid/test", justify="right", no_wrap=True)
    table.add_column("fetch", no_wrap=True)
    for corpus in corpora:
        table.add_row(
            corpus.name,
            corpus.task,
            _labels(corpus),
            f"{corpus.clips:,}",
            _number(corpus.videos),
            _number(corpus.hours),
            _split_counts(corpus),
            f"{len(corpus.files())} files" if corpus.files() else "by hand",
        )
    lines = [
        f"{UNKNOWN}: not surely known; none: no standard split",
        "'deadpan data list NAME' tells all of one, 'deadpan data fetch NAME' gets it",
    ]
    return Group(table, Text("\n".join(lines)))


def corpus_row(corpus: Corpus) -> dict[str, Any]:
    """A line of a CSV table; what is not known is empty."""
    low, high = corpus.label_range or (None, None)
    return {
        "name": corpus.name,
        "title": corpus.title,
        "task": corpus.task,
        "labels": " ".join(label.replace(" ", "_") for label in corpus.labels),
        "least_label": low,
        "greatest_label": high,
        "language": corpus.language,
        "clips": corpus.clips,
        "videos": corpus.videos,
        "hours": corpus.hours,
        **{split: (corpus.splits or {}).get(split) for split in SPLITS},
        "licence": corpus.licence,
        "citation": corpus.citation,
    }


def corpus_view(corpus: Corpus, folder: Path) -> RenderableType:
    """Everything about one data set.

    Args:
        corpus: what to show.
        folder: where its files are to be put.
    """
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in _facts(corpus).items():
        facts.add_row(Text(name), Text(value))
    parts: list[RenderableType] = [
        Text(corpus.title, style="bold"),
        Text(corpus.about),
        Text(),
        facts,
        *_list("traps", corpus.traps),
    ]
    if corpus.files():
        parts += [Text("\nsources", style="bold"), _sources_table(corpus.files(), folder)]
        parts.append(Text(f"{UNTRIED}; deadpan data fetch {corpus.name}"))
    return Group(*parts, *by_hand_view(corpus, folder))


def by_hand_view(corpus: Corpus, folder: Path, missing: Sequence[str] = ()) -> list[RenderableType]:
    """What to download by hand, from whom, and where to put it.

    Args:
        corpus: whose files.
        folder: where they are to be put.
        missing: files that a program might have fetched, but could not.
    """
    files = {name: sources for name, sources in corpus.files().items() if name in missing}
    files |= corpus.files_by_hand()
    parts: list[RenderableType] = []
    if files or corpus.how_to_get:
        parts.append(Text("\nby hand", style="bold"))
    if corpus.how_to_get:
        parts.append(Text(corpus.how_to_get))
    if files:
        parts.append(_sources_table(files, folder))
    return parts


def fetched_table(files: Sequence[CorpusFile]) -> RenderableType:
    """The files that are there, with their hashes for a paper's appendix."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(overflow="fold")
    for file in files:
        was = "was there" if file.was_there else "fetched"
        checked = "as published" if file.verified else "no published one to compare with"
        table.add_row(Text(f"{file.path}: {file.size:,} bytes, {was}"))
        table.add_row(Text(f"  SHA-256 {file.sha256}, {checked}"))
    return table


def _facts(corpus: Corpus) -> Mapping[str, str]:
    splits = ", ".join(f"{name} {count:,}" for name, count in (corpus.splits or {}).items())
    without = "no standard split" if corpus.splits is not None else "splits not surely known"
    facts = {
        "task": f"{corpus.task} of {', '.join(corpus.labels)}",
        "labels": f"from {corpus.label_range[0]:g} to {corpus.label_range[1]:g}"
        if corpus.label_range
        else "",
        "language": corpus.language,
        "clips": f"{corpus.clips:,}" + f" ({splits or without})",
        "videos": _number(corpus.videos),
        "hours": _number(corpus.hours),
        "licence": corpus.licence,
        "cite": corpus.citation,
        "layout": corpus.layout,
    }
    return {name: value for name, value in facts.items() if value}


def _list(title: str, sentences: Sequence[str]) -> list[RenderableType]:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(overflow="fold")
    for sentence in sentences:
        table.add_row("-", Text(sentence))
    return [Text(f"\n{title}", style="bold"), table]


def _sources_table(files: Mapping[str, Sequence[Source]], folder: Path) -> RenderableType:
    parts: list[RenderableType] = []
    for name, sources in files.items():
        parts.append(Text(str(folder / name)))
        for source in sources:
            told = [source.note, source.url]
            if source.size is not None:
                told.append(f"{source.size:,} bytes")
            if source.sha256:
                told.append(f"SHA-256 {source.sha256}")
            # Never broken: an address must be fit to be copied.
            parts += [Text(f"    {line}", no_wrap=True, overflow="ignore") for line in told]
    return Group(*parts)


def _labels(corpus: Corpus) -> str:
    if corpus.label_range and len(corpus.labels) == 1:
        return f"{corpus.label_range[0]:g} to {corpus.label_range[1]:g}"
    return f"{len(corpus.labels)}"


def _split_counts(corpus: Corpus) -> str:
    if corpus.splits is None:
        return UNKNOWN
    return "/".join(f"{count}" for count in corpus.splits.values()) or "none"


def _number(value: int | float | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"
