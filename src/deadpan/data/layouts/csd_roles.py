"""Which computational sequence of a folder holds what: told by the user, or by its own name."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from deadpan.data.readers.csd import CsdFile
from deadpan.data.readers.files import shown
from deadpan.errors import DataError, unknown_name
from deadpan.types import AUDIO, TEXT, VISION, Modality

LABELS = "labels"
NAMES = {
    LABELS: re.compile(r"label|opinion|annotation|sentiment|persuasion|personality", re.I),
    TEXT: re.compile(r"glove|word|bert|embedding", re.I),
    AUDIO: re.compile(r"covarep|opensmile|acoustic|audio", re.I),
    VISION: re.compile(r"facet|openface|visual|vision|face", re.I),
}
"""What the name of a sequence says of it; the first that fits."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Roles:
    """The files of a data set.

    Attributes:
        labels: the segments and their labels.
        streams: features of each modality.
        words: the words spoken; None where no file holds them.
        unused: names of the files that are nothing of these.
    """

    labels: CsdFile
    streams: Mapping[Modality, CsdFile]
    words: CsdFile | None
    unused: tuple[str, ...]


def roles_of(folder: Path, files: Sequence[CsdFile], chosen: Mapping[str, str]) -> Roles:
    """Tell which file is which.

    A file that is not chosen is known by the name of its root group or else by the description in
    its metadata; one of numbers whose name says nothing is a modality of that name. Of files of
    texts only the words are used.

    Args:
        folder: for messages.
        files: all sequences in the folder.
        chosen: per role (a modality or "labels") the name of its file, as the user gave it; "" is
            no choice.

    Raises:
        DataError: no such file, two files for one role, no labels, or no features.
    """
    roles = {role: _named(folder, files, name) for role, name in chosen.items() if name}
    taken = {file.path for file in roles.values()}
    found: dict[str, list[CsdFile]] = {}
    for file in files:
        if file.path not in taken:
            found.setdefault(_role(file), []).append(file)
    words = found.pop("words", [])
    unused = [file.path.name for file in found.pop("", [])]
    for role, candidates in found.items():
        if role in roles:
            unused += [file.path.name for file in candidates]
        elif len(candidates) > 1:
            names = " and ".join(shown(file.path.name) for file in candidates)
            option = f"--data_options.{role} FILE" if role in NAMES else "one of them"
            raise DataError(f"{folder}: {names} both hold {shown(role)}; give {option}")
        else:
            roles[role] = candidates[0]
    if len(words) > 1:
        unused += [file.path.name for file in words]
    if LABELS not in roles or len(roles) == 1:
        held = ", ".join(f"{shown(file.path.name)} ({shown(file.root)})" for file in files)
        lacking = "features" if LABELS in roles else LABELS
        raise DataError(
            f"{folder}: no .csd file holds {lacking} (found {held}); add one, or say which does "
            f"with --data_options.{LABELS if lacking == LABELS else TEXT} FILE"
        )
    return Roles(
        labels=roles.pop(LABELS),
        streams=roles,
        words=words[0] if len(words) == 1 else None,
        unused=tuple(sorted(unused)),
    )


def _named(folder: Path, files: Sequence[CsdFile], name: str) -> CsdFile:
    for file in files:
        if name in (file.path.name, file.path.stem):
            if file.holds == "texts":
                raise DataError(f"{file.path}: holds texts; wanted a sequence of numbers")
            return file
    names = [file.path.name for file in files]
    raise DataError(f"{folder}: {unknown_name('computational sequence', name, names)}")


def _role(file: CsdFile) -> str:
    """A modality, "labels", "words", or "" for texts that are no words."""
    if file.holds == "texts":
        return "words" if re.search(r"word|transcript", file.root, re.I) else ""
    for name in (file.root, file.description):
        for role, pattern in NAMES.items():
            if pattern.search(name):
                return role
    return shown(file.root)
