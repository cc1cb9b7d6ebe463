"""The pickles of MISA and BERT-MAG: MOSI and MOSEI, aligned by words."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Num

from deadpan.data.assembly import ASSUMED_TEXT, WORD_VECTORS, RawClip, RawClips
from deadpan.data.containers.files import printable
from deadpan.data.containers.unpickling import looks_like_pickle, read_pickle
from deadpan.data.dataset import Dataset
from deadpan.data.formats.pickled_values import as_text, id_parts, number_column, numeric_array
from deadpan.data.formats.word_vectors import embed_words
from deadpan.data.labels import MOSEI_LABELS, labelled_dataset
from deadpan.errors import DataError, unknown_name
from deadpan.types import AUDIO, TEXT, VISION, Modality, split_name


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Words:
    """The words of a clip: texts, vectors, or only their number where the file has indices."""

    count: int
    texts: tuple[str, ...] = ()
    vectors: Num[np.ndarray, "_ _"] | None = None

    @property
    def form(self) -> str:
        """How the file stores the words, as a noun."""
        if self.vectors is not None:
            return "vectors"
        return "texts" if self.texts else "numbers of a vocabulary"


def _parse_words(value: object) -> _Words:
    """Parse the words of a clip: texts (list, array or one text), vocabulary indices or vectors."""
    if isinstance(value, str | bytes):
        value = as_text(value).split()
    if isinstance(value, np.ndarray) and value.ndim:
        if value.ndim == 2 and value.dtype.kind == "f" and value.size:
            return _Words(count=len(value), vectors=value)
        value = list(value.ravel()) if value.size == len(value) else value  # [N, 1] too
    if not isinstance(value, list | tuple):
        raise DataError(
            f"words are {_describe_type(value)}; wanted words, their numbers or their vectors"
        )
    entries = list(cast("list[object]", value))
    if all(isinstance(entry, str | bytes) for entry in entries):
        return _Words(count=len(entries), texts=tuple(map(as_text, entries)))
    for entry in entries:
        if isinstance(entry, bool) or not isinstance(entry, int | np.integer):
            raise DataError(
                f"words hold {_describe_type(entry)}; wanted words, or numbers of a vocabulary"
            )
    return _Words(count=len(entries))


def _describe_type(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype.name} {value.shape}"
    return f"a {type(value).__name__}"


SPLIT_NAMES = {"train": "train", "dev": "valid", "valid": "valid", "test": "test"}
WANTED = "((words, visual, acoustic), label, segment)"
Entries = list[object] | tuple[object, ...]


def looks_like_misa(content: object) -> bool:
    """Whether an unpickled value is a list of MISA's clips, or a dict of such lists."""
    lists = [content]
    if isinstance(content, dict) and content:
        lists = list(cast("dict[object, object]", content).values())
    if not all(isinstance(entries, list | tuple) for entries in lists):
        return False
    firsts = [cast("Entries", entries)[0] for entries in lists if entries]
    return bool(firsts) and all(_looks_like_clip(entry) for entry in firsts)


def looks_like_misa_folder(path: Path) -> bool:
    """Whether a folder has train.pkl, dev.pkl (or valid.pkl) and test.pkl, and pickles in them."""
    return all(any(map(looks_like_pickle, paths)) for paths in _split_paths(path).values())


def misa_files(path: Path) -> dict[str, Path]:
    """The path of each split's pickle in a folder.

    Raises:
        DataError: a split has no file, or two.
    """
    paths: dict[str, Path] = {}
    for split, files in _split_paths(path).items():
        existing = [file for file in files if file.exists()]
        if len(existing) != 1:
            names = " and ".join(file.name for file in files)
            problem = "both" if existing else "no" if len(files) == 1 else "neither of"
            raise DataError(f"{path}: has {problem} {names}; wanted one file for split '{split}'")
        paths[split] = existing[0]
    return paths


def misa_splits(path: Path, content: object) -> dict[str | None, object]:
    """The lists of clips by split; the split is None if the pickle is one list.

    Raises:
        DataError: a split has an unknown name, or occurs twice.
    """
    if not isinstance(content, dict) or not content:
        return {None: content}
    splits: dict[str | None, object] = {}
    for key, entries in cast("dict[object, object]", content).items():
        name = split_name(as_text(key))
        if name is None:
            message = unknown_name("split", printable(as_text(key)), SPLIT_NAMES)
            raise DataError(f"{path}: {message}")
        if name in splits:
            raise DataError(f"{path}: has two splits '{name}'; wanted one of them")
        splits[name] = entries
    return splits


def misa_clips(path: Path, splits: Mapping[str | None, object]) -> RawClips:
    """Parse lists of clips; a step is the same word in all modalities, and nothing is padded.

    Words stored as vectors are the clip's text. Otherwise the clip lacks text; words stored as
    texts are kept, vocabulary indices are not. The split is None if the file has no splits.

    Raises:
        DataError: an entry is no such clip, or its words or widths differ from those before it.
    """
    clips: list[RawClip] = []
    widths: dict[Modality, int] = {}
    form = ""
    for split, entries in splits.items():
        where = f"{path}: split '{split}'" if split else str(path)
        if not isinstance(entries, list | tuple):
            raise DataError(f"{where}: is a {type(entries).__name__}; wanted a list of {WANTED}")
        for index, entry in enumerate(cast("Entries", entries)):
            try:
                clip, words = _clip(split, entry)
                form = form or (words.form if words.count else "")
                _check_like_before(clip, words, form, widths)
            except DataError as error:
                raise DataError(f"{where}: clip {index}{_segment_suffix(entry)}: {error}") from None
            clips.append(clip)
    return RawClips(
        clips=clips,
        widths=widths,
        alignment="steps are aligned: the format has one for each word",
        unscaled=ASSUMED_TEXT,
    )


def _clip(split: str | None, entry: object) -> tuple[RawClip, _Words]:
    if not _looks_like_clip(entry):
        raise DataError(f"is no such clip; wanted {WANTED}")
    features, label, segment = cast("tuple[Entries, object, object]", entry)
    words = _parse_words(features[0])
    if len(features) == 4:
        actual = _parse_words(features[3])
        if actual.form == "texts" or not actual.count:
            _check_count("words", actual.count, words.count)
            words = dataclasses.replace(words, texts=actual.texts)
        else:
            raise DataError(f"the fourth feature holds {actual.form}; wanted the words as text")
    sequences: dict[Modality, np.ndarray] = {}
    if words.vectors is not None:
        sequences[TEXT] = words.vectors
    for name, modality, value in (
        ("visual", VISION, features[1]),
        ("acoustic", AUDIO, features[2]),
    ):
        array = numeric_array(name, value)
        if not array.size and len(array) == words.count == 0:
            continue
        if array.ndim != 2 or not array.shape[1]:
            raise DataError(f"'{name}' has shape {array.shape}; wanted [word, width]")
        _check_count(f"steps of '{name}'", len(array), words.count)
        sequences[modality] = array
    if label is None:  # for prediction
        values = np.full(1, np.nan)
    elif isinstance(label, np.ndarray):
        values = numeric_array("label", label)
    else:
        values = number_column("label", label if isinstance(label, list | tuple) else [label])
    clip = RawClip(
        name=id_parts(segment), split=split, sequences=sequences, label=values, words=words.texts
    )
    return clip, words


def _check_like_before(
    clip: RawClip, words: _Words, form: str, widths: dict[Modality, int]
) -> None:
    if words.count and words.form != form:
        raise DataError(f"words are {words.form}; wanted {form}, as in the clips before")
    for name, array in clip.sequences.items():
        if widths.setdefault(name, array.shape[1]) != array.shape[1]:
            raise DataError(f"{name} has width {array.shape[1]}; wanted {widths[name]} as before")


def _check_count(what: str, count: int, words: int) -> None:
    if count != words:
        raise DataError(f"has {count} {what} for {words} words; wanted one for each")


def _looks_like_clip(entry: object) -> bool:
    if not isinstance(entry, list | tuple) or len(cast("Entries", entry)) != 3:
        return False
    features = cast("Entries", entry)[0]
    return isinstance(features, list | tuple) and len(cast("Entries", features)) in (3, 4)


def _segment_suffix(entry: object) -> str:
    """`` ('VIDEO[3]')`` for a message; empty if the clip has no such name."""
    try:
        return f" ('{printable('_'.join(id_parts(cast('Entries', entry)[2])))}')"
    except (DataError, TypeError, LookupError):
        return ""


def _split_paths(path: Path) -> dict[str, list[Path]]:
    files: dict[str, list[Path]] = {}
    for name, split in SPLIT_NAMES.items():
        files.setdefault(split, []).append(path / f"{name}.pkl")
    return files


def misa_dataset(
    path: Path,
    content: object,
    *,
    vectors: Path | None = None,
    task: str = "auto",
    labels: str = "",
) -> Dataset:
    """Read a data set from an unpickled value in MISA's format (see ``misa_clips``).

    The words of such files are indices of a vocabulary in another file, or texts. Texts become the
    modality text if ``vectors`` has their vectors, looked up in lower case. Seven labels are those
    of MOSEI, of which sentiment is taken; ``interpret_labels`` decides on the task.

    Args:
        path: path of the pickle.
        content: its value, as ``read_pickle`` returns it: a dict of splits, or one list of clips.
        vectors: word vectors in GloVe's text format; without them the clips lack text, unless the
            file holds vectors itself.
        task: regression, emotions, classes or scores; "auto" infers it.
        labels: names of the labels to predict, separated by commas; "" is all.

    Raises:
        DataError: the value does not fit the format, labels do not fit the task, or vectors cannot
            be used.
    """
    raw = misa_clips(path, misa_splits(path, content))
    flat = [dataclasses.replace(clip, label=clip.label.ravel()) for clip in raw.clips]
    seven = all(clip.label.size == len(MOSEI_LABELS) for clip in flat)
    raw = dataclasses.replace(raw, clips=flat)
    repairs: Counter[str] = Counter()
    warnings: list[str] = []
    if isinstance(content, list | tuple) and looks_like_misa_folder(path.parent):
        warnings.append(
            f"{printable(path.name)} is one of three pickles; give their folder to have its splits"
        )
    if TEXT not in raw.widths:
        raw = _with_text(path, raw, vectors, repairs, warnings)
    elif vectors is not None:
        raise DataError(f"{path}: holds vectors of the words itself; leave out the option vectors")
    return labelled_dataset(
        path,
        raw,
        layout="pickles in MISA's format",
        task=task,
        labels=labels,
        names=MOSEI_LABELS if seven else (),
        repairs=repairs,
        warnings=warnings,
    )


def misa_folder_dataset(
    path: Path, *, vectors: Path | None = None, task: str = "auto", labels: str = ""
) -> Dataset:
    """Read a data set from a folder with train.pkl, dev.pkl (or valid.pkl) and test.pkl.

    Args:
        path: the folder.
        vectors: see ``misa_dataset``, also for the errors.
        task: see ``misa_dataset``.
        labels: see ``misa_dataset``.

    Raises:
        DataError: a file is missing or cannot be read.
    """
    content = {split: read_pickle(file) for split, file in misa_files(path).items()}
    return misa_dataset(path, content, vectors=vectors, task=task, labels=labels)


def _with_text(
    path: Path,
    raw: RawClips,
    vectors: Path | None,
    repairs: Counter[str],
    warnings: list[str],
) -> RawClips:
    if vectors is None:
        warnings.append(
            "text was left out, the file has words and no vectors: give --data_options.vectors FILE"
            if any(clip.words for clip in raw.clips)
            else "text was left out: its words are numbers of a vocabulary that is not in the file"
        )
        return dataclasses.replace(
            raw, clips=[dataclasses.replace(clip, words=()) for clip in raw.clips]
        )
    if not any(clip.words for clip in raw.clips):
        raise DataError(
            f"{path}: has words as numbers of a vocabulary that is not in the file, so vectors of "
            f"words are of no use; leave out the option vectors"
        )
    lower = [[word.lower() for word in clip.words] for clip in raw.clips]
    sequences, width = embed_words(path, lower, vectors, repairs)
    clips = [
        dataclasses.replace(clip, sequences={**clip.sequences, TEXT: sequence})
        if len(sequence)
        else clip
        for clip, sequence in zip(raw.clips, sequences, strict=True)
    ]
    return dataclasses.replace(
        raw, clips=clips, widths={**raw.widths, TEXT: width}, unscaled=WORD_VECTORS
    )
