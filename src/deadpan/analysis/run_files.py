"""Files of a run directory, read with one-line refusals; no meaning is given to them here."""

from pathlib import Path

from deadpan.errors import RunError

RETRAIN = "give the directory of a `deadpan train` that ended one epoch or more"


def evaluate_first(run: Path) -> str:
    """What to do where a file that only evaluation writes is missing or broken."""
    return f"run `deadpan evaluate {run}` first"


def read_text(path: Path, remedy: str) -> str:
    """The file's text; RunError ending in the remedy where there is none."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise RunError(f"{path} is missing; {remedy}") from None
    except UnicodeDecodeError:
        raise RunError(f"{path} is not UTF-8 text; {remedy}") from None
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}); {remedy}") from None
