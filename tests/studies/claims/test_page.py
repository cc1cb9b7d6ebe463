"""The page on made-up runs, with names that would break it if they could."""

import csv
import dataclasses
import json
import math

import numpy as np
import pytest
from breakdown import make_tables
from catalogue import claims
from figures import error_points, flip_points, gain_points, make_figures
from page import Page, as_html, as_markdown, cell_text, csv_rows, interval_text, json_values, p_text

from deadpan.benchmarking.verdicts import decide
from deadpan.files import write_csv, write_json
from deadpan.metrics.intervals import Interval

from ...show.page import Page as Html
from .made_up import evidence
from .test_catalogue import DATA, SYSTEMS, favourable
from .tiny_study import TINY, plan_of

EVIL = "<b>half|\"'"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    data = {"congruent": TINY["data"]["congruent"], EVIL: TINY["data"]["incongruent 50%"]}
    data |= {name: DATA[name] for name in ("audio carries", "vision carries")}
    folder = tmp_path_factory.mktemp("page")
    headline = {"data": EVIL}
    plan = plan_of(folder, data=data, systems=SYSTEMS, headline=headline)
    made = evidence(plan, favourable)
    return Page(
        command="a command",
        evidence=made,
        claims=decide(claims(made)),
        tables=make_tables(made),
        figures=make_figures(made),
        failures={"a/place": "<i>why</i>"},
        unfinished=1,
    )


def test_a_run_that_diverged_is_named(page):
    diverged = np.array([2.0, 1.0, np.nan])
    runs = {key: dict(by_seed) for key, by_seed in page.evidence.runs.items()}
    (key, by_seed), *_ = runs.items()
    seed, run = next(iter(by_seed.items()))
    epochs = dataclasses.replace(run.epochs, valid_loss=diverged)
    by_seed[seed] = dataclasses.replace(run, epochs=epochs)
    evidence = dataclasses.replace(page.evidence, runs=runs)
    shown = dataclasses.replace(page, evidence=evidence)
    told = "diverged at epoch 3; scored by its best epoch before, 2"
    assert f"- {run.place}: {told}" in as_markdown(shown)
    assert told in Html(as_html(shown)).text
    values = {(r["data"], r["system"], r["seed"]): r for r in json_values(shown)["runs"]}
    assert values[*key, seed]["divergence"] == told
    assert told not in as_markdown(page)


def test_html_is_whole_and_what_the_data_say_is_escaped(page):
    html = Html(as_html(page))
    assert EVIL in html.text
    assert "<i>why</i>" in html.text
    assert not html.all("b") and not html.all("i")
    assert "go on with --resume" in html.text
    assert len(html.all("svg")) == 4


def test_markdown_keeps_its_columns(page):
    tables = [block.splitlines() for block in as_markdown(page).split("\n\n")]
    tables = [lines for lines in tables if lines[0].startswith("|")]
    assert len(tables) > 15
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1


def test_csv_and_json_have_every_test_once(page, tmp_path):
    count = sum(len(d.claim.others) + (d.claim.deciding is not None) for d in page.claims)
    write_csv(tmp_path / "claims.csv", csv_rows(page))
    rows = list(csv.DictReader((tmp_path / "claims.csv").read_text().splitlines()))
    assert len(rows) == count
    assert sum(bool(row["verdict"]) for row in rows) == 10
    assert {row["p_corrected"] for row in rows if not row["verdict"]} == {""}
    write_json(tmp_path / "claims.json", json_values(page))
    value = json.loads((tmp_path / "claims.json").read_text())
    assert sum(len(c["others"]) + bool(c["deciding"]) for c in value["claims"]) == count
    deciding = {c["claim"]: c["deciding"] for c in value["claims"]}
    assert deciding["text dominates"]["effect"] == pytest.approx(1 / 3)
    assert deciding["redundancy"] is None


def test_points_are_means_over_seeds(page):
    made = page.evidence
    points = {(p.series, p.place): p for p in error_points(made, ["MulT"])}
    runs = made.by_seed(EVIL, "MulT").values()
    mean = sum(run.columns["error"].mean() for run in runs) / len(runs)
    assert points["MulT", "0.5"].interval.estimate == pytest.approx(mean)
    flips = {(p.series, p.place): p.interval.estimate for p in flip_points(made)}
    assert flips["MulT", "the others"] == pytest.approx(0.1, abs=0.06)
    assert flips["MulT", "incongruent"] == pytest.approx(0.4, abs=0.06)
    gains = {(p.series, p.place): p.interval.estimate for p in gain_points(made)}
    assert gains["text", EVIL] == pytest.approx(0.6, abs=0.02)


def test_tables_tell_kinds_degrees_systems_and_gates(page):
    tables = {table.title: table for table in page.tables}
    gates = dict(tables["Where the gate ended"].rows)
    shares = {
        name.removesuffix(" (2 runs)"): [mean for mean, _ in row] for name, row in gates.items()
    }
    assert shares["congruent, HCT-MG"] == [1, 0, 0]
    assert shares["audio carries, HCT-MG"] == [0, 1, 0]
    assert not any("HCT-A" in name for name in shares)
    kinds = dict(tables[f"Error by kind: {EVIL}"].rows)
    assert set(kinds) == {"congruent", "majority"}
    columns = tables[f"Error by kind: {EVIL}"].columns
    assert kinds["majority"][columns.index("MulT") - 1][0] == pytest.approx(1.1, abs=0.02)
    assert set(dict(tables[f"Error by degree: {EVIL}"].rows)) == {"none", "0.25 to 0.50"}
    systems = tables[f"Systems: {EVIL}"]
    ours = dict(zip(systems.columns[1:], dict(systems.rows)["HCT-MG"], strict=True))
    assert ours["error"][0] == pytest.approx(0.4, abs=0.02)
    assert ours["disagreement as proxy"][0] == 1
    assert ours["at the cap"][0] == 1  # the best was one epoch before: its patience was 2
    assert ours["seconds"][0] == 3


def test_numbers_read_well():
    assert [p_text(p) for p in (math.nan, 0.00004, 0.0213, 1.0)] == ["", "<.001", ".021", "1.000"]
    cells = ((math.nan, math.nan), (0.12345, math.nan), (0.5, 0.1), (83.2, 1.23))
    assert [cell_text(cell) for cell in cells] == ["", "0.123", "0.500 ± 0.100", "83.2 ± 1.2"]
    one = Interval(estimate=0.5, low=math.nan, high=math.nan, p=math.nan)
    assert interval_text(one) == "0.500"
