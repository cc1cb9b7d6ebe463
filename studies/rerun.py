"""Make every study again by today's code: ``python studies/rerun.py [--only NAME,NAME] [--list]``.

The commands go one after the other, two runs at a time; each skips what has finished, so this may
be stopped and started at will, by the same code: a study adds no run to those of other code. With
``--seeds N`` each has so many seeds, and tables and runs stand in ``runs/N_seeds``. What needs
``../shared/data`` is left out, and said, where that is not there.
Uncommitted changes of the package are refused: every table names the commit it was made by.
"""

import argparse
import dataclasses
import os
import shlex
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
        hours: on two cores, with all of its seeds.
        generated: options on generated clips alone; None = it has none of them.
        shared: options where ``../shared/data`` is there; None = the same.
        seeds: how many it has of most of its systems; None = it takes no ``--seeds``, and is left
            out where fewer are wanted, unless it is a material.
        material: whether it makes no table, but what other studies read.
        page: whether it writes its page beside its runs, and must be told to go on with them, and
            where the committed page stands.
    """

    name: str
    script: str
    hours: float
    generated: Sequence[str] | None = ()
    shared: Sequence[str] | None = None
    seeds: int | None = 5
    material: bool = False
    page: bool = False


GENERATED = ("--only", "controlled")

STUDIES = (
    Study("demo", "demo/run.py", 0.1, seeds=None),
    Study("materials", "accuracy/materials.py", 0.2, None, [], seeds=None, material=True),
    Study(
        "options", "accuracy/options.py", 2.0, GENERATED,
        ["--only", "mosi_mpnet,mosi_glove,meld_emotion,meld_emotion_context,meld_sentiment,"
         "ravdess4,mosi229,controlled"],
    ),
    Study(
        "tuned", "accuracy/options.py", 0.7, None,
        ["--config", "studies/accuracy/tuned.yaml", "--only", "mosi_mpnet,mosi_glove,ravdess4"],
    ),
    Study(
        "attributes", "accuracy/attributes.py", 0.1, None,
        ["--highlight", "HCT-MG", "recommended (attention pooling)",
         "AttentionPool, rated sentences first"], seeds=None,
    ),
    Study("lexicon", "accuracy/lexicon.py", 0.1, None, [], seeds=None),
    Study(
        "factors", "accuracy/factors.py", 2.0, GENERATED, ["--only", "controlled,ravdess4"],
        seeds=10,
    ),
    Study(
        "missing", "accuracy/missing.py", 0.5, GENERATED, ["--only", "controlled,ravdess4"],
    ),
    Study(
        "uncertainty", "accuracy/uncertainty.py", 0.3, GENERATED,
        ["--only", "controlled,mosi_text,mosi_mpnet,ravdess4"],
    ),
    Study("kernels", "accuracy/kernels.py", 0.6, seeds=10),
    Study(
        "compare", "compare/run.py", 3.0, GENERATED,
        ["--only", "ravdess4,mosi229,mosi_text,controlled"],
        seeds=10,
    ),
    Study("kinds", "accuracy/kinds.py", 0.5),
    Study(
        "claims", "claims/run.py", 3.0,
        ["--only", "congruent,incongruent 30%,incongruent 80%,audio carries,vision carries"],
        [], seeds=10, page=True,
    ),
)  # fmt: skip


def hours_of(study: Study, seeds: int | None) -> float:
    """About how long a study takes with its first seeds, as one seed takes as long as another."""
    return study.hours * (min(1.0, seeds / study.seeds) if seeds and study.seeds else 1.0)


def commands(
    names: Sequence[str], *, shared: bool, seeds: int | None = None
) -> list[tuple[Study, list[str]]]:
    """The studies to be made, with the command of each."""
    made: list[tuple[Study, list[str]]] = []
    for study in STUDIES:
        options = study.shared if shared and study.shared is not None else study.generated
        if names and study.name not in names:
            continue
        if options is None:
            print(f"{study.name}: left out, it needs {SHARED}")
        elif seeds and not (study.seeds or study.material):
            print(f"{study.name}: left out, it has no seeds to choose from")
        else:
            command = [sys.executable, f"studies/{study.script}", *options]
            runs = Path("runs")
            if seeds and study.seeds:
                runs /= f"{seeds}_seeds"
                command += ["--seeds", str(seeds)]
                command += [] if study.page else ["--runs", str(runs), "--out", str(runs)]
            if study.page:
                command += ["--out", str(runs / study.name)]
                command += [] if seeds else ["--pages", f"studies/{study.name}"]
                command += ["--resume"] if (ROOT / runs / study.name).exists() else []
            made.append((study, command))
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="studies, as in options,factors")
    parser.add_argument("--seeds", type=int, help="how many, the first; by default all")
    parser.add_argument("--list", action="store_true", help="show the commands and their hours")
    arguments = parser.parse_args()
    if arguments.seeds is not None and arguments.seeds < 1:
        parser.error(f"--seeds wants 1 or more; got {arguments.seeds}")
    names = [name for name in arguments.only.split(",") if name]
    if unknown := set(names) - {study.name for study in STUDIES}:
        parser.error(
            f"no such study: {', '.join(sorted(unknown))}; there are "
            + ", ".join(study.name for study in STUDIES)
        )
    made = commands(names, shared=SHARED.is_dir(), seeds=arguments.seeds)
    for study, command in made:
        hours = hours_of(study, arguments.seeds)
        print(f"{hours:4.1f} h  {shlex.join(['python', *command[1:]])}")
    hours = sum(hours_of(study, arguments.seeds) for study, _ in made)
    which = f"the first {arguments.seeds} of their" if arguments.seeds else "all"
    print(f"about {hours:.1f} h in all, on two cores, with {which} seeds")
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
    if not arguments.seeds:
        subprocess.run([sys.executable, "studies/readme.py"], cwd=ROOT, check=True)
    if failed:
        print(f"failed: {', '.join(failed)}; the next call goes on with them", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
