import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from deadpan.errors import DeadpanError
from deadpan.exporting.onnx_file import onnx_bytes
from deadpan.metrics.distributions import signed_probability
from deadpan.models import HCTMG, LFDNN
from deadpan.serving import predictor as serving
from deadpan.serving.predictor import Predictor, give_back
from deadpan.tasks import make_task
from deadpan.training.uncertainty import Uncertainty, uncertain
from tests.contracts.small import WIDTHS
from tests.exporting.exported import (
    UNSCALED,
    built,
    facts_of,
    outputs_of,
    predictor,
    ragged,
    written,
)


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    model = built(LFDNN)
    return predictor(tmp_path_factory.mktemp("serving") / "m.onnx", model), model


def test_it_needs_neither_torch_nor_onnx(tmp_path):
    file = written(tmp_path / "m.onnx", built(HCTMG))
    script = (
        "import sys, numpy as np\n"
        "from deadpan.serving.predictor import Predictor\n"
        "assert 'onnxruntime' not in sys.modules\n"
        f"said = Predictor({str(file)!r})([{{'text': np.ones((3, 6))}}])\n"
        "assert said.outputs.shape == (1, 1)\n"
        "assert np.float64(5e-324) * 1 > 0, 'a caller computes otherwise afterwards'\n"
        "print(*sorted({'torch', 'onnx', 'pandas', 'scipy', 'sklearn'} & set(sys.modules)))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == ""


def test_order_and_company_change_nothing(ready):
    file, model = ready
    clips = ragged(60)
    wanted = outputs_of(model, clips)
    np.testing.assert_allclose(file(clips).outputs, wanted, rtol=0, atol=1e-5)
    np.testing.assert_allclose(file(clips[::-1]).outputs, wanted[::-1], rtol=0, atol=1e-5)
    np.testing.assert_allclose(file([clips[3]]).outputs, wanted[3:4], rtol=0, atol=1e-5)


def test_batches_are_of_similar_length_and_bounded(ready, monkeypatch):
    file, _ = ready
    monkeypatch.setattr(serving, "STEPS_AT_ONCE", 30)
    clips = [{"text": np.zeros((n, 6))} for n in (40, 1, 10, 2, 9, 10)]
    # 1 and 2 with 9 make 27 padded steps; a clip beyond the bound goes by itself.
    assert file._batches(clips) == [[1, 3, 4], [2, 5], [0]]


def test_a_missing_modality_is_left_out_or_without_steps(ready):
    file, _ = ready
    text = np.ones((3, 6))
    for empty in (np.zeros((0, 4)), []):
        clips = [{"text": text}], [{"text": text, "audio": empty}]
        assert np.array_equal(*(file(given).outputs for given in clips))
    assert np.isfinite(file([{}]).outputs).all()


@pytest.mark.parametrize(
    ("task", "labels", "outputs"),
    [
        ("regression", ("sentiment",), 1),
        ("scores", ("a", "b"), 2),
        ("classes", ("a", "b", "c"), 3),
        ("emotions", ("joy", "fear"), 4),
    ],
)
def test_decisions_are_those_of_the_task(task, labels, outputs, tmp_path):
    model = built(LFDNN, outputs=outputs)
    file = predictor(tmp_path / "m.onnx", model, task=task, labels=labels)
    got = file(ragged(20))
    np.testing.assert_allclose(
        got.decisions, make_task(task, labels).decisions(got.outputs), rtol=1e-12
    )
    assert got.labels == labels
    assert got.rows()[4] == dict(zip(labels, got.decisions[4], strict=True))


@pytest.mark.parametrize(
    ("task", "labels", "ranges"),
    [("regression", ("sentiment",), ()), ("scores", ("a", "b"), [(1.0, 7.0), (0.0, 100.0)])],
)
def test_a_distribution_is_decoded_as_the_task_does(task, labels, ranges, tmp_path):
    whole = make_task(task, labels, "distribution", ranges=ranges)
    model = built(LFDNN, outputs=whole.outputs)
    facts = {"task": task, "labels": labels, "bins": whole.bins.tolist()}
    got = predictor(tmp_path / "m.onnx", model, **facts)(ragged(20))
    assert got.decisions.shape == (20, len(labels))
    np.testing.assert_allclose(got.decisions, whole.decisions(got.outputs), rtol=1e-12)


INTERVAL = {"radii": [0.5], "edges": [], "low": -3.0, "high": 3.0, "errors": [-0.1, 0.1]}


def test_intervals_and_signs_come_with_a_prediction(tmp_path):
    model = built(LFDNN)
    facts = {"uncertainty": {"level": 0.9, "intervals": {"sentiment": INTERVAL}}}
    got = predictor(tmp_path / "m.onnx", model, **facts)(ragged(20))
    np.testing.assert_array_equal(got.low, np.clip(got.decisions - 0.5, -3, 3))
    np.testing.assert_array_equal(got.high, np.clip(got.decisions + 0.5, -3, 3))
    assert set(got.positive_probability.ravel().tolist()) <= {0.0, 0.5, 1.0}


def test_a_distribution_has_the_intervals_and_signs_of_its_run(tmp_path):
    task = make_task("regression", ("sentiment",), "distribution")
    fitted = {**INTERVAL, "radii": [-0.1], "of_quantiles": True, "temperature": 1.5}
    uncertainty = {"level": 0.9, "intervals": {"sentiment": fitted}}
    facts = {"bins": task.bins.tolist(), "uncertainty": uncertainty}
    model = built(LFDNN, outputs=task.outputs)
    got = predictor(tmp_path / "m.onnx", model, **facts)(ragged(20))
    run = Uncertainty(**uncertainty, clips=20, groups=20)
    for mine, theirs in zip(
        (got.low, got.high, got.positive_probability),
        uncertain(task, got.outputs, run),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, theirs)
    assert len(np.unique(np.round(got.high - got.low, 6))) > 1


def test_a_file_without_intervals_has_none_and_a_distribution_still_has_signs(tmp_path):
    got = predictor(tmp_path / "m.onnx", built(LFDNN))(ragged(3))
    for values in (got.low, got.high, got.positive_probability):
        assert values.shape == (3, 1)
        assert np.isnan(values).all()
    ranges = [(1.0, 7.0), (-9.0, 100.0)]
    whole = make_task("scores", ("a", "b"), "distribution", ranges=ranges)
    facts = {"task": "scores", "labels": ("a", "b"), "bins": whole.bins.tolist()}
    model = built(LFDNN, outputs=whole.outputs)
    got = predictor(tmp_path / "d.onnx", model, **facts)(ragged(3))
    above = signed_probability(got.outputs, whole.bins)[:, 1]
    np.testing.assert_allclose(got.positive_probability[:, 1], above)
    assert np.isnan(got.positive_probability[:, 0]).all()  # no label a is below 0


@pytest.mark.parametrize(
    "wrong",
    [
        "none",
        {},
        {"intervals": {"mood": INTERVAL}},
        {"intervals": {"sentiment": {**INTERVAL, "radii": [-1]}}},
        {"intervals": {"sentiment": {**INTERVAL, "radii": None}}},
        {"intervals": {"sentiment": {**INTERVAL, "of_quantiles": True}}},  # of numbers
    ],
)
def test_intervals_that_no_export_writes_are_refused(wrong, tmp_path):
    with pytest.raises(DeadpanError, match="its description has no usable 'uncertainty'"):
        predictor(tmp_path / "m.onnx", built(LFDNN), uncertainty=wrong)


def test_each_speaker_is_set_to_their_own_median(tmp_path):
    model = built(LFDNN, widths={"text": 6, "audio": 4})
    file = predictor(tmp_path / "m.onnx", model, median_of_group_first=["audio"])
    audio = np.arange(12, dtype=np.float32).reshape(3, 4)
    clips = [{"audio": audio, "text": np.ones((2, 6))}, {"audio": audio + 7}, {"audio": audio - 3}]
    # Of the first speaker: steps 0 4 8 and 7 11 15 in the first feature, median 7.5.
    moved = [
        {"audio": audio - 7.5 - np.arange(4), "text": np.ones((2, 6))},
        {"audio": audio - 0.5 - np.arange(4)},
        {"audio": audio - 4 - np.arange(4)},
    ]
    got = file(clips, groups=["x", "x", "y"]).outputs
    np.testing.assert_allclose(got, outputs_of(model, moved), rtol=0, atol=1e-5)
    assert np.isfinite(file([{}], groups=["z"]).outputs).all()
    for groups in (None, ["x"]):
        with pytest.raises(DeadpanError, match="give the speaker of each of the 3 clips as groups"):
            file(clips, groups=groups)


@pytest.mark.parametrize(
    ("clips", "told"),
    [
        ([], "got no clips"),
        ({"text": np.ones((2, 6))}, r"got one clip, wanted a list"),
        ([{"text": np.ones((2, 5))}], r"clip 0: text has shape \[2, 5\], wanted \[steps, 6\]"),
        ([{}, {"text": np.ones(6)}], r"clip 1: text has shape \[6\], wanted \[steps, 6\]"),
        ([{"text": np.full((2, 6), np.nan)}], "clip 0: text holds NaN or infinity"),
        ([{"text": [["a"] * 6]}], "clip 0: text does not hold numbers"),
        ([{"text": np.ones((2, 6), complex)}], "clip 0: text does not hold numbers"),
        ([{"text": np.ones((2, 6), "M8[s]")}], "clip 0: text does not hold numbers"),
        ([{"text": np.full((2, 6), 1e300)}], "clip 0: text holds NaN or infinity"),
        ([{"text": torch.ones(2, 6, requires_grad=True)}], "clip 0: text gives no array"),
        ([{"text": None}], r"clip 0: text has shape \[\]"),
        ([{"txet": np.ones((2, 6))}], "clip 0: unknown modality 'txet'; did you mean 'text'"),
    ],
)
def test_bad_clips_are_refused(ready, clips, told):
    with pytest.raises(DeadpanError, match=told):
        ready[0](clips)


def test_what_is_of_another_type_is_refused_where_no_types_are_checked(tmp_path):
    # As users run it: here the signatures would refuse first.
    file = written(tmp_path / "m.onnx", built(LFDNN))
    script = (
        "import numpy as np\n"
        "from deadpan.errors import DeadpanError\n"
        "from deadpan.serving.predictor import Predictor\n"
        "def said(make):\n"
        "    try:\n"
        "        make()\n"
        "    except DeadpanError as error:\n"
        "        print(error)\n"
        "for threads in (1.5, '2'):\n"
        f"    said(lambda: Predictor({str(file)!r}, threads=threads))\n"
        f"ready = Predictor({str(file)!r})\n"
        "x = np.ones((2, 6))\n"
        "for clips in ([{1: x}], [{}, None], [x], x, iter([{}]), 'text', None):\n"
        "    said(lambda: ready(clips))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines() == [
        "threads must be a whole number from 1 to 1,024; got 1.5",
        "threads must be a whole number from 1 to 1,024; got '2'",
        "clip 0: unknown modality '1'; known: audio, text, vision",
        "clip 1: got a NoneType, wanted features by modality, as in {'text': array}",
        "clip 0: got a ndarray, wanted features by modality, as in {'text': array}",
        "got a ndarray, wanted a list of clips",
        "got a list_iterator, wanted a list of clips",
        "got a str, wanted a list of clips",
        "got a NoneType, wanted a list of clips",
    ]


def test_bad_files_are_refused(tmp_path):
    file = written(tmp_path / "m.onnx", built(LFDNN))
    with pytest.raises(DeadpanError, match="no such file; give a file written by"):
        Predictor(tmp_path / "none.onnx")
    with pytest.raises(DeadpanError, match="is a directory"):
        Predictor(tmp_path)
    content = file.read_bytes()
    for size in (0, 10, len(content) // 2, len(content) - 10):
        file.write_bytes(content[:size])
        with pytest.raises(DeadpanError, match=r"m.onnx: (damaged|not written)") as refused:
            Predictor(file)
        assert "\n" not in str(refused.value)
    file.write_bytes(content)
    for threads in (0, 10**12):
        with pytest.raises(DeadpanError, match="threads must be a whole number from 1 to 1,024"):
            Predictor(file, threads=threads)
    assert Predictor(file, threads=2).widths == WIDTHS


@pytest.mark.parametrize("facts", ["", "[]", '{"version": 2}'])
def test_a_file_of_others_is_refused(facts, tmp_path):
    import onnx

    file = written(tmp_path / "m.onnx", built(LFDNN))
    other = onnx.load(file)
    onnx.helper.set_model_props(other, {"deadpan": facts} if facts else {})
    onnx.save(other, file)
    with pytest.raises(DeadpanError, match="not written by 'deadpan export'"):
        Predictor(file)


def test_a_missing_runtime_names_its_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DeadpanError, match=r"pip install 'deadpan\[onnx\]'"):
        Predictor(tmp_path / "m.onnx")


def resident(word):
    """kB of a library's code that are in memory."""
    found, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ")[0]:
            inside = word in line and "r-xp" in line
        elif inside and line.startswith("Rss:"):
            found += int(line.split()[1])
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is given back")
def test_the_code_of_a_library_leaves_memory_and_still_runs():
    before = np.linalg.inv(np.eye(3) * 2)
    held = resident("_multiarray_umath")
    assert give_back("_multiarray_umath") >= 1
    assert resident("_multiarray_umath") < held
    assert np.array_equal(np.linalg.inv(np.eye(3) * 2), before)


def test_a_library_that_is_not_there_gives_nothing_back():
    assert give_back("no such library") == 0


def test_elsewhere_than_on_linux_nothing_is_tried(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert give_back("numpy") == 0


FACTS = {
    "an unknown task": {"task": "regresion"},
    "a task of another type": {"task": ["regression"]},
    "labels that are a text": {"labels": "sentiment"},
    "no label": {"labels": []},
    "a label of another type": {"labels": [1]},
    "more labels than outputs": {"labels": ["a", "b"]},
    "other outputs": {"outputs": 2},
    "outputs of another type": {"outputs": "1"},
    "bins of classes": {"task": "classes", "labels": ["a"], "bins": [[0, 1]]},
    "bins of another type": {"bins": "25"},
    "bins of two labels": {"bins": [[0, 1], [0, 1]]},
    "bins that fall": {"bins": [[1, 0]]},
    "a bin that is no number": {"bins": [[0, float("nan")]]},
    "more bins than outputs": {"bins": [[0, 1]]},
    "no widths": {"widths": {}},
    "widths of another type": {"widths": [6, 4, 5]},
    "a width of another type": {"widths": {**WIDTHS, "text": 6.0}},
    "a width of 0": {"widths": {**WIDTHS, "text": 0}},
    "another width": {"widths": {**WIDTHS, "text": 7}},
    "a modality less": {"widths": {"text": 6}},
    "a modality more": {"widths": {**WIDTHS, "smell": 2}},
    "medians of a modality that it lacks": {"median_of_group_first": ["smell"]},
    "medians of another type": {"median_of_group_first": None},
}


@pytest.fixture(scope="module")
def graph():
    """The ONNX file of a model, to be edited."""
    import onnx

    model = built(LFDNN)
    return onnx.load_from_string(onnx_bytes(model, UNSCALED, facts_of(model)))


def edited(graph, path, **changes):
    """A copy of a graph's file, and of its description with these changes."""
    import onnx

    other = onnx.ModelProto()
    other.CopyFrom(graph)
    facts = json.loads({entry.key: entry.value for entry in graph.metadata_props}["deadpan"])
    onnx.helper.set_model_props(other, {"deadpan": json.dumps({**facts, **changes})})
    onnx.save(other, path)
    return path


@pytest.mark.parametrize("changes", FACTS.values(), ids=FACTS)
def test_a_description_that_is_not_of_its_graph_is_refused(graph, tmp_path, changes):
    with pytest.raises(
        DeadpanError, match=r"m.onnx: damaged or not an ONNX file \(its "
    ) as refused:
        Predictor(edited(graph, tmp_path / "m.onnx", **changes))
    assert "\n" not in str(refused.value)


def test_a_description_nested_beyond_every_stack_is_refused(graph, tmp_path):
    import onnx

    other = onnx.ModelProto()
    other.CopyFrom(graph)
    onnx.helper.set_model_props(other, {"deadpan": "[" * 100_000})
    onnx.save(other, tmp_path / "m.onnx")
    with pytest.raises(DeadpanError, match="not written by 'deadpan export'"):
        Predictor(tmp_path / "m.onnx")


def test_a_prediction_that_fails_is_not_called_a_damaged_file(graph, tmp_path, monkeypatch):
    predictor = Predictor(edited(graph, tmp_path / "m.onnx"))

    class Full:
        def run(self, names, feeds):
            raise RuntimeError("Failed to allocate memory for requested buffer of size 8\nmore")

    monkeypatch.setattr(predictor, "_session", Full())
    clip = {name: np.zeros((1, width)) for name, width in predictor.widths.items()}
    with pytest.raises(DeadpanError) as refused:
        predictor([clip, clip])
    assert str(refused.value) == (
        f"{tmp_path}/m.onnx: the prediction of 2 clips failed (Failed to allocate memory for "
        f"requested buffer of size 8); give fewer or shorter clips, or export the run again"
    )


def test_a_damaged_file_prints_nothing(graph, tmp_path, capfd):
    content = graph.SerializeToString()
    name = graph.graph.node[-1].op_type.encode()  # which the reason of the refusal quotes
    assert content.count(name)
    (tmp_path / "m.onnx").write_bytes(content.replace(name, b"\xff" * len(name)))
    with pytest.raises(DeadpanError, match="damaged or not an ONNX file"):
        Predictor(tmp_path / "m.onnx")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("count", [0, 2])
def test_a_graph_with_another_number_of_outputs_is_refused_when_it_predicts(graph, tmp_path, count):
    from onnx import helper, numpy_helper

    other = type(graph)()
    other.CopyFrom(graph)
    # Its prediction, sliced or doubled: no shape is declared that could be checked before.
    end = other.graph.node[-1]
    end.output[0] = "one"
    indices = numpy_helper.from_array(np.zeros(count, np.int64), "indices")
    other.graph.initializer.append(indices)
    other.graph.node.append(helper.make_node("Gather", ["one", "indices"], ["prediction"], axis=1))
    other.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "outputs"
    file = Predictor(edited(other, tmp_path / "m.onnx"))
    with pytest.raises(DeadpanError, match=r"its prediction is \(1, \d\), wanted \(1, 1\)"):
        file([{"text": np.ones((2, 6))}])
