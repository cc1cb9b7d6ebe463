import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import deadpan
from deadpan import api
from deadpan.analysis.attention import Method
from deadpan.errors import DeadpanError
from deadpan.training.settings import Settings

TINY = {
    "data_options": {"clips": 12, "text_width": 4, "audio_width": 4, "vision_width": 4},
    "model_options": {"width": 4, "heads": 2, "layers": 1, "head_blocks": 1},
    "epochs": 1,
    "batch_size": 4,
}


def test_every_promised_name_is_there():
    assert set(deadpan.__all__) == set(dir(deadpan))


@pytest.mark.parametrize("name", sorted(set(deadpan.__all__) - {"load", "DeadpanError", "Run"}))
def test_a_function_of_the_package_is_that_of_the_api(name):
    # A subpackage of the same name would hide the function as soon as it is imported.
    assert getattr(deadpan, name) is getattr(api, name)
    assert not (Path(deadpan.__file__).parent / name).is_dir()


def test_what_a_user_can_mend_has_a_public_name():
    with pytest.raises(deadpan.DeadpanError, match="unknown model 'HCTM'"):
        deadpan.train("controlled", model="HCTM")


def test_methods_of_salience_are_those_of_the_analysis():
    hint = inspect.signature(api.explain).parameters["method"].annotation
    assert hint == Method


def test_another_name_is_refused_with_the_known():
    with pytest.raises(AttributeError, match="no attribute 'trian'; it has .*, train"):
        deadpan.trian  # noqa: B018


def test_importing_the_package_is_free():
    code = "import sys, deadpan.api; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_train_evaluate_predict_and_report_in_a_line_each(tmp_path):
    run = deadpan.train("controlled", out=tmp_path / "run", **TINY)
    assert run.path == tmp_path / "run"
    assert len(deadpan.evaluate(run.path)["rows"]) == 4
    assert len(deadpan.predict(str(run.path), "controlled", **TINY["data_options"])) == 12
    page = deadpan.report(str(run.path))
    assert page == run.path / "report.html"
    assert "HCT-MG" in page.read_text(encoding="utf-8")


def test_paths_may_begin_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    run = deadpan.train("controlled", out="~/run", **TINY)
    assert run.path == tmp_path / "run"
    assert len(deadpan.evaluate("~/run")["rows"]) == 4
    assert len(deadpan.predict("~/run", "controlled", **TINY["data_options"])) == 12
    assert deadpan.report("~/run") == tmp_path / "run" / "report.html"


def test_a_run_without_a_name_is_called_after_what_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = deadpan.train("controlled", seed=3, **TINY)
    assert run.path.resolve() == tmp_path / "runs" / "controlled-HCTMG-3"
    assert api.default_run(Settings(data="a/b.pkl")).name == "b-HCTMG-0"


def test_data_must_be_named():
    with pytest.raises(DeadpanError, match="names no data"):
        deadpan.train()
    with pytest.raises(DeadpanError, match="names no data"):
        deadpan.train(resume=True)


def test_an_unknown_setting_is_answered_with_the_nearest(tmp_path):
    for make in (deadpan.demo, lambda out, **o: deadpan.train("controlled", out=out, **o)):
        with pytest.raises(DeadpanError, match="did you mean 'epochs'"):
            make(tmp_path / "run", epoch=1)
    assert list(tmp_path.iterdir()) == []


def test_the_demo_trains_scores_and_reports_and_is_not_repeated(tmp_path):
    run = deadpan.demo(tmp_path / "demo", **TINY)
    for name in ("model.safetensors", "scores.json", "report.html"):
        assert (run.path / name).is_file()
    before = (run.path / "scores.json").read_bytes(), run.files.weights_file.stat().st_mtime_ns
    again = deadpan.demo(tmp_path / "demo", **TINY)
    files = again.files
    assert (files.scores_file.read_bytes(), files.weights_file.stat().st_mtime_ns) == before


def test_an_interrupted_demo_goes_on(tmp_path):
    class Stop:
        def step(self, epoch, step, steps, loss):
            pass

        def epoch(self, row):
            raise KeyboardInterrupt

    settings = {**TINY, "epochs": 2}
    with pytest.raises(KeyboardInterrupt):
        deadpan.demo(tmp_path / "demo", watch=Stop(), **settings)
    run = deadpan.demo(tmp_path / "demo", **settings)
    assert (run.path / "report.html").is_file()


def test_models_are_listed_with_paper_and_the_sizes_of_the_paper():
    (model,) = [model for model in deadpan.list_models() if model["name"] == "HCTMG"]
    assert model["title"] == "HCT-MG"
    assert model["paper"].startswith("Wang et al. 2023")
    assert model["parameters"] == {"MOSI": 540_684, "MOSEI": 779_644, "IEMOCAP": 545_171}


def test_inspect_and_load_take_the_options_of_the_data():
    options = TINY["data_options"]
    assert len(deadpan.load("controlled", **options)["train"]) == 7
    assert isinstance(deadpan.inspect("controlled", **options), dict)
