import json
import pickle
import shutil

import numpy as np
import pytest

import deadpan
from deadpan.data import load
from deadpan.data.dataset import Clip, Dataset
from deadpan.errors import DataError, RunError
from deadpan.tasks import make_task
from deadpan.training import scoring
from deadpan.training.scoring import prediction_rows, truth_names

from .tiny import DATA, rows, train

WIDTHS = {"text": 8, "audio": 6, "vision": 5}


def pickled(path, *, widths=WIDTHS, counts=(12, 4, 5), emotions=False, seed=0):
    """A file in MulT's layout."""
    random = np.random.default_rng(seed)
    splits = {}
    for name, count in zip(("train", "valid", "test"), counts, strict=True):
        labels = random.uniform(-3, 3, (count, 1, 1))
        if emotions:
            labels = np.eye(2)[random.integers(0, 2, (count, 4))]
        splits[name] = {
            **{m: random.normal(size=(count, 4, w)).astype(np.float32) for m, w in widths.items()},
            "labels": labels.astype(np.float32),
            "id": np.array([f"{name}_{i}" for i in range(count)]),
        }
    path.write_bytes(pickle.dumps(splits))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run on a file, and the file."""
    folder = tmp_path_factory.mktemp("scoring")
    path = pickled(folder / "data.pkl")
    run = train(folder / "run", data=str(path), data_options={}, epochs=1)
    return run.path, path


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained[0], tmp_path / "run")


def test_scores_stand_beside_constant_and_ridge(run):
    scores = deadpan.evaluate(run)
    assert [row["system"] for row in scores["rows"]] == ["train mean", "ridge", "HCTMG"]
    assert [row["parameters"] > 0 for row in scores["rows"]] == [False, False, True]
    assert (scores["split"], scores["clips"], scores["seed"]) == ("test", 5, 0)
    keys = [column["key"] for column in scores["columns"]]
    for row in scores["rows"]:
        assert list(row["metrics"]) == keys
    assert {"acc2_non0", "acc2_has0", "mae", "corr"} <= set(keys)
    assert {"commit", "dirty", "opened"} <= set(scores)
    assert json.loads((run / "scores.json").read_text()) == scores


def test_every_prediction_is_kept_and_adds_up_to_the_scores(run, trained):
    scores = deadpan.evaluate(run)
    table = rows(run / "predictions.csv")
    test = load(trained[1])["test"]
    assert [row["id"] for row in table] == [clip.id for clip in test]
    assert [float(row["label_sentiment"]) for row in table] == [float(c.label[0]) for c in test]
    errors = [abs(float(r["label_sentiment"]) - float(r["prediction_sentiment"])) for r in table]
    assert np.mean(errors) == pytest.approx(scores["rows"][2]["metrics"]["mae"])


def test_the_test_split_is_opened_once(run, monkeypatch):
    first = deadpan.evaluate(run)
    before = (run / "predictions.csv").read_bytes()

    def gone(*_):
        raise AssertionError("opened again")

    for name in ("open_run", "predict_clips"):
        monkeypatch.setattr(scoring, name, gone)
    assert deadpan.evaluate(run) == first
    assert (run / "predictions.csv").read_bytes() == before


def test_scores_outlive_their_data(tmp_path):
    path = pickled(tmp_path / "data.pkl")
    train(tmp_path / "run", data=str(path), data_options={}, epochs=1)
    first = deadpan.evaluate(tmp_path / "run")
    path.unlink()
    assert deadpan.evaluate(tmp_path / "run") == first


def test_training_leaves_the_test_split_closed(tmp_path, monkeypatch):
    opened = []
    read = deadpan.load("controlled").__class__.__getitem__

    def watching(self, split):
        opened.append(split)
        return read(self, split)

    monkeypatch.setattr("deadpan.data.dataset.Dataset.__getitem__", watching)
    train(tmp_path / "run", epochs=1)
    assert set(opened) == {"train", "valid"}
    assert not (tmp_path / "run" / "scores.json").exists()


def test_killed_between_its_two_files_it_is_evaluated_again(run):
    first = deadpan.evaluate(run)
    (run / "scores.json").unlink()
    (run / "predictions.csv").write_text("half")
    again = deadpan.evaluate(run)
    assert {**again, "opened": ""} == {**first, "opened": ""}
    assert len(rows(run / "predictions.csv")) == 5


def test_without_checkpoint_and_tables_it_can_still_be_evaluated(run, trained):
    for name in ("checkpoint.safetensors", "epochs.csv", "gate.csv"):
        (run / name).unlink()
    assert len(deadpan.evaluate(run)["rows"]) == 3


def test_data_that_is_gone_or_changed_is_refused(tmp_path):
    path = pickled(tmp_path / "data.pkl")
    out = tmp_path / "run"
    train(out, data=str(path), data_options={}, epochs=1)
    pickled(path, widths={**WIDTHS, "audio": 7})
    with pytest.raises(DataError, match=r"data\.pkl: has changed since .*run was trained"):
        deadpan.evaluate(out)
    pickled(path, counts=(12, 4, 0))
    with pytest.raises(DataError, match="test"):
        deadpan.evaluate(out)
    path.unlink()
    with pytest.raises(DataError, match=r"data\.pkl"):
        deadpan.evaluate(out)
    assert not (out / "scores.json").exists()


def test_other_data_is_predicted_split_by_split(run, tmp_path):
    path = pickled(tmp_path / "other.pkl", counts=(3, 0, 2), seed=1)
    predicted = deadpan.predict(run, str(path))
    assert [row["split"] for row in predicted] == ["train"] * 3 + ["test"] * 2
    assert [row["id"] for row in predicted[3:]] == ["test_0", "test_1"]
    assert all(np.isfinite(row["prediction_sentiment"]) for row in predicted)


def unlabelled(path, **changes):
    """A file as of ``pickled`` with other labels, or none."""
    content = pickle.loads(pickled(path, counts=(3, 0, 2), seed=1).read_bytes())
    for split in content.values():
        del split["labels"]
        split |= changes
    path.write_bytes(pickle.dumps(content))
    return path


def test_clips_without_labels_are_predicted_in_the_splits_of_their_file(run, tmp_path):
    predicted = deadpan.predict(run, unlabelled(tmp_path / "new.pkl"))
    labelled = deadpan.predict(run, pickled(tmp_path / "other.pkl", counts=(3, 0, 2), seed=1))
    wanted = [{k: x for k, x in row.items() if k != "label_sentiment"} for row in labelled]
    assert predicted == wanted


HEADERS = {"id,speaker": ",s", "id,label": ",", "id,label,split": ",nan,dev"}


@pytest.mark.parametrize("header", HEADERS)
def test_a_table_without_labels_keeps_its_order_and_has_no_splits(header, run, tmp_path):
    data, store = tmp_path / "new", tmp_path / "new.safetensors"
    (data / "audio").mkdir(parents=True)
    ids = ["z", "a_2", "m", "b_1"]
    (data / "new.csv").write_text("\n".join([header, *(clip + HEADERS[header] for clip in ids)]))
    random = np.random.default_rng(0)
    for clip in ids:
        np.save(data / "audio" / f"{clip}.npy", random.normal(size=(3, 6)).astype(np.float32))
    predicted = deadpan.predict(run, data)
    assert [row["id"] for row in predicted] == ids
    keys = {"id", "group", "words", "kind", "prediction_sentiment", "missing"}
    assert {row["missing"] for row in predicted} == {"text vision"}
    assert all(row.keys() == keys for row in predicted)
    facts = deadpan.inspect(data)
    assert (facts["labels"], facts["unsplit"], facts["baseline"]) == ([], True, None)
    sentences = [finding["sentence"] for finding in facts["findings"]]
    assert "no clip has a label: they can be predicted, not trained on or scored" in sentences
    assert not any("no clips" in sentence for sentence in sentences)
    deadpan.convert(data, store)
    assert deadpan.predict(run, store) == predicted
    with pytest.raises(DataError, match="no clip has a label; give data with labels"):
        train(tmp_path / "run2", data=str(data), data_options={}, epochs=1)
    assert not (tmp_path / "run2").exists()


def test_predicting_the_test_split_says_what_evaluation_said(run, trained):
    deadpan.evaluate(run)
    scored = [float(row["prediction_sentiment"]) for row in rows(run / "predictions.csv")]
    predicted = [r for r in deadpan.predict(run, str(trained[1])) if r["split"] == "test"]
    assert [row["prediction_sentiment"] for row in predicted] == pytest.approx(scored, abs=1e-5)


def test_options_of_the_data_may_be_given(run):
    predicted = deadpan.predict(run, "controlled", **DATA)
    assert len(predicted) == DATA["clips"]
    assert {row["kind"] for row in predicted} >= {"congruent"}
    assert all(row["words"] for row in predicted)


def test_a_modality_the_data_lacks_counts_as_missing(run, tmp_path):
    whole = pickled(tmp_path / "whole.pkl", counts=(2, 2, 2), seed=1)
    full = deadpan.predict(run, str(whole))
    with whole.open("rb") as file:
        splits = pickle.load(file)
    for split in splits.values():
        del split["audio"]
    lacking = tmp_path / "lacking.pkl"
    lacking.write_bytes(pickle.dumps(splits))
    predicted = deadpan.predict(run, str(lacking))
    assert [row["id"] for row in predicted] == [row["id"] for row in full]
    assert [r["prediction_sentiment"] for r in predicted] != [
        r["prediction_sentiment"] for r in full
    ]


def test_a_modality_the_model_does_not_know_is_left_out(tmp_path):
    train(tmp_path / "run", modalities=["text"], epochs=1)
    wide = {**DATA, "audio_width": 50, "clips": 12}
    usual = {**DATA, "clips": 12}
    predicted, wanted = (
        deadpan.predict(tmp_path / "run", "controlled", **o) for o in (wide, usual)
    )
    # Noise is drawn per feature, so only the clips, not their numbers, are the same.
    assert [row["id"] for row in predicted] == [row["id"] for row in wanted]


def test_other_widths_are_refused_with_both(run):
    with pytest.raises(DataError) as caught:
        deadpan.predict(run, "controlled", **{**DATA, "audio_width": 9})
    assert "audio has 9 features per step" in str(caught.value)
    assert "was trained on 6" in str(caught.value)


def test_nothing_in_common_is_refused_with_both(tmp_path):
    train(tmp_path / "run", modalities=["audio", "vision"], epochs=1)
    table, vectors = tmp_path / "label.csv", tmp_path / "vectors.txt"
    table.write_text("video_id,clip_id,text,label,mode\nv,1,good,1.0,test\n")
    vectors.write_text("good 1.0 2.0\n")
    with pytest.raises(DataError) as caught:
        deadpan.predict(tmp_path / "run", str(table), vectors=vectors)
    assert "has text, but" in str(caught.value)
    assert "trained on audio, vision" in str(caught.value)


def test_labels_of_another_task_are_left_out(run, tmp_path):
    path = pickled(tmp_path / "emotions.pkl", emotions=True)
    predicted = deadpan.predict(run, str(path))
    assert "prediction_sentiment" in predicted[0]
    assert not any(name.startswith("label_") for name in predicted[0])


def test_emotions_are_trained_scored_and_predicted(tmp_path):
    path = pickled(tmp_path / "emotions.pkl", emotions=True)
    train(tmp_path / "run", data=str(path), data_options={}, epochs=1)
    scores = deadpan.evaluate(tmp_path / "run")
    assert [row["system"] for row in scores["rows"]] == ["majority", "ridge", "HCTMG"]
    row = deadpan.predict(tmp_path / "run", str(path))[0]
    names = [name for name in row if name.startswith("prediction_")]
    assert len(names) == 4
    assert all(0 <= row[name] <= 1 for name in names)


def test_a_directory_that_is_no_run_is_refused(tmp_path):
    for use in (deadpan.evaluate, deadpan.report, lambda out: deadpan.predict(out, "controlled")):
        with pytest.raises(RunError, match="no run here"):
            use(tmp_path)


@pytest.mark.parametrize(
    ("mine", "theirs", "wanted"),
    [
        (("classes", ("a", "b", "c")), ("classes", ("c", "a")), ("c", "a")),
        (("classes", ("a", "b")), ("classes", ("a", "x")), None),
        (("classes", ("a", "b")), ("emotions", ("a", "b")), None),
        (("emotions", ("a", "b")), ("emotions", ("b", "a")), ("b", "a")),
        (("emotions", ("a", "b")), ("emotions", ("a",)), None),
        (("scores", ("a",)), ("scores", ("b",)), None),
        (("scores", ("a",)), ("regression", ("a",)), None),
        (("regression", ("sentiment",)), ("regression", ("valence",)), ("sentiment",)),
    ],
)
def test_truths_go_by_name(mine, theirs, wanted):
    dataset = Dataset(name="d", task=theirs[0], labels=theirs[1], widths={}, splits={})
    assert truth_names(make_task(*mine), dataset) == wanted


def test_a_row_holds_the_truth_of_its_own_class():
    clip = Clip(id="x", sequences={}, label=np.array([1, 0], np.float32))
    task = make_task("classes", ("a", "b", "c"))
    (row,) = prediction_rows(task, [clip], np.array([[0.0, 1, 2]]), ("c", "a"))
    assert [row[f"label_{name}"] for name in "abc"] == [0, 0, 1]
    (row,) = prediction_rows(task, [clip], np.array([[0.0, 1, 2]]), None)
    assert not any(key.startswith("label_") for key in row)
