"""What ``mkdocs`` does beyond rendering docs/: pages from elsewhere, insertions, links.

A page inserts what stands elsewhere, so that it is written once:

    <!-- insert: examples/own_model.py -->   a file, as code
    <!-- insert: README.md intro -->         what README has between <!-- part: intro --> and
                                             <!-- end -->
    <!-- insert: commands -->                a function of ``GENERATED``

Links are written as GitHub reads them. Where one leads to a file that is no page, its text stays.
"""

import contextlib
import io
import os
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from deadpan.catalogue import read_catalogue
from deadpan.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[1]
DOCS = "docs"
ELSEWHERE = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    *(f"{folder}/**/*.{kind}" for folder in ("studies", "benchmarks") for kind in ("md", "png")),
)
"""Pages outside of docs/, and their pictures."""

INSERT = re.compile(r"^<!-- insert: (\S+)(?: (\S+))? -->$", re.MULTILINE)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages from elsewhere, at their path in the repository."""
    for path in _elsewhere():
        name = path.relative_to(ROOT).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def _elsewhere() -> Iterator[Path]:
    for pattern in ELSEWHERE:
        yield from sorted(ROOT.glob(pattern))


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A page with what it inserts, and with links as the site has them."""
    uri = page.file.src_uri
    home = posixpath.dirname(_in_repository(uri))
    return _inserted(_linked(markdown, home, uri, files), uri, files)


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A page without the roles of docstrings, such as ``:class:``."""
    return re.sub(r":(?:class|meth|func|attr|mod):(?=<code>)", "", html)


def _in_repository(uri: str) -> str:
    """The path in the repository of a page of the site."""
    inside = f"{DOCS}/{uri}"
    return inside if (ROOT / inside).exists() else uri


def _inserted(markdown: str, uri: str, files: Files) -> str:
    def text(match: re.Match[str]) -> str:
        source, part = match.groups()
        if part is not None:
            home = posixpath.dirname(source)
            return _linked(_part(ROOT / source, part), home, uri, files)
        if source in GENERATED:
            return "\n".join(GENERATED[source]())
        code = (ROOT / source).read_text(encoding="utf-8").rstrip()
        return (
            f'```{source.rpartition(".")[2].replace("py", "python")} title="{source}"\n{code}\n```'
        )

    return INSERT.sub(text, markdown)


def _part(path: Path, name: str) -> str:
    """What a file has between a part's marks."""
    found = re.findall(
        rf"<!-- part: {name} -->\n(.*?)<!-- end -->", path.read_text(encoding="utf-8"), re.DOTALL
    )
    if len(found) != 1:
        raise ValueError(f"{path} has {len(found)} parts {name}, wanted one")
    return found[0].strip()


def _linked(markdown: str, home: str, uri: str, files: Files) -> str:
    """Links of a text written in a folder of the repository, as a page of the site has them."""

    def link(match: re.Match[str]) -> str:
        bang, text, target = match.groups()
        path, mark, anchor = target.partition("#")
        if not path or re.match(r"\w+:", path):
            return match[0]
        full = posixpath.normpath(posixpath.join(home, path))
        names = [full, f"{full}/README.md"]
        for name in (each.removeprefix(f"{DOCS}/") for each in names):
            if files.get_file_from_path(name):
                there = posixpath.relpath(name, posixpath.dirname(uri) or ".")
                return f"{bang}[{text}]({there}{mark}{anchor})"
        return text if (ROOT / full).exists() else match[0]  # a wrong one is refused by mkdocs

    parts: list[str] = []
    end = 0
    for fence in FENCE.finditer(markdown):
        parts += [LINK.sub(link, markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, LINK.sub(link, markdown[end:])])


def _commands() -> Iterator[str]:
    """What each command's ``--help`` prints."""
    os.environ["COLUMNS"] = "76"  # of help, so that its lines fit the page of a laptop
    for name, command in COMMANDS.items():
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            main([*name.split(), "--help"])
        yield f"## deadpan {name}\n\n{command.summary}.\n"
        yield f"```text\n{printed.getvalue().strip()}\n```\n"


def _models() -> Iterator[str]:
    """What each model is, and its options."""
    for entry in read_catalogue().values():
        yield f"## {entry.name}\n"
        yield f"{entry.summary.rstrip('.')}. {entry.title}: {entry.paper}.\n"
        sizes = [f"{name} {count:,}" for name, count in entry.parameters.items()]
        yield f"Parameters at the sizes of {', '.join(sizes)}.\n"
        rows = [
            (f"`--model.{x.name}`", f"`{x.default}`", *_choices(x.kind), x.help)
            for x in entry.hyperparameters
        ]
        yield from _table(("option", "default", "type", "what it does"), rows)
        yield ""


def _choices(kind: str | Sequence[str]) -> tuple[str]:
    return (kind if isinstance(kind, str) else " or ".join(f"`{each}`" for each in kind),)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        cells = (" ".join(cell.replace("|", r"\|").split()) for cell in row)
        yield f"| {' | '.join(cells)} |"


GENERATED: Mapping[str, Callable[[], Iterator[str]]] = {"commands": _commands, "models": _models}
"""What is made anew for each site."""
