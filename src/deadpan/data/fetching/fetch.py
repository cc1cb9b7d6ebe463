"""A corpus from its sources, file by file: the only place that asks the network for anything."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from deadpan.data.containers.files import file_sha256
from deadpan.data.corpora import Corpus, Source
from deadpan.data.fetching.download import Patience, Unavailable, Wanted, Watch, download
from deadpan.errors import DataError, unknown_name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fetched:
    """A file of a corpus that is there.

    Attributes:
        path: where it stands.
        size: in bytes.
        sha256: in lower-case hexadecimal.
        verified: whether that is what its makers published; False where they published none.
        was_there: whether it had not to be fetched.
    """

    path: Path
    size: int
    sha256: str
    verified: bool
    was_there: bool


class NotAllFetched(DataError):
    """Some files could not be had; those that could are kept.

    Attributes:
        missing: their names.
    """

    def __init__(self, message: str, missing: Sequence[str]) -> None:
        """With a message of one line."""
        super().__init__(message)
        self.missing = tuple(missing)


class Silent:
    """A watch that tells nobody."""

    def begin(self, file: str, have: int, total: int | None) -> None:
        """Bytes are about to come."""

    def received(self, count: int) -> None:
        """So many bytes more have come."""

    def say(self, line: str) -> None:
        """Something did not go as it should."""


def default_folder(corpus: Corpus) -> Path:
    """Where a corpus goes that was given no folder."""
    return Path("data") / corpus.name


def fetch(
    corpus: Corpus,
    folder: Path,
    *,
    file: str | None = None,
    watch: Watch | None = None,
    patience: Patience | None = None,
) -> list[Fetched]:
    """Have every file of a corpus in a folder, from the first of its sources that gives it.

    A file that is there is verified and not fetched again. What was interrupted is gone on with.

    Args:
        corpus: what to fetch.
        folder: is made where it is not there.
        file: the name of a single file; None = all that can be fetched.
        watch: is told how it goes.
        patience: how long to wait and how often to try; None = the defaults.

    Returns:
        The files, in the corpus's order; also those a person put there.

    Raises:
        NotAllFetched: some have no source that gives them.
        DataError: an unknown file, or something in the way. OSError turns into it too.
    """
    files = _chosen(corpus, file)
    watch, patience = watch or Silent(), patience or Patience()
    there, missing, dead = list[Fetched](), dict[str, str](), set[str]()
    current = folder
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is not a folder; give another one")
    try:
        if files:
            folder.mkdir(parents=True, exist_ok=True)
        for name, sources in files.items():
            current = folder / name
            try:
                there.append(_fetch_file(current, sources, watch, patience, dead))
            except Unavailable as reason:
                missing[name] = str(reason)
                watch.say(f"{name}: {reason}")
    except OSError as error:
        part = current.with_name(f"{current.name}.part")
        kept = f"; {part} is kept to go on with" if part.is_file() else ""
        raise DataError(
            f"{current}: cannot be written ({error.strerror or error}){kept}; mend that or give "
            "another folder"
        ) from error
    there += _put_by_hand(corpus, folder, there) if file is None else []
    if missing or not there:
        raise NotAllFetched(_told(corpus, files, missing), list(missing))
    return there


def _chosen(corpus: Corpus, file: str | None) -> dict[str, tuple[Source, ...]]:
    if file is None:
        return corpus.files()
    files = corpus.files() | corpus.files_by_hand()
    if file not in files:
        raise DataError(unknown_name(f"file of {corpus.name}", file, files))
    return {file: files[file]}


def _fetch_file(
    path: Path, sources: Sequence[Source], watch: Watch, patience: Patience, dead: set[str]
) -> Fetched:
    """Try the sources of one file in turn; ``dead`` holds servers that do not answer."""
    if found := _found(path, sources):
        return found
    reasons = list[str]()
    for source in sources:
        host = urlsplit(source.url).hostname or source.url
        if source.by_hand:
            reasons.append(f"{source.url} leads to it, which takes a person")
            continue
        if host in dead:
            reasons.append(f"{host} does not answer")
            continue
        wanted = Wanted(url=source.url, path=path, size=source.size, sha256=source.sha256)
        try:
            digest = download(wanted, watch, patience)
        except Unavailable as reason:
            reasons.append(f"{host} {reason}")
            if reason.host_is_dead:
                dead.add(host)
            continue
        return Fetched(
            path=path,
            size=path.stat().st_size,
            sha256=digest,
            verified=source.sha256 is not None,
            was_there=False,
        )
    raise Unavailable("; ".join(reasons))


def _found(path: Path, sources: Sequence[Source]) -> Fetched | None:
    """The file if it is there and is what the sources say; None where there is none."""
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
    return Fetched(path=path, size=size, sha256=digest, verified=bool(hashes), was_there=True)


def _put_by_hand(corpus: Corpus, folder: Path, there: Sequence[Fetched]) -> list[Fetched]:
    known = {fetched.path for fetched in there}
    files = {folder / name: sources for name, sources in corpus.files_by_hand().items()}
    return [
        found
        for path, sources in files.items()
        if path not in known and path.is_file() and (found := _found(path, sources))
    ]


def _told(corpus: Corpus, files: dict[str, tuple[Source, ...]], missing: dict[str, str]) -> str:
    see = f"'deadpan data list {corpus.name}' tells what to get by hand"
    if not missing:
        return f"{corpus.name}: no address gives it to a program; {see}"
    name, reason = next(iter(missing.items()))
    count = f"{len(missing)} of {len(files)} files" if len(files) > 1 else "the file"
    return f"{corpus.name}: {count} could not be fetched ({name}: {reason}); {see}"
