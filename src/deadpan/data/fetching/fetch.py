"""Fetching a corpus from its sources, file by file.

A file whose SHA-256 was published is kept under its name. Of any other nobody knows whether it is
the right one: it is kept in the folder ``unverified``, and the SHA-256 of the first download is
recorded in ``SHA256SUMS``, to which every later one is held.
"""

import dataclasses
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
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
from deadpan.files import read_text, write_atomically
from deadpan.locks import LOCK, alone

UNVERIFIED = "unverified"
"""The folder, inside that of a corpus, of files whose SHA-256 nobody published."""

RECORD = "SHA256SUMS"
"""The SHA-256 of each unverified file as first downloaded; ``sha256sum -c`` reads it too."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FetchedFile:
    """A file on disk that was fetched or was there.

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


def target_path(folder: Path, name: str, sources: Sequence[Source]) -> Path:
    """The path of a fetched file in the folder of its corpus."""
    return folder / name if _published(sources) else folder / UNVERIFIED / name


def fetch_corpus(
    corpus: Corpus,
    folder: Path,
    *,
    file: str | None = None,
    allow_http: bool = False,
    watch: DownloadWatch | None = None,
    patience: Patience | None = None,
) -> list[FetchedFile]:
    """Fetch every file of a corpus to a folder, each from the first source that delivers it.

    An existing file is verified and not fetched again. Interrupted downloads are resumed.

    Args:
        corpus: the corpus to fetch.
        folder: the folder, which is created if necessary.
        file: the name of a single file; None fetches all.
        allow_http: whether addresses of plain http may be used.
        watch: callbacks on the progress.
        patience: deadline, timeouts and retries; None is the defaults.

    Returns:
        The files in the corpus's order, also those that were put there by hand.

    Raises:
        IncompleteCorpus: no source delivers some of the files.
        DataError: the file is unknown, another file is in the way, the disk is not writable, or
            another process fetches to the folder.
    """
    files = _files_to_fetch(corpus, file)
    watch, patience = watch or DownloadWatch(), patience or Patience()
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is not a folder; give another one")
    with locked(folder, "deadpan data fetch") if files else nullcontext():
        fetching = Fetching(folder, watch, patience, allow_http)
        present = fetching.all_of(files)
    present += _files_by_hand(corpus, folder, present) if file is None else []
    if fetching.missing or not present:
        raise IncompleteCorpus(
            _failure_message(corpus, files, fetching.missing), list(fetching.missing)
        )
    return present


@contextmanager
def locked(folder: Path, command: str) -> Generator[None, None, None]:
    """Make a folder, and keep other processes from fetching to it.

    Args:
        folder: the folder.
        command: what the other process is, for the error.

    Raises:
        DeadpanError: another process fetches to the folder, or it is not writable.
    """
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(alone(folder / LOCK, command))
        except OSError as error:
            raise unwritable(folder, error) from error
        yield


def unwritable(path: Path, error: OSError) -> DataError:
    """The error for a file or folder that the system does not let us write."""
    part = path.with_name(f"{path.name}.part")
    hint = f"; {part} is kept to resume from" if part.is_file() else ""
    return DataError(
        f"{path}: cannot be written ({error.strerror or error}){hint}; mend that or give another "
        "folder"
    )


class Fetching:
    """One visit to the sources of some files.

    Attributes:
        missing: why a file could not be fetched, by its name.
    """

    def __init__(
        self, folder: Path, watch: DownloadWatch, patience: Patience, allow_http: bool
    ) -> None:
        """Fetch to a folder that exists; see :func:`fetch_corpus`."""
        self._folder, self._watch, self._patience = folder, watch, patience
        self._allow_http = allow_http
        self._dead = set[str]()  # servers that do not answer
        self.missing = dict[str, str]()

    def all_of(self, files: Mapping[str, Sequence[Source]]) -> list[FetchedFile]:
        """Fetch the files that some source delivers."""
        present = list[FetchedFile]()
        for name, sources in files.items():
            hashes = _published(sources)
            path = target_path(self._folder, name, sources)
            try:
                path.parent.mkdir(exist_ok=True)
                present.append(self._one(name, path, sources, hashes))
            except Unavailable as reason:
                self.missing[name] = str(reason)
                self._watch.say(f"{name}: {reason}")
            except OSError as error:
                raise unwritable(path, error) from error
        return present

    def _one(
        self, name: str, path: Path, sources: Sequence[Source], hashes: frozenset[str]
    ) -> FetchedFile:
        """Find one file, or fetch it."""
        if existing := existing_file(self._folder / name, sources, hashes):
            return existing
        if hashes:
            return self._download(path, sources, hashes)
        recorded = _recorded_hash(self._folder, name)
        recorded_hashes = frozenset([recorded]) if recorded else frozenset[str]()
        try:
            file = existing_file(path, sources, recorded_hashes) or self._download(
                path, sources, recorded_hashes
            )
        except Unavailable as reason:
            hint = f"; {self._folder / RECORD} holds the SHA-256 of the first download"
            raise Unavailable(f"{reason}{hint if recorded else ''}") from None
        if not recorded:
            _record_hash(self._folder, name, file.sha256)
        if not file.was_there:
            self._watch.say(
                f"{path}: unverified, because nobody published its SHA-256; {RECORD} now holds it"
            )
        return file

    def _download(
        self, path: Path, sources: Sequence[Source], hashes: frozenset[str]
    ) -> FetchedFile:
        """Try the sources of one file in turn."""
        reasons = list[str]()
        for source in sources:
            host = urlsplit(source.url).hostname or source.url
            if source.by_hand:
                reasons.append(f"{source.url} leads to it, which only a person can follow")
                continue
            if host in self._dead:
                reasons.append(f"{host} does not answer")
                continue
            try:
                digest = download(
                    source,
                    path,
                    self._watch,
                    self._patience,
                    hashes=hashes,
                    http=self._allow_http,
                )
            except Unavailable as reason:
                reasons.append(f"{host} {reason}")
                if reason.host_is_dead:
                    self._dead.add(host)
                continue
            return FetchedFile(
                path=path,
                size=path.stat().st_size,
                sha256=digest,
                verified=digest in _published(sources),
                was_there=False,
            )
        raise Unavailable("; ".join(reasons))


def _recorded_hash(folder: Path, name: str) -> str | None:
    """The SHA-256 of the first download of an unverified file; None if there was none."""
    return _record(folder).get(f"{UNVERIFIED}/{name}")


def _record_hash(folder: Path, name: str, digest: str) -> None:
    entries = _record(folder) | {f"{UNVERIFIED}/{name}": digest}
    lines = [f"{digest}  {file}\n" for file, digest in entries.items()]
    write_atomically(folder / RECORD, "".join(lines).encode())


def _record(folder: Path) -> dict[str, str]:
    file = folder / RECORD
    if not file.exists():
        return {}
    remedy = "mend it, or remove it to trust the next download"
    text = read_text(file, remedy, error=DataError)
    entries = dict[str, str]()
    for number, line in enumerate(text.splitlines(), start=1):
        if not (entry := re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line)):
            raise DataError(f"{file}: line {number} is no SHA-256 and file; {remedy}")
        entries[entry[2]] = entry[1]
    return entries


def existing_file(
    path: Path, sources: Sequence[Source], hashes: frozenset[str]
) -> FetchedFile | None:
    """Verify an existing file by its sources' size and its hash; None if there is no file."""
    if not path.exists() and not path.is_symlink():
        return None
    if not path.is_file():
        raise DataError(f"{path}: is not a file and in the way; move it or give another folder")
    size, digest = path.stat().st_size, file_sha256(path)
    sizes = {source.size for source in sources if source.size is not None}
    if (sizes and size not in sizes) or (hashes and digest not in hashes):
        wanted = " or ".join(sorted(hashes) or [f"{n:,} bytes" for n in sorted(sizes)])
        raise DataError(
            f"{path}: is another file ({size:,} bytes, SHA-256 {digest}; wanted {wanted}); move "
            "it or give another folder"
        )
    return FetchedFile(
        path=path,
        size=size,
        sha256=digest,
        verified=digest in _published(sources),
        was_there=True,
    )


def _files_to_fetch(corpus: Corpus, file: str | None) -> dict[str, tuple[Source, ...]]:
    if file is None:
        return corpus.files()
    files = corpus.files() | corpus.files_by_hand()
    if file not in files:
        raise DataError(unknown_name(f"file of {corpus.name}", file, files))
    return {file: files[file]}


def _published(sources: Sequence[Source]) -> frozenset[str]:
    """The SHA-256 of a file that its sources published; it holds for all of them."""
    return frozenset(source.sha256 for source in sources if source.sha256)


def _files_by_hand(
    corpus: Corpus, folder: Path, present: Sequence[FetchedFile]
) -> list[FetchedFile]:
    paths = {file.path for file in present}
    files = {folder / name: sources for name, sources in corpus.files_by_hand().items()}
    return [
        file
        for path, sources in files.items()
        if path not in paths
        and path.is_file()
        and (file := existing_file(path, sources, _published(sources)))
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
