import pytest

from deadpan.errors import RunError
from deadpan.tasks.task import MetricColumn
from deadpan.training.scores import RunScores, ScoreRow, read_scores

from .fake_run import fake_run

MAE = MetricColumn(key="mae", title="MAE", higher_is_better=False, percent=False)
ACC = MetricColumn(key="acc", title="Acc-2", higher_is_better=True, percent=True)


def scores(**metrics):
    rows = tuple(
        ScoreRow(system=name, parameters=1, metrics={"mae": mae, "acc": acc})
        for name, (mae, acc) in metrics.items()
    )
    return RunScores(split="test", clips=5, columns=(MAE, ACC), rows=rows)


def test_values_are_shown_as_they_are_read():
    assert (MAE.shown(0.8814), ACC.shown(0.8254), MAE.shown(-0.1)) == ("0.881", "82.5", "−0.100")
    assert MAE.shown(float("nan")) == "–"


def test_best_follows_the_direction_and_skips_the_undefined():
    table = scores(mean=(1.4, 0.5), ridge=(1.1, 0.8), ours=(0.9, float("nan")))
    assert table.best(MAE) == {"ours"}
    assert table.best(ACC) == {"ridge"}


def test_what_looks_the_same_is_equally_good():
    assert scores(a=(1.0, 0.80041), b=(2.0, 0.80009)).best(ACC) == {"a", "b"}


def test_alone_nobody_is_best():
    nan = float("nan")
    assert scores(ours=(0.9, 0.8)).best(MAE) == frozenset()
    assert scores(mean=(nan, 0.5), ours=(0.9, 0.8)).best(MAE) == frozenset()


def test_reads_what_evaluation_wrote(tmp_path):
    read = read_scores(fake_run(tmp_path / "run", epochs=1) / "scores.json")
    assert (read.split, read.clips) == ("test", 686)
    assert [row.system for row in read.rows] == ["train mean", "ridge", "HCTMG"]
    assert read.rows[2].parameters == 540684
    assert {c.title for c in read.columns} >= {"Acc-2 non0", "Acc-2 has0"}
    corr = next(c for c in read.columns if c.key == "corr")
    assert corr.shown(read.rows[0].metrics["corr"]) == "–"


def test_a_run_that_was_not_evaluated(tmp_path):
    with pytest.raises(RunError, match=rf"is missing; run `deadpan evaluate {tmp_path}` first"):
        read_scores(tmp_path / "scores.json")
