"""Data sets as tables of at most 80 columns: what is known of the field's, and a set's health."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deadpan.cli.output import one_line

if TYPE_CHECKING:
    from deadpan.data.corpora import Corpus, Source
    from deadpan.data.fetching.fetch import FetchedFile

COLUMNS = 80
BAR = 8  # characters of the longest bar of a histogram
STYLES = {"serious": "bold red", "warning": "yellow", "note": ""}
UNTRIED = "none of these addresses was tried when this version was made"
UNKNOWN = "?"


def corpora_table(corpora: Sequence["Corpus"]) -> RenderableType:
    """A row per data set."""
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
        f"{UNKNOWN}: not known for certain; none: no standard split",
        "'deadpan data list NAME' shows all of one, 'deadpan data fetch NAME' downloads it",
    ]
    return Group(table, Text("\n".join(lines)))


def corpus_row(corpus: "Corpus") -> dict[str, Any]:
    """A data set's row of a CSV table; what is not known is empty."""
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
        **{split: (corpus.splits or {}).get(split) for split in ("train", "valid", "test")},
        "licence": corpus.licence,
        "citation": corpus.citation,
    }


def corpus_table(corpus: "Corpus", folder: Path) -> RenderableType:
    """All that is known of one data set.

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
        from deadpan.data.fetching.fetch import target_path

        targets = {target_path(folder, name, s): s for name, s in corpus.files().items()}
        parts += [Text("\nsources", style="bold"), _sources_table(targets)]
        plain = any(all(s.url.startswith("http:") for s in sources) for sources in targets.values())
        option = " --allow_http" if plain else ""
        parts.append(Text(f"{UNTRIED}; deadpan data fetch {corpus.name}{option}"))
    return Group(*parts, *by_hand_table(corpus, folder))


def by_hand_table(
    corpus: "Corpus", folder: Path, missing: Sequence[str] = ()
) -> list[RenderableType]:
    """The files to download by hand, their sources, and where to put them.

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
        parts.append(_sources_table({folder / name: sources for name, sources in files.items()}))
    return parts


def files_table(files: Sequence["FetchedFile"]) -> RenderableType:
    """Files that were fetched, with their hashes for a paper's appendix."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(overflow="fold")
    for file in files:
        origin = "was there" if file.was_there else "fetched"
        check = "as published" if file.verified else "no published one to compare with"
        table.add_row(Text(f"{file.path}: {file.size:,} bytes, {origin}"))
        table.add_row(Text(f"  SHA-256 {file.sha256}, {check}"))
    return table


def components_table(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """A row per component.

    Args:
        rows: of ``deadpan.components``.
    """
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("component", no_wrap=True)
    table.add_column("role", no_wrap=True)
    table.add_column("MB", justify="right", no_wrap=True)
    table.add_column("licence", no_wrap=True)
    table.add_column("commercial", no_wrap=True)
    table.add_column("here", overflow="fold")
    for row in rows:
        table.add_row(
            row["name"],
            row["role"],
            f"{row['size'] / 1e6:.1f}",
            row["licence"],
            "yes" if row["commercial"] else "no",
            Text(one_line(row["path"] or "-")),
        )
    return Group(table, Text("'deadpan components fetch NAME ...' downloads them"))


def _facts(corpus: "Corpus") -> Mapping[str, str]:
    splits = ", ".join(f"{name} {count:,}" for name, count in (corpus.splits or {}).items())
    without = "no standard split" if corpus.splits is not None else "splits not known for certain"
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


def _sources_table(files: Mapping[Path, Sequence["Source"]]) -> RenderableType:
    """The path of each file and its sources."""
    parts: list[RenderableType] = []
    for path, sources in files.items():
        parts.append(Text(str(path)))
        for source in sources:
            lines = [source.note, source.url]
            if source.size is not None:
                lines.append(f"{source.size:,} bytes")
            if source.sha256:
                lines.append(f"SHA-256 {source.sha256}")
            if source.url.startswith("http:") and not source.by_hand:
                lines.append("plain http: fetched with --allow_http only")
            # Never broken: an address must be fit to be copied.
            parts += [Text(f"    {line}", no_wrap=True, overflow="ignore") for line in lines]
    return Group(*parts)


def _labels(corpus: "Corpus") -> str:
    if corpus.label_range and len(corpus.labels) == 1:
        return f"{corpus.label_range[0]:g} to {corpus.label_range[1]:g}"
    return f"{len(corpus.labels)}"


def _split_counts(corpus: "Corpus") -> str:
    if corpus.splits is None:
        return UNKNOWN
    return "/".join(f"{count}" for count in corpus.splits.values()) or "none"


def _number(value: int | float | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def health_table(facts: Mapping[str, Any]) -> RenderableType:
    """The health of a data set: its splits, its modalities, and findings, the gravest first.

    Args:
        facts: of ``deadpan.inspect``.
    """
    from deadpan.reports.data_tables import (
        findings_verdict,
        modality_columns,
        reading_notes,
        split_columns,
    )

    layout = f", {facts['layout']}" if facts["layout"] else ""
    labels = ", ".join(facts["labels"])
    parts: list[RenderableType] = [
        _line(f"{facts['name']}{layout}"),
        _line(f"{facts['task']} of {labels}" if labels else "no labels"),
    ]
    bars = [_label_rows(split["labels"]) for split in facts["splits"].values() if split["clips"]]
    columns = split_columns(facts).items()
    parts.append(_table({n: {**rows, **b} for (n, rows), b in zip(columns, bars, strict=True)}))
    if facts["modalities"]:
        parts.append(_table(modality_columns(facts)))
    parts += map(_line, reading_notes(facts))
    if baseline := facts["baseline"]:
        scores = ", ".join(f"{m['title']} {m['shown']}" for m in baseline["metrics"])
        text = f"{baseline['system']}, the same for every {baseline['split']} clip: {scores}"
        parts.append(_line(text))
    parts.append(Text(findings_verdict(facts), style="bold"))
    findings = Table.grid(padding=(0, 1))
    for finding in facts["findings"]:
        gravity = finding["gravity"]
        findings.add_row(Text(f"{gravity}:", style=STYLES[gravity]), _line(finding["sentence"]))
    return Group(*parts, findings) if facts["findings"] else Group(*parts)


def _label_rows(labels: Mapping[str, Any]) -> dict[str, str]:
    """A bar for each label, class or bin."""
    from deadpan.data.health.findings import percent

    rows: dict[str, str] = {}
    for key, title in (("present", "{} present"), ("share", "class {}")):
        for name, share in labels.get(key, {}).items():
            rows[title.format(name)] = _bar(share, 1, percent(share))
    scores = labels.get("histogram", {})
    for score, count in scores.items():
        rows[f"label {score}"] = _bar(count, max(scores.values()), f"{count:,}")
    for name, values in labels.get("values", {}).items():
        bins, counts = values["histogram"]["bins"], values["histogram"]["counts"]
        for title, count in zip(bins, counts, strict=True):
            rows[f"{name} {title}"] = _bar(count, max(counts), f"{count:,}")
    return rows


def _table(columns: Mapping[str, Mapping[str, str]]) -> Table:
    """A column for each name, a row for each key that any of them has."""
    from deadpan.reports.data_tables import rows_of

    table = Table(header_style="bold")
    table.add_column("", overflow="fold")
    for name in columns:
        table.add_column(_line(name), justify="right", overflow="fold")
    for key in rows_of(columns):
        table.add_row(_line(key), *(_line(rows.get(key, "")) for rows in columns.values()))
    return table


def _line(text: str) -> Text:
    return Text(one_line(text))


def _bar(value: int | float, most: int | float, text: str) -> str:
    return f"{'█' * round(BAR * value / most) if most else ''} {text:>5}"
