import csv
import io
import json
import math
import re

import pytest

from deadpan.benchmarking import rendering
from deadpan.benchmarking.table import SeedScores, make_table
from deadpan.tasks.task import MetricColumn

COLUMNS = (
    MetricColumn("mae", "MAE", higher_is_better=False, percent=False),
    MetricColumn("acc7", "Acc-7"),
)

DIVERGENCES = ("a set, HCT-MG, seed 2: diverged at epoch 3",)


def seed(number, mae, acc, *, errors=(0.1, 0.2, 0.3), seconds=60.0, divergences=()):
    return SeedScores(
        seed=number,
        metrics={"mae": mae, "acc7": acc},
        errors={str(i): e for i, e in enumerate(errors)},
        seconds=seconds,
        parameters=1234,
        commits=("abc",),
        places=(f"p{number}",),
        divergences=divergences,
    )


def table(**changed):
    systems = {
        "HCT-MG": [seed(1, 0.8, 0.4), seed(2, 0.9, 0.5, divergences=DIVERGENCES)],
        "Mul<T>_&": [seed(1, 1.0, 0.45, errors=(1.0, 1.0, 1.0), seconds=120.0)],
        "none": [],
    }
    given = {
        "against": "HCT-MG",
        "paper": None,
        "failures": {"none": "0 of 2 seeds; killed"},
        "more_notes": ["a note with 5 % | more"],
    }
    constants = {"majority": {"mae": 1.5, "acc7": math.nan}}
    return make_table("a set", COLUMNS, systems, constants, **(given | changed))


def test_means_deviations_and_the_best():
    majority, ours, other, none = table().rows
    assert ours.cells["mae"].mean == pytest.approx(0.85)
    assert ours.cells["mae"].deviation == pytest.approx(0.0707, abs=1e-3)
    assert math.isnan(other.cells["mae"].deviation)
    assert (ours.cells["mae"].best, other.cells["mae"].best) == (True, False)
    # Equal as shown: 45.0 both.
    assert ours.cells["acc7"].best and other.cells["acc7"].best
    assert not majority.cells["acc7"].best
    assert (majority.seeds, ours.seeds, none.seeds) == (0, 2, 0)
    assert (ours.p, majority.p, none.p) == (None, None, None)
    assert other.p == pytest.approx(0.25, abs=0.03)  # 2 of 8 sign patterns of three clips
    assert not none.cells


def test_every_format_says_the_same():
    made = table()
    lines = [line for line in rendering.markdown(made).splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert "| HCT-MG | 1,234 | 60.0 s |  | **0.850 ± 0.071** | **45.0 ± 7.1** |" in lines
    assert "| none |  |  |  | - | - |" in lines
    assert "none: 0 of 2 seeds; killed" in rendering.markdown(made)
    assert "- a set, HCT-MG, seed 2: diverged at epoch 3" in rendering.markdown(made)
    assert made.remarks == ["none: 0 of 2 seeds; killed", *DIVERGENCES]
    rows = list(csv.DictReader(io.StringIO(rendering.csv(made))))
    assert [row["system"] for row in rows] == ["majority", "HCT-MG", "Mul<T>_&", "none"]
    assert float(rows[1]["mae"]) == pytest.approx(0.85)
    assert (rows[0]["acc7"], rows[2]["mae_sd"], rows[3]["mae"]) == ("", "", "")
    (value,) = json.loads(rendering.as_json([made]))
    assert value["rows"][1]["mae"] == pytest.approx(0.85)
    assert value["rows"][0]["acc7"] is None
    page = rendering.html([made], "t")
    assert "Mul&lt;T&gt;_&amp;" in page
    assert '<strong>0.850</strong> <span class="under">± 0.071</span>' in page
    assert "Mul<T>" not in page


def test_the_page_puts_the_best_row_first_and_metrics_before_costs():
    page = rendering.html([table()], "t")
    assert re.findall(r'<th scope="row">(.*?)</th>', page) == [
        *("HCT-MG", "Mul&lt;T&gt;_&amp;", "majority", "none")
    ]
    head = re.findall(r'<th scope="col">(.*?)</th>', page)
    assert [re.sub("</?b>", "", text).partition(" <")[0] for text in head] == [
        *("System", "MAE", "Acc-7", "p", "Parameters", "Training")
    ]


def test_latex_has_as_many_cells_in_every_row_and_nothing_special_left():
    text = rendering.latex(table())
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {len(re.split(r"(?<!\\)&", line)) for line in body} == {6}
    assert r"Mul<T>\_\&" in text
    assert r"\textbf{0.850 $\pm$ 0.071}" in text
    tabular = text[text.index(r"\begin") :]
    assert not re.search(r"(?<!\\)[%#_]", tabular)


def test_the_papers_figure_stands_beside_ours_and_its_notes_below():
    made = table(paper="MOSI")
    assert "**0.850 ± 0.071** (0.881)" in rendering.markdown(made)
    assert "(39.4)" in rendering.markdown(made)
    assert "in brackets: the figure that the HCT-MG paper prints" in rendering.table_notes(made)
    assert any("has0" in note for note in rendering.table_notes(made))
    assert made.rows[2].cells["mae"].paper is None
