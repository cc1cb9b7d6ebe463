"""Make every study again by today's code: ``python studies/rerun.py [--only NAME,NAME] [--list]``.

The commands go one after the other, two runs at a time; each skips what has finished, so this may
be stopped and started at will. What needs ``../shared/data`` is left out, and said, where that is
not there.
Uncommitted changes of the package are refused: every table names the commit it was made by.
"""

import argparse
import dataclasses
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from deadpan.training.environment import commit

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"


@dataclasses.dataclass(frozen=True)
class Study:
    """A study.

    Attributes:
        name: of the study.
        script: its path in ``studies/``.
        hours: on two cores, as measured before studies waited 12 epochs for a better validation;
            now those on ``controlled`` take longer.
        generated: options on generated clips alone.
        shared: options where ``../shared/data`` is there; None = that adds nothing.
        resume: whether it must be told to go on with what is in ``runs/NAME``.
    """

    name: str
    script: str
    hours: float
    generated: Sequence[str] | None = ()
    shared: Sequence[str] | None = None
    resume: bool = False


STUDIES = (
    Study("demo", "demo/run.py", 0.1),
    Study(
        "accuracy", "accuracy/run.py", 1.0, ["controlled", "gate"],
        ["controlled", "gate", "mosi_text", "ravdess", "mosi229"],
    ),
    Study("materials", "accuracy/materials.py", 0.2, None, []),
    Study(
        "options", "accuracy/options.py", 2.0, ["--only", "controlled"],
        ["--only", "mosi_mpnet,mosi_glove,meld_emotion,meld_emotion_context,meld_sentiment,"
         "ravdess4,mosi229,controlled"],
    ),
    Study("attributes", "accuracy/attributes.py", 0.1, None, []),
    Study("lexicon", "accuracy/lexicon.py", 0.1, None, []),
    Study(
        "factors", "accuracy/factors.py", 2.0, ["--only", "controlled"],
        ["--only", "controlled,ravdess4"],
    ),
    Study(
        "missing", "accuracy/missing.py", 0.5, ["--only", "controlled"],
        ["--only", "controlled,ravdess4"],
    ),
    Study(
        "uncertainty", "uncertainty/run.py", 0.3, ["--only", "controlled"],
        ["--only", "controlled,mosi_text"],
    ),
    Study(
        "compare", "compare/run.py", 3.0, ["--only", "controlled"],
        ["--only", "ravdess4,mosi229,mosi_text,controlled"],
    ),
    Study("kinds", "accuracy/kinds.py", 0.5, [], None),
    Study(
        "claims", "claims/run.py", 3.0,
        ["--only",
         "congruent,incongruent 30%,incongruent 80%,audio carries,vision carries"],
        [], resume=True,
    ),
)  # fmt: skip


def commands(names: Sequence[str], *, shared: bool) -> list[tuple[Study, list[str]]]:
    """The studies to be made, with the command of each."""
    chosen = [study for study in STUDIES if not names or study.name in names]
    made: list[tuple[Study, list[str]]] = []
    for study in chosen:
        options = study.shared if shared and study.shared is not None else study.generated
        if options is None:
            print(f"{study.name}: left out, it needs {SHARED}")
        else:
            going_on = study.resume and (ROOT / "runs" / study.name).exists()
            more = ["--resume"] if going_on else []
            made.append((study, [sys.executable, f"studies/{study.script}", *options, *more]))
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="studies, as in options,factors")
    parser.add_argument("--list", action="store_true", help="show the commands and their hours")
    arguments = parser.parse_args()
    names = [name for name in arguments.only.split(",") if name]
    if unknown := set(names) - {study.name for study in STUDIES}:
        parser.error(
            f"no such study: {', '.join(sorted(unknown))}; there are "
            + ", ".join(study.name for study in STUDIES)
        )
    made = commands(names, shared=SHARED.is_dir())
    for study, command in made:
        print(f"{study.hours:4.1f} h  {' '.join(['python', *command[1:]])}")
    print(f"{sum(study.hours for study, _ in made):4.1f} h in all, on two cores")
    if arguments.list:
        return 0
    code = commit()
    if code["dirty"]:
        parser.error("the package has uncommitted changes; commit them, for tables name a commit")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    failed = []
    for study, command in made:
        print(f"== {study.name}", flush=True)
        if subprocess.run(command, cwd=ROOT, env=environment).returncode:
            failed.append(study.name)
    subprocess.run([sys.executable, "studies/readme.py"], cwd=ROOT, check=True)
    if failed:
        print(f"failed: {', '.join(failed)}; the next call goes on with them", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
