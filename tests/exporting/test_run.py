import json

import numpy as np
import onnx
import pytest

import deadpan
from deadpan.errors import DeadpanError
from deadpan.exporting import run as exporting
from deadpan.serving.predictor import Predictor
from tests.training.tiny import DATA, train


def test_the_file_is_as_sure_as_the_run(tmp_path):
    data = {**DATA, "clips": 120}
    for loss in ("l1", "distribution"):
        run = train(tmp_path / loss, data_options=data, epochs=1, loss=loss)
        (fitted,) = run.uncertainty().intervals.values()
        assert fitted["of_quantiles"] == (loss == "distribution")
        rows = deadpan.predict(run.path, "controlled", **data)
        clips = [c for part in deadpan.load("controlled", **data).splits.values() for c in part]
        predictions = Predictor(deadpan.export(run.path).path)(
            [dict(clip.sequences) for clip in clips]
        )
        order = {clip.id: index for index, clip in enumerate(clips)}
        for name in ("low", "high", "positive_probability"):
            got = getattr(predictions, name)[[order[row["id"]] for row in rows], 0]
            # A step of the signs' 200 errors: a prediction may lie within rounding of one.
            wanted = [row[f"{name}_sentiment"] for row in rows]
            np.testing.assert_allclose(got, wanted, atol=0.0051 if "pos" in name else 1e-5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(tmp_path_factory.mktemp("export") / "run", normalization="robust")


def test_the_file_predicts_what_the_run_predicts(trained, tmp_path):
    export = deadpan.export(trained.path, out=tmp_path / "m.onnx")
    assert export.path == tmp_path / "m.onnx"
    assert export.size == export.path.stat().st_size
    assert export.deviation < 1e-5 < export.spread
    rows = deadpan.predict(trained.path, "controlled", **DATA)
    clips = [clip for split in deadpan.load("controlled", **DATA).splits.values() for clip in split]
    predictions = Predictor(export.path)([dict(clip.sequences) for clip in clips])
    by_id = {row["id"]: row["prediction_sentiment"] for row in rows}
    np.testing.assert_allclose(
        predictions.decisions[:, 0], [by_id[clip.id] for clip in clips], rtol=0, atol=1e-5
    )


def test_it_goes_into_the_run_and_says_what_it_is(trained):
    export = deadpan.export(trained.path, int8=True)
    assert export.path == trained.path / "model-int8.onnx"
    facts = json.loads(onnx.load(export.path).metadata_props[0].value)
    assert facts["model"] == "HCTMG"
    assert facts["labels"] == ["sentiment"]
    assert facts["widths"] == {"text": 8, "audio": 6, "vision": 5}
    assert facts["scaled"] == ["audio", "vision"]
    assert facts["int8"] is True
    assert facts["median_of_group_first"] == []
    with pytest.raises(DeadpanError, match=r"model-int8.onnx: exists already; remove it"):
        deadpan.export(trained.path, int8=True)


def test_medians_of_groups_are_left_to_the_predictor(tmp_path):
    run = train(tmp_path / "run", normalization="group", epochs=1)
    predictor = Predictor(deadpan.export(run.path).path)
    assert predictor.facts["median_of_group_first"] == ["audio", "vision"]
    clips = [clip for split in deadpan.load("controlled", **DATA).splits.values() for clip in split]
    predictions = predictor(
        [dict(clip.sequences) for clip in clips], groups=[str(clip.group) for clip in clips]
    )
    by_id = {
        row["id"]: row["prediction_sentiment"]
        for row in deadpan.predict(run.path, "controlled", **DATA)
    }
    np.testing.assert_allclose(
        predictions.decisions[:, 0], [by_id[clip.id] for clip in clips], rtol=0, atol=1e-5
    )


def test_what_cannot_be_written_is_refused_before_anything_is(trained, tmp_path):
    with pytest.raises(DeadpanError, match="its directory does not exist"):
        deadpan.export(trained.path, out=tmp_path / "no" / "m.onnx")


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("HCTMG", {"bidirectional": True}),
        ("HCTMG", {"reader": "none"}),
        ("MulT", {"reader": "gru"}),
    ],
)
def test_streams_are_exported_as_they_are_read(tmp_path, model, options):
    sizes = {"width": 8, "heads": 2, "layers": 1}
    run = train(tmp_path / "run", epochs=1, model=model, model_options=sizes | options)
    assert deadpan.export(run.path).deviation < 1e-5


def test_a_file_that_differs_is_not_kept(trained, tmp_path, monkeypatch):
    def wrong(*_, **__):
        return np.array([[0.0], [2e-5]]), np.array([[0.1], [0.2]])

    monkeypatch.setattr(exporting, "deviations", wrong)
    with pytest.raises(DeadpanError, match=r"not written: it differs from the model by 2.0e-05"):
        deadpan.export(trained.path, out=tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_a_missing_extra_names_its_command(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(DeadpanError, match=r"needs onnxruntime: pip install 'deadpan\[export\]'"):
        deadpan.export(trained.path, out=tmp_path / "m.onnx")
