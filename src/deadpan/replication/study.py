"""The whole study in one call: runs, measures, page."""

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from deadpan.benchmark.runner import GridWatch, Silent, alone, finished, run_cases
from deadpan.errors import DeadpanError
from deadpan.files import home_path, write_atomically
from deadpan.replication import catalogue, rendering
from deadpan.replication.breakdown import breakdowns
from deadpan.replication.evidence import gather
from deadpan.replication.figures import figures
from deadpan.replication.measuring import Measuring
from deadpan.replication.page import Page, refuse_empty
from deadpan.replication.plan import Plan, read_plan
from deadpan.replication.rules import decide


def claims(
    config: str | Path = "configs/claims.yaml",
    *,
    out: str | Path = "runs/claims",
    workers: int = 1,
    only: Sequence[str] = (),
    full: bool = False,
    resume: bool = False,
    watch: GridWatch | None = None,
) -> Page:
    """Test what the paper claims: run a study, measure it, write its page.

    Args:
        config: a YAML file; ``configs/claims.yaml`` holds every size.
        out: a directory, which must not exist.
        workers: runs at once, a process and a thread each.
        only: data sets of the study; none = all that are there.
        full: the sizes for a bigger machine.
        resume: go on with the study in ``out``; finished runs are skipped.
        watch: is told of progress.
    """
    if workers < 1:
        raise DeadpanError(f"workers must be 1 or more; got {workers}")
    plan = read_plan(home_path(config), only=only, full=full)
    given = ["--full"] * full + ([f"--only {shlex.quote(','.join(only))}"] if only else [])
    command = " ".join(["deadpan claims --config", shlex.quote(str(config)), *given])
    return run_study(
        plan,
        home_path(out),
        workers=workers,
        resume=resume,
        command=f"{command} --out {shlex.quote(str(out))} --workers {workers}",
        watch=watch or Silent(),
    )


def run_study(
    plan: Plan, out: Path, *, workers: int, resume: bool, command: str, watch: GridWatch
) -> Page:
    """Run and measure what has not been, and write what it all says.

    ``out`` holds a copy of the plan's file, ``runs/DATA/SYSTEM/...``, each with its measures, and
    ``claims.md``, ``.html``, ``.csv`` and ``.json``. A run's place tells its settings: a changed
    plan makes new runs beside the old ones.

    Args:
        plan: what to run.
        out: must not exist, unless ``resume``.
        workers: processes at once, one thread each.
        resume: go on with the study in ``out``.
        command: that makes the page, as the page names it.
        watch: is told of progress.

    Raises:
        DeadpanError: ``out`` is taken or not there, another process works in it, or nothing has
            finished.
    """
    if out.exists() and not out.is_dir():
        raise DeadpanError(f"{out}: is a file; give a directory as --out")
    if out.exists() and not resume and any(out.iterdir()):
        raise DeadpanError(f"{out}: exists already; go on with --resume, or give another --out")
    if resume and not out.exists():
        raise DeadpanError(f"{out}: no study here to go on with; leave out --resume")
    cases = plan.cases()
    out.mkdir(parents=True, exist_ok=True)
    with alone(out, "claims"):
        shutil.copyfile(plan.path, out / "claims.yaml")
        runs, measuring = out / "runs", Measuring()
        failures = run_cases(cases, runs, workers=workers, watch=watch, then=measuring)
        evidence = gather(plan, cases, runs, measuring)
        refuse_empty(evidence)
        page = Page(
            command=command,
            evidence=evidence,
            claims=decide(catalogue.claims(evidence)),
            tables=breakdowns(evidence),
            figures=figures(evidence),
            failures={str(place): why for place, why in failures.items()},
            unfinished=sum(not finished(case, runs, measuring) for case in cases),
        )
        for name, write in (
            ("md", rendering.markdown),
            ("html", rendering.html),
            ("csv", rendering.as_csv),
            ("json", rendering.as_json),
        ):
            write_atomically(out / f"claims.{name}", write(page).encode("utf-8", "replace"))
    return page
