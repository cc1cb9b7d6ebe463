"""The corpora of the field: their labels and splits, known pitfalls, and where to get them.

Each is a YAML file here with the keys of ``Corpus``; ``$NAME`` in a text stands for a text of
``shared.yaml``. Facts are those of the papers and of the authors' pages. The addresses were not
tried when this was written; only ``deadpan.data.fetching.fetch`` contacts them.
"""

import string
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deadpan.data.corpora.corpus import Corpus, Source
from deadpan.errors import DataError, DeadpanError, unknown_name
from deadpan.files import read_yaml
from deadpan.options import record

__all__ = ["CORPORA", "Corpus", "Source", "find_corpus"]

ORDER = "mosi mosei iemocap ur_funny mustard ch_sims meld ict_mmmo pom".split()
"""The files in the order of display; a file that is not named here comes after them."""

if TYPE_CHECKING:
    CORPORA: dict[str, Corpus]
    """Every corpus by name, in the order of display; read when it is first asked for."""


def __getattr__(name: str) -> dict[str, Corpus]:
    if name != "CORPORA":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return _read_corpora()


def find_corpus(name: str) -> Corpus:
    """Find a corpus by its name, in upper or lower case; DataError if there is none."""
    corpora = _read_corpora()
    for corpus_name, corpus in corpora.items():
        if corpus_name.lower() == name.lower():
            return corpus
    raise DataError(unknown_name("data set", name, corpora))


@cache
def _read_corpora() -> dict[str, Corpus]:
    with resources.as_file(resources.files(__name__)) as folder:
        files = {file.stem: file for file in sorted(folder.glob("*.yaml"))}
        shared = read_yaml(files.pop("shared"), "install deadpan anew")
        ordered = {name: files[name] for name in ORDER} | files
        corpora = [read_corpus(file, shared) for file in ordered.values()]
    return {corpus.name: corpus for corpus in corpora}


def read_corpus(file: Path, shared: dict[str, str]) -> Corpus:
    """Read a file of facts.

    Args:
        file: YAML with the keys of ``Corpus``.
        shared: the texts that ``$NAME`` stands for.

    Raises:
        DeadpanError: a key that is missing or unknown, a value of another type, or a ``$`` that
            begins no name of ``shared``.
    """
    try:
        values = _fill(read_yaml(file, "see the corpora beside it"), shared)
    except (KeyError, ValueError) as error:
        raise DeadpanError(f"{file}: names no shared text ({error}); write $$ for a $") from None
    return record(str(file), values, Corpus, unknown="key")


def _fill(value: Any, shared: dict[str, str]) -> Any:  # noqa: ANN401 - as YAML has it
    """The value with the shared texts in the place of their names."""
    if isinstance(value, dict):
        return {key: _fill(item, shared) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, shared) for item in value]
    return string.Template(value).substitute(shared) if isinstance(value, str) else value
