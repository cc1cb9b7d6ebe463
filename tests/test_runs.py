import dataclasses
import sys
import types

import numpy as np
import pytest
from jaxtyping import config

import deadpan
from deadpan.errors import DeadpanError
from deadpan.show import notebook
from tests.training.tiny import DATA, SETTINGS, StopAt, Stopped


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    trained = deadpan.train("controlled", out=out, **{**SETTINGS, "data_options": MORE})
    with pytest.raises(DeadpanError, match=r"its test split is closed; run.evaluate\(\) opens it"):
        trained.scores  # noqa: B018
    with pytest.raises(DeadpanError, match="its test split is closed"):
        trained.predictions()
    trained.evaluate()
    return trained


@pytest.fixture
def _types_unchecked():
    """For arguments of wrong types: outside of tests nothing checks them before our own code."""
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", before)


MORE = {**DATA, "clips": 120}


@pytest.fixture(scope="module")
def clips():
    return deadpan.load("controlled", **MORE)["test"]


def test_a_run_is_one_object(run):
    assert isinstance(run, deadpan.Run)
    assert repr(run) == f"<Run {str(run.path)!r}: HCTMG on controlled, finished>"
    again = deadpan.load_run(str(run.path))
    assert (again.settings, again.finished) == (run.settings, True)
    assert run.epochs.valid_loss.shape == (3,)
    assert run.gate.weights.shape[1] == 3
    assert run.scores.of("HCTMG").keys() == {column.key for column in run.scores.columns}
    with pytest.raises(DeadpanError, match="unknown system 'HCT'; did you mean 'HCTMG'"):
        run.scores.of("HCT")
    assert not run.model.training
    assert deadpan.evaluate(run)["clips"] == len(run.predictions())  # as its directory


def test_predictions_are_those_of_the_files_for_every_form_of_clips(run, clips):
    of_test = run.predictions()
    forms = [
        run.predict(clips),
        run.predict([dict(clip.sequences) for clip in clips]),
        run.predict([{m: x.tolist() for m, x in clip.sequences.items()} for clip in clips]),
    ]
    for predictions in forms:
        np.testing.assert_allclose(predictions.predicted, of_test.predicted, rtol=0, atol=1e-5)
        np.testing.assert_allclose(
            predictions.intervals["low"], of_test.intervals["low"], rtol=0, atol=1e-5
        )
        assert predictions.splits == ()
    assert forms[0].ids == of_test.ids
    np.testing.assert_allclose(forms[0].truth, of_test.truth)
    assert np.isnan(forms[1].truth).all()
    dataset = deadpan.load("controlled", **MORE)
    for source, options in ((dataset, {}), ("controlled", MORE)):
        everything = run.predict(source, **options)
        assert len(everything) == 120
        rows = [i for i, split in enumerate(everything.splits) if split == "test"]
        np.testing.assert_allclose(everything.predicted[rows], of_test.predicted, atol=1e-5)


@pytest.mark.usefixtures("_types_unchecked")
def test_the_validation_split_needs_no_test_split(run):
    valid = run.predictions("valid")
    assert len(valid) == len(deadpan.load("controlled", **MORE)["valid"])
    error = np.abs(valid.predicted - valid.truth).mean()
    assert error == pytest.approx(run.epochs.valid_loss.min(), rel=1e-5)
    with pytest.raises(DeadpanError, match="unknown split 'dev'"):
        run.predictions("dev")


def test_a_clip_may_lack_modalities_but_not_all(run, clips):
    (clip, *_) = clips
    some = run.predict([{"audio": clip.sequences["audio"], "text": []}])
    assert np.isfinite(some.predicted).all()
    message = r"clip 1: has no step of text, audio, vision, .*; give it one of these"
    with pytest.raises(DeadpanError, match=message):
        run.predict([dict(clip.sequences), {}])
    other = dataclasses.replace(clip, sequences={"depth": clip.sequences["text"]})
    with pytest.raises(DeadpanError, match="clip 0: has no step of text"):
        run.predict([other])


def with_nan(clip):
    x = clip.sequences["audio"].copy()
    x[0, 0] = np.nan
    return dataclasses.replace(clip, sequences={**clip.sequences, "audio": x})


@pytest.mark.usefixtures("_types_unchecked")
def test_clips_that_cannot_be_read_are_refused(run, clips):
    (clip, *_) = clips
    refused = [
        ([], "got no clips, wanted at least one"),
        (clip, r"got one clip, wanted a list of clips; put it into \[ \]"),
        (dict(clip.sequences), "got one clip"),
        (7, "got a int, wanted a list of clips, a data set, or its name or path"),
        ([7], "clip 0: got a int, wanted features by modality"),
        ([{"txet": [[0.0]]}], "clip 0: unknown modality 'txet'; did you mean 'text'"),
        ([{"text": np.zeros((4, 3))}], r"text has shape \[4, 3\], wanted \[steps, 8\]"),
        ([{"text": "words"}], "clip 0: text does not hold numbers"),
        ([clip, with_nan(clip)], "clip 1: audio holds NaN or infinity; set such values to 0"),
    ]
    for value, message in refused:
        with pytest.raises(DeadpanError, match=message):
            run.predict(value)
    dataset = deadpan.load("controlled", **MORE)
    broken = dataclasses.replace(dataset, splits={"test": [with_nan(clip)]})
    with pytest.raises(DeadpanError, match=f"clip '{clip.id}': audio holds NaN or infinity"):
        run.predict(broken)
    with pytest.raises(DeadpanError, match="got carrier, which are options of a data set's name"):
        run.predict(clips, carrier="audio")


@pytest.mark.usefixtures("_types_unchecked")
def test_a_clip_is_explained_by_its_id_or_itself(run, clips, tmp_path):
    explanation = run.explain(clips[0], out=tmp_path / "page")
    assert explanation.values.clip.id == clips[0].id
    assert explanation.path.parent == tmp_path / "page"
    assert explanation._repr_html_().startswith('<iframe srcdoc="&lt;!')
    with pytest.raises(DeadpanError, match="got a dict, wanted a clip of the run's data or its id"):
        run.explain(dict(clips[0].sequences))
    with pytest.raises(DeadpanError, match="clip 'nobody'"):
        run.explain("nobody")


def test_curves_are_a_figure_that_a_notebook_shows(run, tmp_path):
    figure = run.plot()
    figure.savefig(tmp_path / "curves.pdf")
    labels = [axes.get_xlabel() for axes in figure.get_axes()]
    assert labels == ["epoch", "", "epoch"]
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_card_holds_facts_scores_and_losses_and_escapes_what_is_named(run, tmp_path):
    card = run._repr_html_()
    for part in ("HCT-MG on controlled", "3 epochs", "ridge on deviations", "<svg", "Acc-7"):
        assert part in card
    out = tmp_path / "<b>bold"
    stopped = {**SETTINGS, "model": "LFDNN", "model_options": {"hidden": 4}}
    with pytest.raises(Stopped):
        deadpan.train("controlled", out=out, watch=StopAt(epoch=1), **stopped)
    started = deadpan.load_run(out)
    assert (started.finished, started.gate, len(started.epochs.epochs)) == (False, None, 1)
    card = started._repr_html_()
    assert "&lt;b&gt;bold" in card
    assert "not finished" in card
    assert "<b>bold" not in card
    assert len(started.plot().get_axes()) == 1
    with pytest.raises(DeadpanError, match="training has not finished; go on with"):
        started.predictions("valid")


def test_before_the_first_epoch_a_card_says_what_it_is(tmp_path):
    with pytest.raises(Stopped):
        deadpan.train("controlled", out=tmp_path / "run", watch=StopAt(step=1), **SETTINGS)
    card = deadpan.load_run(tmp_path / "run")._repr_html_()
    assert "HCT-MG on controlled" in card
    assert "<svg" not in card


def test_no_run_is_refused(tmp_path):
    with pytest.raises(DeadpanError, match=r"no run here \(does not exist\)"):
        deadpan.load_run(tmp_path / "none")


class Frame(dict):
    """Stands for pandas's: columns by name, all as long."""

    def __init__(self, columns):
        super().__init__(columns)
        assert len({len(column) for column in columns.values()}) == 1


def test_each_table_is_a_data_frame_in_one_line(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", types.SimpleNamespace(DataFrame=Frame))
    predictions = run.predictions().to_pandas()
    assert [*predictions][:4] == ["id", "group", "words", "kind"]
    assert [*predictions][4:6] == ["label_sentiment", "prediction_sentiment"]
    assert {"low_sentiment", "high_sentiment"} < predictions.keys()
    assert predictions["prediction_sentiment"] == run.predictions().predicted[:, 0].tolist()
    everything = run.predict("controlled", **MORE).to_pandas()
    assert [*everything][0] == "split"
    unlabelled = run.predict([{"text": np.zeros((2, 8))}]).to_pandas()
    assert "label_sentiment" not in unlabelled
    assert run.epochs.to_pandas()["valid_loss"].tolist() == run.epochs.valid_loss.tolist()
    assert "valid_corr" in run.epochs.to_pandas()
    assert [*run.gate.to_pandas()] == ["step", "epoch", "text", "audio", "vision"]
    assert run.scores.to_pandas()["system"][-1] == "HCTMG"


def test_without_pandas_a_data_frame_says_what_to_install(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(DeadpanError, match="a data frame needs pandas: pip install pandas"):
        run.epochs.to_pandas()


class ZMQInteractiveShell:
    """Stands for IPython's, by whose name a notebook is known."""


def test_in_a_notebook_a_bar_shows_the_training(tmp_path, monkeypatch):
    drawn = []
    area = types.SimpleNamespace(update=drawn.append)

    def display(content, *, display_id):
        drawn.append(content)
        return area

    shell = types.SimpleNamespace(get_ipython=ZMQInteractiveShell)
    monkeypatch.setitem(sys.modules, "IPython", shell)
    page = types.SimpleNamespace(HTML=str, display=display)
    monkeypatch.setitem(sys.modules, "IPython.display", page)
    deadpan.train("controlled", out=tmp_path / "run", **SETTINGS)
    assert len(drawn) == 3 * (3 + 1)  # the steps of each epoch, and its end
    assert drawn[0].startswith('<progress value="0.333" max="3"></progress> epoch 1/3')
    assert drawn[-1].startswith('<progress value="3.000" max="3"></progress> epoch 3/3 train ')


def test_of_many_steps_a_notebook_shows_some(monkeypatch):
    drawn = []
    monkeypatch.setattr(notebook.NotebookBar, "_draw", lambda self, *line: drawn.append(line))
    bar = notebook.NotebookBar(1)
    for step in range(1, 1001):
        bar.step(1, step, 1000, 0.5)
    assert len(drawn) == notebook.STEPS
    assert drawn[-1] == (1.0, "epoch 1/1")


@pytest.mark.parametrize("shell", [None, types.SimpleNamespace(get_ipython=lambda: None)])
def test_elsewhere_there_is_no_bar(shell, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", shell)
    assert not notebook.in_notebook()
