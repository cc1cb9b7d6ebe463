"""``make studies``: that each study's script is there, and that bad calls are refused."""

import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "studies" / "rerun.py"))


@pytest.mark.parametrize("shared", [False, True])
def test_every_study_has_its_script_and_known_options(shared):
    made = SCRIPT["commands"]([], shared=shared)
    assert len(made) >= 8
    for _, command in made:
        assert (ROOT / command[1]).is_file()


def test_without_shared_data_what_needs_them_is_left_out_and_said(capsys):
    names = {study.name for study, _ in SCRIPT["commands"]([], shared=False)}
    assert {"options", "claims", "compare"} <= names
    assert names.isdisjoint({"materials", "lexicon", "attributes"})
    assert "lexicon: left out, it needs" in capsys.readouterr().out


def test_the_committed_page_of_the_claims_is_written_too():
    for seeds in (None, 2):
        made = SCRIPT["commands"](["claims"], shared=True, seeds=seeds)
        ((_, command),) = made
        assert ("--pages studies/claims" in " ".join(command)) == (seeds is None)


def test_the_committed_figure_of_attributes_is_made_again():
    ((_, command),) = SCRIPT["commands"](["attributes"], shared=True)
    page = (ROOT / "studies/accuracy/attributes.md").read_text(encoding="utf-8")
    assert f"`{shlex.join(['python', *command[1:]])}`" in page


def test_fewer_seeds_have_runs_and_tables_of_their_own():
    made = {study.name: command for study, command in SCRIPT["commands"]([], shared=True, seeds=3)}
    assert made.pop("materials")[1:] == ["studies/accuracy/materials.py"]
    left_out = {"demo", "attributes", "lexicon", "materials"}
    assert made.keys() == {study.name for study in SCRIPT["STUDIES"]} - left_out
    for name, command in made.items():
        text = " ".join(command)
        assert "--seeds 3" in text
        where = "--out runs/3_seeds/claims" if name == "claims" else "--runs runs/3_seeds --out"
        assert where in text


def test_fewer_seeds_take_their_share_of_the_hours(capsys, monkeypatch):
    hours = SCRIPT["hours_of"]
    for study in SCRIPT["STUDIES"]:
        assert hours(study, None) == hours(study, 99) == study.hours
        assert hours(study, 2) == pytest.approx(study.hours * 2 / (study.seeds or 2))
    monkeypatch.setattr("sys.argv", ["rerun.py", "--list", "--seeds", "2", "--only", "kernels"])
    assert SCRIPT["main"]() == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert last == "about 0.1 h in all, on two cores, with the first 2 of their seeds"


def test_the_number_of_seeds_is_that_of_the_grid():
    for study in SCRIPT["STUDIES"]:
        if study.seeds:
            script = ROOT / "studies" / study.script
            options = [*(study.shared or ()), "--config", script.with_suffix(".yaml")]
            config = ROOT / options[options.index("--config") + 1]
            if not config.exists():  # of the name of the study, or of the first of its grids
                config = script.with_name(
                    {"kinds": "options"}.get(study.name, study.name) + ".yaml"
                )
            values = yaml.safe_load(config.read_text())
            more = values.get("headline", {}).get("seeds", [])
            assert study.seeds == len([*values["seeds"], *more])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--only", "option"], "no such study: option; there are demo, materials"),
        (["--seeds", "0"], "--seeds wants 1 or more; got 0"),
    ],
)
def test_what_cannot_be_made_is_refused(wrong, message):
    done = subprocess.run(
        [sys.executable, ROOT / "studies" / "rerun.py", *wrong, "--list"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert message in done.stderr
