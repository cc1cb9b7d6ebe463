"""Features of own data: a folder of files per modality, or transcripts and word vectors."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from deadpan.data.containers.files import shown
from deadpan.data.formats.own.clip_table import ClipTable
from deadpan.data.formats.own.features import (
    SUFFIXES,
    FeatureFolder,
    Features,
    ModalityFeatures,
    feature_folders,
    named,
    read_modality,
)
from deadpan.data.formats.own.word_vectors import embedded, words_of
from deadpan.errors import DataError
from deadpan.types import TEXT, Modality


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnFeatures:
    """What is known of the clips of a table.

    Attributes:
        clips: per modality and id; a clip that lacks the modality is left out.
        widths: features per step.
        words: by id, one per step of ``text`` where word vectors made it; else none at all.
        repairs: words without a vector.
        warnings: what the user should know.
    """

    clips: Mapping[Modality, Mapping[str, Features]]
    widths: Mapping[Modality, int]
    words: Mapping[str, tuple[str, ...]]
    repairs: Counter[str]
    warnings: tuple[str, ...]


def own_features(path: Path, table: ClipTable, vectors: Path | None) -> OwnFeatures:
    """Read the folders beside a clip table, and make its transcripts into vectors.

    Args:
        path: of the table.
        table: its rows.
        vectors: word vectors in GloVe's text format, or None.

    Raises:
        DataError: a folder or file that does not fit, or no features at all.
    """
    ids = [row.id for row in table.rows]
    folders, ignored = _folders(path, ids, vectors)
    _check_sources(path, table, [folder.path.name for folder in folders], ignored, vectors)
    warnings = [f"{told}: it was ignored" for told in ignored]
    found: dict[Modality, ModalityFeatures] = {}
    for folder in folders:
        modality = folder.path.name
        found[modality] = read_modality(folder, ids)
        warnings += _lacks(modality, path, found[modality])
    clips = {modality: features.clips for modality, features in found.items()}
    widths = {modality: features.width for modality, features in found.items()}
    words: dict[str, tuple[str, ...]] = {}
    repairs: Counter[str] = Counter()
    if vectors is not None:
        words = {row.id: words_of(row.cells["text"]) for row in table.rows}
        steps, widths[TEXT] = embedded(path, list(words.values()), vectors, repairs)
        clips[TEXT] = {
            clip: Features(values=x) for clip, x in zip(words, steps, strict=True) if len(x)
        }
        if silent := len(words) - len(clips[TEXT]):
            warnings.append(f"{silent} clips have a transcript without words: they lack text")
    elif "text" in table.columns and TEXT not in found:
        warnings.append("the column text was not used; give --data_options.vectors glove.txt")
    return OwnFeatures(
        clips=clips, widths=widths, words=words, repairs=repairs, warnings=tuple(warnings)
    )


def _folders(
    path: Path, ids: Sequence[str], vectors: Path | None
) -> tuple[list[FeatureFolder], list[str]]:
    """The folders of modalities, and what is to be said of others."""
    folders: list[FeatureFolder] = []
    ignored: list[str] = []
    for folder in feature_folders(path.parent):
        name = shown(folder.path.name)
        if folder.files and vectors is not None and not named(folder, ids):
            # There are features without it, and it may well be no part of the data.
            ignored.append(f"folder '{name}' has no file named by an id")
        elif folder.files:
            folders.append(folder)
        elif folder.other:
            ignored.append(f"folder '{name}' has no files of {', '.join(SUFFIXES)}")
    return folders, ignored


def _check_sources(
    path: Path,
    table: ClipTable,
    modalities: Sequence[Modality],
    ignored: Sequence[str],
    vectors: Path | None,
) -> None:
    spoken = "text" in table.columns
    if vectors is None and not modalities:
        why = f" ({'; '.join(ignored[:3])})" if ignored else ""
        also = ", so its text needs the option 'vectors'; give --data_options.vectors glove.txt, or"
        raise DataError(
            f"{path}: no folder of features beside it{why}{also if spoken else ';'} put a file per "
            f"clip into a folder per modality, such as audio/ID.npy"
        )
    if vectors is not None and not spoken:
        raise DataError(f"{path}: line 1: no column text for the vectors {vectors}; add one")
    if vectors is not None and TEXT in modalities:
        raise DataError(
            f"{path}: text is in the folder text and in the vectors {vectors}; give one of them"
        )


def _lacks(modality: Modality, path: Path, features: ModalityFeatures) -> list[str]:
    warnings: list[str] = []
    if features.missing:
        warnings.append(
            f"{len(features.missing)} clips have no file in '{modality}' (first: "
            f"'{shown(features.missing[0])}'): they lack {modality}"
        )
    if features.empty:
        warnings.append(
            f"{len(features.empty)} files in '{modality}' have no step (first: "
            f"'{shown(features.empty[0].name)}'): their clips lack {modality}"
        )
    if features.unknown:
        first = ", ".join(f"'{shown(name)}'" for name in features.unknown[:3])
        warnings.append(
            f"{len(features.unknown)} files in '{modality}' are of no clip in {path.name} "
            f"(first: {first}): they were ignored"
        )
    return warnings
