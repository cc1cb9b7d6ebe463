"""A whole study of seconds, also one that is killed."""

import csv
import io
import json

import pytest

from deadpan.benchmark.runner import Silent, alone
from deadpan.errors import DeadpanError
from deadpan.replication.measuring import Measuring
from deadpan.replication.study import run_study

from ..benchmark.small_grid import killed
from ..show.page import Page
from .tiny_study import TINY, plan_of, write

FEW = {name: TINY["systems"][name] for name in ("HCT-MG", "MulT")}
ONE = {"data": {"congruent": TINY["data"]["congruent"]}, "headline": {}}


def run(folder, *, resume=False, **changed):
    return run_study(
        plan_of(folder, **changed),
        folder / "out",
        workers=2,
        resume=resume,
        command="a command",
        watch=Silent(),
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Two rates, two systems, seven runs."""
    folder = tmp_path_factory.mktemp("whole")
    return folder / "out", run(folder, systems=FEW)


def measures(out):
    return list(out.glob(f"runs/*/*/*/{Measuring().leaves}"))


def test_the_page_has_every_claim_in_every_form(whole):
    out, page = whole
    assert len(page.claims) == 12
    assert page.unfinished == 0
    assert page.failures == {}
    rows = list(csv.DictReader(io.StringIO((out / "claims.csv").read_text())))
    html = Page((out / "claims.html").read_text())
    markdown = (out / "claims.md").read_text()
    for decided in page.claims:
        assert f"## {decided.claim.key}: {decided.verdict}" in markdown
        assert decided.claim.key in html.text
        if decided.claim.deciding:
            (row,) = [r for r in rows if r["claim"] == decided.claim.key and r["verdict"]]
            assert row["verdict"] == decided.verdict
            assert (row["command"], row["configuration"]) == ("a command", page.evidence.plan.hash)
            assert row["commit"] and (row["seeds"] or row["missing"])
    assert not html.all("script") + html.all("link") + html.all("img")
    assert len(html.all("svg")) == len(page.figures) == 4
    value = json.loads((out / "claims.json").read_text())
    assert len(value["runs"]) == 7
    assert all((out / "runs" / r["place"] / Measuring().leaves).is_file() for r in value["runs"])


def test_what_a_figure_draws_is_what_was_measured(whole):
    _, page = whole
    (figure,) = [f for f in page.figures if f.name == "rivals"]
    (point,) = [p for p in figure.points if (p.series, p.place) == ("HCT-MG", "0.5")]
    runs = page.evidence.of("incongruent 50%", "HCT-MG").values()
    errors = [run.columns["error"].mean() for run in runs]
    assert point.seeds == len(errors) == 3
    assert point.interval.estimate == pytest.approx(sum(errors) / 3)
    assert {p.series for p in figure.points} == {"HCT-MG", "MulT"}


def test_what_is_measured_is_what_the_run_predicted(whole):
    out, page = whole
    for runs in page.evidence.runs.values():
        for measured in runs.values():
            with (out / "runs" / measured.place / "predictions.csv").open() as file:
                rows = list(csv.DictReader(file))
            assert [row["id"] for row in rows] == list(measured.columns["id"])
            assert [row["kind"] for row in rows] == list(measured.columns["kind"])
            said = [float(row["prediction_sentiment"]) for row in rows]
            assert measured.columns["prediction"] == pytest.approx(said, abs=1e-5)


def test_a_study_that_is_killed_goes_on_to_the_same_measures(tmp_path, whole):
    changed = ONE | {"systems": {"HCT-MG": FEW["HCT-MG"]}}
    write(tmp_path, **changed)
    killed("replication.killed_study", tmp_path)
    (kept,) = measures(tmp_path / "out")
    then = kept.stat().st_mtime_ns
    page = run(tmp_path, resume=True, **changed)
    assert page.unfinished == 0
    assert kept.stat().st_mtime_ns == then
    for path in measures(tmp_path / "out"):
        same = whole[0] / path.relative_to(tmp_path / "out")
        assert path.read_bytes() == same.read_bytes()


def test_what_was_measured_is_not_measured_again_and_damage_is_said(tmp_path):
    changed = ONE | {"systems": {"HCT-MG": FEW["HCT-MG"]}, "seeds": [1]}
    page = run(tmp_path, **changed)
    (file,) = tmp_path.glob("out/runs/*/*/*/measures*")
    assert [told.verdict for told in page.claims].count("holds") == 0
    file.write_text('{"error": [1, 2], "flip": [1]}')
    with pytest.raises(DeadpanError, match="damaged; remove it and go on"):
        run(tmp_path, resume=True, **changed)
    file.write_text('{"error": ["x"]}')
    with pytest.raises(DeadpanError, match="damaged .*; remove it and go on"):
        run(tmp_path, resume=True, **changed)
    file.unlink()
    again = run(tmp_path, resume=True, **changed)
    assert file.is_file()
    assert [told.verdict for told in again.claims] == [told.verdict for told in page.claims]


def test_places_and_studies_that_cannot_be_are_refused(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(DeadpanError, match="no study here"):
        run(tmp_path, resume=True)
    out.mkdir()
    (out / "mine.txt").touch()
    with pytest.raises(DeadpanError, match="exists already"):
        run(tmp_path)
    with alone(out, "claims"), pytest.raises(DeadpanError, match="another 'deadpan claims'"):
        run(tmp_path, resume=True)
    (tmp_path / "file").touch()
    with pytest.raises(DeadpanError, match="is a file"):
        plan = plan_of(tmp_path)
        run_study(plan, tmp_path / "file", workers=1, resume=False, command="x", watch=Silent())
    bad = {"HCT-MG": {"model": "HCTMG", "model_options": {"width": 7, "heads": 2}}}
    with pytest.raises(DeadpanError, match="no run of the study has finished"):
        run(tmp_path, resume=True, systems=bad, headline={}, seeds=[1])
    assert not (out / "claims.md").exists()
    assert not list(out.glob("runs/*/*/*"))
