"""A whole study of seconds, also one that is killed."""

import csv
import dataclasses
import json
import runpy
import shutil
import subprocess
import sys

import catalogue
import numpy as np
import pytest
import run as script
from measuring import Measuring, untrained
from plan import FIXED_FILES, read_plan

from deadpan.benchmarking.runner import Silent
from deadpan.errors import DeadpanError
from deadpan.locks import LOCK
from deadpan.training.opened import open_run

from ...held import held_elsewhere
from ...show.page import Page
from .tiny_study import TINY, plan_of, write

FEW = {name: TINY["systems"][name] for name in ("HCT-MG", "MulT")}
ONE = {"data": {"congruent": TINY["data"]["congruent"]}, "headline": {}}


def study(folder, *, resume=False, **changed):
    return script.run_study(
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
    return folder / "out", study(folder, systems=FEW)


def measures(out):
    return list(out.glob(f"runs/*/*/*/{Measuring().leaves}"))


def test_the_page_has_every_claim_in_every_form(whole):
    out, page = whole
    assert len(page.claims) == 12
    assert page.unfinished == 0
    assert page.failures == {}
    rows = list(csv.DictReader((out / "claims.csv").read_text().splitlines()))
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
    runs = page.evidence.by_seed("incongruent 50%", "HCT-MG").values()
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
            predictions = [float(row["prediction_sentiment"]) for row in rows]
            assert measured.columns["prediction"] == pytest.approx(predictions, abs=1e-5)


def test_attention_is_that_of_what_crossmodal_encoders_attend_to_beside_untrained_weights(whole):
    out, page = whole
    for measured in page.evidence.by_seed("incongruent 50%", "HCT-MG").values():
        run = open_run(out / "runs" / measured.place)
        began = untrained(run)
        (*_, own) = began.attention_paths()
        assert began.attention_paths() == run.model.attention_paths()
        others = [name for name in run.model.modalities if name != own.target]
        for when in ("", "untrained_"):
            one, other = (measured.columns[f"{when}auc_attention_{name}"] for name in others)
            sources = measured.columns[f"{when}auc_attention_sources"]
            known = ~np.isnan(one) & ~np.isnan(other)
            assert known.any()
            assert sources[known] == pytest.approx((one + other)[known] / 2)
            alone = ~np.isnan(one) & np.isnan(other)
            assert sources[alone] == pytest.approx(one[alone])
        trained, before = (
            measured.columns[f"{when}auc_attention_sources"] for when in ("", "untrained_")
        )
        assert not np.array_equal(trained, before, equal_nan=True)


def test_what_is_fused_before_it_is_attended_to_has_no_steps_to_find(whole):
    _, page = whole
    for measured in page.evidence.by_seed("incongruent 50%", "LMF-MulT").values():
        assert "auc_attention_text" in measured.columns
        assert "auc_attention_sources" not in measured.columns


def test_views_of_a_modality_that_two_outvote_are_not_compared(whole):
    out, page = whole
    found = 0
    for measured in page.evidence.by_seed("incongruent 50%", "MulT").values():
        clips = open_run(out / "runs" / measured.place).data["test"]
        for name in ("text", "audio", "vision"):
            outvoted = [x.truth.kind == "majority" and name not in x.truth.right for x in clips]
            found += sum(outvoted)
            for when in ("before", "after"):
                assert np.isnan(measured.columns[f"{when}_{name}"]).tolist() == outvoted
    assert found


def test_a_study_that_is_killed_goes_on_to_the_same_measures(tmp_path, whole):
    changed = ONE | {"systems": {"HCT-MG": FEW["HCT-MG"]}}
    write(tmp_path, **changed)
    options = ["--config", "claims.yaml", "--out", "out", "--workers", "1"]
    command = [sys.executable, script.__file__, *options]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        first = next(line for line in process.stderr if line.startswith("1/2  "))
        process.kill()
    assert "congruent, HCT-MG, seed 1" in first
    kept = {path: path.stat().st_mtime_ns for path in measures(tmp_path / "out")}
    assert kept
    page = study(tmp_path, resume=True, **changed)
    assert page.unfinished == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    for path in measures(tmp_path / "out"):
        same = whole[0] / path.relative_to(tmp_path / "out")
        assert path.read_bytes() == same.read_bytes()


def test_what_was_measured_is_not_measured_again_and_damage_is_said(tmp_path):
    changed = ONE | {"systems": {"HCT-MG": FEW["HCT-MG"]}, "seeds": [1]}
    page = study(tmp_path, **changed)
    (file,) = tmp_path.glob("out/runs/*/*/*/measures*")
    assert [decided.verdict for decided in page.claims].count("holds") == 0
    file.write_text('{"error": [1, 2], "flip": [1]}')
    with pytest.raises(DeadpanError, match="damaged; remove it and go on"):
        study(tmp_path, resume=True, **changed)
    file.write_text('{"error": ["x"]}')
    with pytest.raises(DeadpanError, match="damaged .*; remove it and go on"):
        study(tmp_path, resume=True, **changed)
    file.unlink()
    again = study(tmp_path, resume=True, **changed)
    assert file.is_file()
    assert [decided.verdict for decided in again.claims] == [
        decided.verdict for decided in page.claims
    ]


def test_places_and_studies_that_cannot_be_are_refused(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(DeadpanError, match="no study here"):
        study(tmp_path, resume=True)
    out.mkdir()
    (out / "mine.txt").touch()
    with pytest.raises(DeadpanError, match="exists already"):
        study(tmp_path)
    busy = r"another 'python studies/claims/run\.py' works there"
    with held_elsewhere(out / LOCK), pytest.raises(DeadpanError, match=busy):
        study(tmp_path, resume=True)
    (tmp_path / "file").touch()
    with pytest.raises(DeadpanError, match="is a file"):
        script.main(["--config", str(write(tmp_path)), "--out", str(tmp_path / "file")])
    bad = {"HCT-MG": {"model": "HCTMG", "model_options": {"width": 7, "heads": 2}}}
    with pytest.raises(DeadpanError, match="no run of the study has finished"):
        study(tmp_path, resume=True, systems=bad, headline={}, seeds=[1])
    assert not (out / "claims.md").exists()
    assert not list(out.glob("runs/*/*/*"))


@pytest.fixture
def config(tmp_path):
    """A study of one run, and of a data set that is not there."""
    data = TINY["data"] | {"real": {"data": "gone.pkl"}}
    systems = {"HCT-MG": FEW["HCT-MG"]}
    return write(tmp_path, seeds=[1], systems=systems, data=data, headline={})


def test_the_command_shows_its_progress_and_its_verdicts(config, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["--config", str(config), "--out", str(out), "--workers", "1", "--only", "congruent"]
    script.main(command)
    first = capsys.readouterr()
    assert "the gate converges: " in first.out
    assert "redundancy: not tested; effect -\n" in first.out
    assert "1/1  congruent, HCT-MG, seed 1" in first.err
    assert "real: skipped, left out by --only" in first.err
    assert f"{out}/claims.html, .md, .csv, .json" in first.err
    made_by = json.loads((out / "claims.json").read_text())["command"]
    assert made_by.startswith("python studies/claims/run.py --config ")
    assert made_by.endswith("--only congruent")
    pages = tmp_path / "pages"
    script.main([*command, "--resume", "--pages", str(pages)])
    assert {path.name for path in pages.iterdir()} == set(script.PAGES)
    assert (pages / "claims.md").read_bytes() == (out / "claims.md").read_bytes()
    again = capsys.readouterr()
    assert again.out == first.out
    assert "0 runs to do, 1 finished before" in again.err


def test_wrong_options_are_refused(config, tmp_path):
    out = tmp_path / "out"
    for extra, message in (
        (["--config", str(tmp_path / "x")], "is missing; give a YAML"),
        (["--only", "congruen"], "unknown data set of the study"),
        (["--workers", "0"], "workers must be 1 or more"),
        (["--resume"], "no study here"),
        (["--out", ""], "--out got an empty text"),
    ):
        with pytest.raises(DeadpanError, match=message):
            script.main(["--config", str(config), "--out", str(out), *extra])
    assert not out.exists()


def test_what_the_system_refuses_is_one_line_and_status_2(config, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "out"
    monkeypatch.setattr(sys, "argv", ["run.py", "--config", str(config), "--out", str(out)])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(script.__file__, run_name="__main__")
    assert left.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("python studies/claims/run.py: error: ")
    assert "is in the way" in line


def test_runs_without_a_result_are_an_error_that_says_how_to_go_on(tmp_path):
    broken = {"model": "HCTMG", "model_options": {"width": 7, "heads": 2}}
    systems = {"HCT-MG": FEW["HCT-MG"], "HCT-T": broken}
    config, out = write(tmp_path, **ONE | {"systems": systems, "seeds": [1]}), tmp_path / "out"
    with pytest.raises(DeadpanError, match="1 runs gave no result .*heads must divide.*--resume"):
        script.main(["--config", str(config), "--out", str(out), "--workers", "1"])
    assert "heads must divide" in " ".join(json.loads((out / "claims.json").read_text())["facts"])


def test_interrupting_says_how_to_go_on(config, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(script, "run_cases", interrupted)
    command = ["--config", str(config), "--out", str(tmp_path / "out")]
    with pytest.raises(KeyboardInterrupt, match=r"go on with: python studies/claims/.*--resume"):
        script.main(command)
    monkeypatch.setattr(script, "alone", interrupted)
    with pytest.raises(KeyboardInterrupt, match="nothing was made"):
        script.main([*command[:-1], str(tmp_path / "other")])


def test_an_error_of_the_command_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [script.__file__, "--config", "gone.yaml"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(script.__file__, run_name="__main__")
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("python studies/claims/run.py: error: gone.yaml")
    assert message.count("\n") == 1


def test_the_plan_of_the_study_can_be_read():
    for full in (False, True):
        plan = read_plan(script.CONFIG, full=full)
        assert plan.headline == "incongruent 30%"
        assert set(plan.grid.systems) == {
            catalogue.OURS,
            *catalogue.RIVALS,
            *catalogue.FIXED,
        }


def test_a_study_goes_on_with_its_plan_and_its_code_alone(whole, monkeypatch, tmp_path):
    out, page = whole
    folder = tmp_path / "study"
    shutil.copytree(out.parent, folder)
    fixed = json.loads((folder / "out" / script.PLAN).read_text())
    assert fixed["plan"] == page.evidence.plan.fixed
    assert fixed["commit"] == page.commits[0]
    kept = {path: path.read_bytes() for path in (folder / "out").glob("claims.*")}
    with pytest.raises(DeadpanError, match="the plan .* changed after the first run: .* then, "):
        study(folder, systems=FEW, seeds=[1, 2, 4], resume=True)
    plan = read_plan(write(folder, systems=FEW))
    assert plan.hash == fixed["configuration"]
    for changed in ({"seeds": 2}, {"full": True}, {"only": ["congruent"]}):
        other = read_plan(plan.path, **changed)
        assert other.fixed == plan.fixed
        with pytest.raises(DeadpanError, match="the configuration .*--seeds.* changed after the "):
            script.refuse_another_plan(other, folder / "out", ended=True)
    monkeypatch.setattr(script, "commit", lambda: {"commit": "f00", "dirty": False})
    with pytest.raises(DeadpanError, match="the code changed after the first run: .* f00 now; go"):
        script.refuse_another_plan(plan, folder / "out", ended=False)
    assert kept == {path: path.read_bytes() for path in (folder / "out").glob("claims.*")}
    (folder / "out" / script.PLAN).unlink()
    with pytest.raises(DeadpanError, match=r"has runs but no plan\.json, so that nobody knows"):
        study(folder, systems=FEW, resume=True)


def test_later_code_writes_the_page_of_runs_that_are_all_made(whole, monkeypatch, tmp_path):
    out, page = whole
    folder = tmp_path / "study"
    shutil.copytree(out.parent, folder)
    monkeypatch.setattr(script, "commit", lambda: {"commit": "f00", "dirty": False})
    again = study(folder, systems=FEW, resume=True)
    assert again.commits == page.commits
    (folder / "out" / "runs" / measures(out)[0].relative_to(out / "runs")).unlink()
    with pytest.raises(DeadpanError, match="the code changed after the first run"):
        study(folder, systems=FEW, resume=True)


def test_rules_margins_and_statistics_are_fixed_with_the_plan():
    names = {path.name for path in FIXED_FILES}
    assert names >= {"plan.py", "catalogue.py", "evidence.py", "verdicts.py", "intervals.py"}
    assert all(path.is_file() for path in FIXED_FILES)


def test_a_page_of_several_commits_is_refused(whole):
    _, page = whole
    runs = {
        key: {seed: dataclasses.replace(run, commit=f"c{seed}") for seed, run in by_seed.items()}
        for key, by_seed in page.evidence.runs.items()
    }
    mixed = dataclasses.replace(page, evidence=dataclasses.replace(page.evidence, runs=runs))
    with pytest.raises(DeadpanError, match=r"the runs are of 3 commits \(c1, c2, c3\), and a page"):
        script.refuse_several_commits(mixed)


def test_a_plan_that_was_not_committed_makes_a_page_exploratory(whole):
    _, page = whole
    assert page.evidence.plan.commit is None
    assert any("exploratory" in fact for fact in page.facts)
    committed = dataclasses.replace(page.evidence.plan, commit="abc123")
    known = dataclasses.replace(page, evidence=dataclasses.replace(page.evidence, plan=committed))
    assert any("as committed in abc123, before the first run" in fact for fact in known.facts)
