"""Test what the paper claims: train its systems, measure them, and say of each claim if it holds.

    python studies/claims/run.py [--config FILE] [--out runs/claims] [--workers N]
        [--ray ADDRESS] [--only DATA,DATA] [--full] [--seeds N] [--resume] [--pages FOLDER]

The output folder holds a copy of the configuration, the record of the plan, the runs in
``runs/DATA/SYSTEM/...``, each with its measures, and ``claims.md``, ``.html``, ``.csv`` and
``.json``. A study goes on with its plan and with its code alone; once all runs are made, later code
may write their page.
"""

import argparse
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from breakdown import make_tables
from catalogue import claims
from figures import make_figures
from measuring import Measuring, gather
from page import (
    Page,
    as_html,
    as_markdown,
    csv_rows,
    effect_text,
    json_values,
    p_text,
    verdict_text,
)
from plan import Plan, read_plan

from deadpan.benchmarking.runner import GridWatch, finished, refuse_other_clips, run_cases
from deadpan.benchmarking.verdicts import decide
from deadpan.cli.output import run_script
from deadpan.cli.progress import watching_grid
from deadpan.cluster import opened_pool
from deadpan.errors import DeadpanError
from deadpan.files import home_path, read_json, write_atomically, write_csv, write_json
from deadpan.locks import LOCK, alone
from deadpan.options import typed
from deadpan.processes import LOCAL, WorkerPool
from deadpan.training.environment import commit, commit_name

COMMAND = "python studies/claims/run.py"
CONFIG = Path(__file__).with_name("claims.yaml")


PLAN = "plan.json"
"""What was fixed when the first run of a study began."""

FIXED = {
    "plan": "plan (claims.yaml, or the code of its tests and verdicts)",
    "configuration": "configuration (--full, --seeds, --only, or data that was not there)",
    "commit": "code",
}
"""What may not change once a run has been made."""


PAGES = tuple(f"claims.{ending}" for ending in ("md", "html", "csv", "json"))


def refuse_another_plan(plan: Plan, out: Path, *, ended: bool) -> None:
    """Record the plan of a new study; refuse to go on with another one, or with other code.

    Args:
        plan: the plan as it is now.
        out: the folder of the study.
        ended: whether every run is made, so that other code would make none.

    Raises:
        DeadpanError: the plan, what is run of it, or the code changed after the first run, or there
            are runs without a record of their plan.
    """
    code = commit()
    now = {
        "plan": plan.fixed,
        "plan_commit": plan.commit,
        "configuration": plan.hash,
        "commit": commit_name(code["commit"], code["dirty"]),
    }
    file = out / PLAN
    if not file.exists():
        if (out / "runs").exists():
            raise DeadpanError(
                f"{out}: has runs but no {PLAN}, so that nobody knows what was planned before "
                "them; begin a study in another --out"
            )
        write_json(file, now)
        return
    before = typed(str(file), read_json(file, f"give another --out than {out}"), dict)
    for key, what in FIXED.items():
        if before.get(key) != now[key] and not (ended and key == "commit"):
            raise DeadpanError(
                f"{out}: the {what} changed after the first run: {before.get(key)} then, "
                f"{now[key]} now; go on with what it was, or begin a study in another --out"
            )


def refuse_several_commits(page: Page) -> None:
    """Raise DeadpanError unless all runs are of one commit."""
    if len(page.commits) > 1:
        raise DeadpanError(
            f"the runs are of {len(page.commits)} commits ({', '.join(page.commits)}), and a page "
            "compares runs of one; begin a study in another --out"
        )


def run_study(
    plan: Plan,
    out: Path,
    *,
    workers: int | None = None,
    resume: bool,
    command: str,
    watch: GridWatch,
    pool: WorkerPool = LOCAL,
) -> Page:
    """Run and measure what has not been, and write the page.

    Args:
        plan: the runs to make.
        out: the output folder; must not exist, unless ``resume``.
        workers: processes at once, one thread each; by default one for each processor.
        resume: go on with the study in ``out``.
        command: the command that makes the page, as the page names it.
        watch: is called with the progress.
        pool: where the processes run.

    Raises:
        DeadpanError: ``out`` is taken or not there, another process works in it, or nothing has
            finished.
    """
    if workers is not None and workers < 1:
        raise DeadpanError(f"workers must be 1 or more; got {workers}")
    if out.exists() and not out.is_dir():
        raise DeadpanError(f"{out}: is a file; give a directory as --out")
    if out.exists() and not resume and any(out.iterdir()):
        raise DeadpanError(f"{out}: exists already; go on with --resume, or give another --out")
    if resume and not out.exists():
        raise DeadpanError(f"{out}: no study here to go on with; leave out --resume")
    cases = plan.cases()
    out.mkdir(parents=True, exist_ok=True)
    with alone(out / LOCK, COMMAND):
        places, measuring = out / "runs", Measuring()
        ended = all(finished(case, places, measuring) for case in cases)
        refuse_another_plan(plan, out, ended=ended)
        shutil.copyfile(plan.path, out / "claims.yaml")
        refuse_other_clips(cases, places, measuring)
        failures = run_cases(
            cases,
            places,
            workers=workers or pool.processors(),
            watch=watch,
            then=measuring,
            pool=pool,
        )
        runs = gather(plan, cases, places, measuring)
        if not runs.runs:
            raise DeadpanError(
                f"{plan.path}: no run of the study has finished; see why above, mend it, and go on "
                f"with --resume"
            )
        page = Page(
            command=command,
            evidence=runs,
            claims=decide(claims(runs)),
            tables=make_tables(runs),
            figures=make_figures(runs),
            failures={str(place): why for place, why in failures.items()},
            unfinished=sum(not finished(case, places, measuring) for case in cases),
        )
        refuse_several_commits(page)
        write_atomically(out / "claims.md", as_markdown(page).encode("utf-8", "replace"))
        write_atomically(out / "claims.html", as_html(page).encode("utf-8", "replace"))
        write_csv(out / "claims.csv", csv_rows(page))
        write_json(out / "claims.json", json_values(page))
    return page


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("--config", default=str(CONFIG), help="the plan: its sizes and systems")
    parser.add_argument("--out", default="runs/claims", help="a directory")
    parser.add_argument("--workers", type=int, help="runs at once, one thread each")
    parser.add_argument("--ray", help="a Ray cluster to run on: auto, or HOST:PORT")
    parser.add_argument("--only", default="", help="data sets to run, as in ravdess4,mosi229")
    parser.add_argument("--full", action="store_true", help="larger, for a bigger machine")
    parser.add_argument("--seeds", type=int, help="how many, the first; by default all")
    parser.add_argument("--resume", action="store_true", help="go on; finished runs are skipped")
    parser.add_argument("--pages", help="a folder where the page, once whole, is laid too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Run the study and print the verdicts.

    Raises:
        DeadpanError: the study cannot be run, or runs of it gave no result.
        KeyboardInterrupt: with what to do to go on.
    """
    options = parse(arguments)
    for name in ("config", "out", "pages"):  # a shell's unset variable would write somewhere else
        if getattr(options, name) == "":
            raise DeadpanError(f"--{name} got an empty text; give it a value or leave it out")
    out = home_path(options.out)
    command = shlex.join([*COMMAND.split(), *(x for x in arguments if x != "--resume")])
    only = [name.strip() for name in options.only.split(",") if name.strip()]
    plan = read_plan(home_path(options.config), only=only, full=options.full, seeds=options.seeds)
    try:
        with opened_pool(options.ray, writes=out) as pool, watching_grid() as watch:
            page = run_study(
                plan,
                out,
                workers=options.workers,
                resume=options.resume,
                command=command,
                watch=watch,
                pool=pool,
            )
    except KeyboardInterrupt:
        begun = (out / "claims.yaml").is_file()
        raise KeyboardInterrupt(
            f"interrupted; {f'go on with: {command} --resume' if begun else 'nothing was made'}"
        ) from None
    for decided in page.claims:
        finding = decided.claim.deciding
        effect = effect_text(finding) if finding and not finding.missing else "-"
        p = p_text(decided.p)
        print(f"{decided.claim.key}: {verdict_text(decided)}; effect {effect}{p and f', p {p}'}")
    notes = [f"{name}: skipped, {why}" for name, why in plan.skipped.items()]
    print(*notes, f"{out}/claims.html, .md, .csv, .json", sep="\n", file=sys.stderr)
    if page.failures:
        first = next(iter(page.failures.values()))
        raise DeadpanError(
            f"{len(page.failures)} runs gave no result (first: {first}); all in {out}/claims.json; "
            f"once mended, go on with: {command} --resume"
        )
    if options.pages is not None:
        folder = home_path(options.pages)
        folder.mkdir(parents=True, exist_ok=True)
        for name in PAGES:
            write_atomically(folder / name, (out / name).read_bytes())


if __name__ == "__main__":
    run_script(COMMAND, lambda: main(sys.argv[1:]))
