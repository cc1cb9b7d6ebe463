"""Fetching a corpus from its sources, file by file; nothing else in deadpan uses the network."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from deadpan.data.containers.files import file_sha256
from deadpan.data.corpora import Corpus, Source
from deadpan.data.fetching.download import (
    DownloadWatch,
    Patience,
    Unavailable,
    download,
)
from deadpan.errors import DataError, unknown_name


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorpusFile:
    """A file of a corpus on disk.

    Attributes:
        path: path of the file.
        size: size in bytes.
        sha256: SHA-256 in lower-case hexadecimal.
        verified: whether the SHA-256 is the published one; False if none was published.
        was_there: whether the file existed before.
    """

    path: Path
    size: int
    sha256: str
    verified: bool
    was_there: bool


class IncompleteCorpus(DataError):
    """Some files could not be fetched; the others are kept.

    Attributes:
        missing: names of the files that could not be fetched.
    """

    def __init__(self, message: str, missing: Sequence[str]) -> None:
        """Take a message of one line and the names of the files."""
        super().__init__(message)
        self.missing = tuple(missing)


def default_folder(corpus: Corpus) -> Path:
    """The folder of a corpus if the user names none."""
    return Path("data") / corpus.name


def fetch_corpus(
    corpus: Corpus,
    folder: Path,
    *,
    file: str | None = None,
    watch: DownloadWatch | None = None,
    patience: Patience | None = None,
) -> list[CorpusFile]:
    """Fetch every file of a corpus to a folder, each from the first source that delivers it.

    An existing file is verified and not fetched again. Interrupted downloads are resumed.

    Args:
        corpus: the corpus to fetch.
        folder: the folder, which is created if necessary.
        file: the name of a single file; None fetches all.
        watch: callbacks on the progress.
        patience: timeouts and retries; None is the defaults.

    Returns:
        The files in the corpus's order, also those that were put there by hand.

    Raises:
        IncompleteCorpus: no source delivers some of the files.
        DataError: the file is unknown, another file is in the way, or the disk is not writable.
    """
    files = _files_to_fetch(corpus, file)
    watch, patience = watch or DownloadWatch(), patience or Patience()
    present, missing, dead = list[CorpusFile](), dict[str, str](), set[str]()
    current = folder
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is not a folder; give another one")
    try:
        if files:
            folder.mkdir(parents=True, exist_ok=True)
        for name, sources in files.items():
            current = folder / name
            try:
                present.append(_fetch_file(current, sources, watch, patience, dead))
            except Unavailable as reason:
                missing[name] = str(reason)
                watch.say(f"{name}: {reason}")
    except OSError as error:
        part = current.with_name(f"{current.name}.part")
        hint = f"; {part} is kept to resume from" if part.is_file() else ""
        raise DataError(
            f"{current}: cannot be written ({error.strerror or error}){hint}; mend that or give "
            "another folder"
        ) from error
    present += _files_by_hand(corpus, folder, present) if file is None else []
    if missing or not present:
        raise IncompleteCorpus(_failure_message(corpus, files, missing), list(missing))
    return present


def _files_to_fetch(corpus: Corpus, file: str | None) -> dict[str, tuple[Source, ...]]:
    if file is None:
        return corpus.files()
    files = corpus.files() | corpus.files_by_hand()
    if file not in files:
        raise DataError(unknown_name(f"file of {corpus.name}", file, files))
    return {file: files[file]}


def _fetch_file(
    path: Path, sources: Sequence[Source], watch: DownloadWatch, patience: Patience, dead: set[str]
) -> CorpusFile:
    """Try the sources of one file in turn; ``dead`` collects servers that do not answer."""
    if existing := _existing_file(path, sources):
        return existing
    reasons = list[str]()
    for source in sources:
        host = urlsplit(source.url).hostname or source.url
        if source.by_hand:
            reasons.append(f"{source.url} leads to it, which only a person can follow")
            continue
        if host in dead:
            reasons.append(f"{host} does not answer")
            continue
        try:
            digest = download(source, path, watch, patience)
        except Unavailable as reason:
            reasons.append(f"{host} {reason}")
            if reason.host_is_dead:
                dead.add(host)
            continue
        return CorpusFile(
            path=path,
            size=path.stat().st_size,
            sha256=digest,
            verified=source.sha256 is not None,
            was_there=False,
        )
    raise Unavailable("; ".join(reasons))


def _existing_file(path: Path, sources: Sequence[Source]) -> CorpusFile | None:
    """Verify an existing file by its sources' size and hash; None if the file does not exist."""
    if not path.exists() and not path.is_symlink():
        return None
    if not path.is_file():
        raise DataError(f"{path}: is not a file and in the way; move it or give another folder")
    size, digest = path.stat().st_size, file_sha256(path)
    sizes = {source.size for source in sources if source.size is not None}
    hashes = {source.sha256 for source in sources if source.sha256}
    if (sizes and size not in sizes) or (hashes and digest not in hashes):
        wanted = " or ".join(hashes) if hashes else " or ".join(f"{n:,} bytes" for n in sizes)
        raise DataError(
            f"{path}: is another file ({size:,} bytes, SHA-256 {digest}; wanted {wanted}); move "
            "it or give another folder"
        )
    return CorpusFile(path=path, size=size, sha256=digest, verified=bool(hashes), was_there=True)


def _files_by_hand(corpus: Corpus, folder: Path, present: Sequence[CorpusFile]) -> list[CorpusFile]:
    paths = {file.path for file in present}
    files = {folder / name: sources for name, sources in corpus.files_by_hand().items()}
    return [
        file
        for path, sources in files.items()
        if path not in paths and path.is_file() and (file := _existing_file(path, sources))
    ]


def _failure_message(
    corpus: Corpus, files: dict[str, tuple[Source, ...]], missing: dict[str, str]
) -> str:
    see = f"'deadpan data list {corpus.name}' lists what to get by hand"
    if not missing:
        return f"{corpus.name}: no source can be fetched by a program; {see}"
    name, reason = next(iter(missing.items()))
    count = f"{len(missing)} of {len(files)} files" if len(files) > 1 else "the file"
    return f"{corpus.name}: {count} could not be fetched ({name}: {reason}); {see}"
