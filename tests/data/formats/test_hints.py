"""Advice can be followed: an option that a reader's message names is an option of that reader."""

import ast
import inspect
import re
import sys
from pathlib import Path

import pytest

import deadpan.data
from deadpan.data.formats import FILES, FOLDERS, PICKLES
from deadpan.data.formats.own.table import KNOWN_TABLES
from deadpan.data.generated.controlled import controlled
from deadpan.data.store.reading import store_dataset

DATA = Path(deadpan.data.__file__).parent
READERS = {read for formats in (FOLDERS, FILES, PICKLES) for _, _, read in formats}
READERS -= {store_dataset}  # which has no options, and makes no clips
HINT = re.compile(r"--data_options\.(\{?\w+)|the options? '?(\w+)'?")
PLACEHOLDERS = {
    "{role": ("text", "audio", "vision", "labels"),
    "{modality": ("text", "audio", "vision"),
    "{LABELS": ("labels",),
    "{TEXT": ("text",),
    "{name": tuple({x for *_, options in KNOWN_TABLES for x in options}),
}
"""The values of the names that messages fill in."""
SHARED = tuple(DATA / f"{name}.py" for name in ("assembly", "labels", "alignment", "padding"))
"""Modules whose messages are also those of the readers that import them."""


def package_of(read):
    """The modules of a reader's format: a file, or the files of its folder."""
    source = Path(sys.modules[read.__module__].__file__)
    return [source] if source.parent.name == "formats" else sorted(source.parent.glob("*.py"))


def reachable(read):
    """The source text of every definition that a reader uses, in the modules of its format."""
    definitions = {}
    for source in package_of(read):
        text = source.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            names = [getattr(node, "name", "")]
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [ast.unparse(target) for target in targets]
            definitions |= {name: (node, ast.get_source_segment(text, node)) for name in names}
    seen, waiting = set(), [read.__name__]
    while waiting:
        name = waiting.pop()
        if name in definitions and name not in seen:
            seen.add(name)
            waiting += [x.id for x in ast.walk(definitions[name][0]) if isinstance(x, ast.Name)]
    return {name: definitions[name][1] for name in seen}


def named_options(text):
    """The options that a text names."""
    for match in HINT.finditer(text):
        name = match[1] or match[2]
        yield from PLACEHOLDERS.get(name, (name,))


@pytest.mark.parametrize("read", sorted(READERS, key=lambda read: read.__name__))
def test_every_option_that_a_message_names_is_one_of_its_reader(read):
    parameters = inspect.signature(read).parameters
    texts = reachable(read)
    assert read.__name__ in texts
    imports = "".join(source.read_text(encoding="utf-8") for source in package_of(read))
    for source in SHARED:
        if f"from deadpan.data.{source.stem} import" in imports:
            texts[source.name] = source.read_text(encoding="utf-8")
    for name, text in texts.items():
        for option in named_options(text):
            assert option in parameters, f"{read.__name__}: {name} advises {option}"


def test_messages_do_name_options():
    texts = [text for read in READERS for text in reachable(read).values()]
    assert len({option for text in texts for option in named_options(text)}) > 8


def test_every_option_in_the_table_of_formats_exists():
    text = (DATA.parents[2] / "docs/data.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .* \| .* \|(.*)\|$", text.partition("`deadpan data inspect")[0], re.M)
    known = {name for read in (*READERS, controlled) for name in inspect.signature(read).parameters}
    options = {name for row in rows for name in re.findall(r"`(\w+)[^`]*`", row)}
    assert len(options) > 8
    assert options <= known
