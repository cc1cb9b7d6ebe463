"""A page and the files beside it: written whole, the page last."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from deadpan.errors import DeadpanError
from deadpan.files import write_atomically
from deadpan.locks import LOCK, alone


def write_page_folder(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files in their order; those that are there are replaced one by one, each whole.

    A new folder that could not be filled is removed again.

    Args:
        files: contents by name.
        folder: made where it is not there.

    Raises:
        DeadpanError: the folder is a file, or cannot be written, or another process writes it.
    """
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with alone(folder / LOCK):
            for name, content in files.items():
                write_atomically(folder / name, content)
    except OSError as error:
        if new:
            with suppress(OSError):  # it holds what others put there
                for name in files:
                    (folder / name).unlink(missing_ok=True)
                folder.rmdir()
        raise DeadpanError(
            f"{folder}: cannot be written ({error.strerror}); give another --out"
        ) from None
