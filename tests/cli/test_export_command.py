import re

import numpy as np

from deadpan.serving.predictor import Predictor


def test_export_says_where_how_large_and_how_near(deadpan, trained, tmp_path):
    file = tmp_path / "m.onnx"
    status, out, err = deadpan("export", trained, "--out", file)
    assert (status, err) == (0, "")
    assert re.fullmatch(
        re.escape(f"{file}: ")
        + r"0\.\d\d MB\non random clips it differs from the model by at most \d\.\de-\d\d\n",
        out,
    )
    predictor = Predictor(file)
    width = predictor.widths["text"]
    assert predictor([{"text": np.ones((4, width))}]).decisions.shape == (1, 1)


def test_int8_tells_what_it_costs(deadpan, trained, tmp_path):
    status, out, _ = deadpan("export", trained, "--int8", "--out", tmp_path / "m.onnx")
    assert status == 0
    assert "outputs having a standard deviation of" in out


def test_a_program_of_torch(deadpan, trained, tmp_path):
    status, out, _ = deadpan("export", trained, "--format", "torch", "--out", tmp_path / "m.pt2")
    assert status == 0
    assert out.startswith(f"{tmp_path / 'm.pt2'}: ")


def test_what_is_refused(refused, trained, tmp_path):
    assert "no run here" in refused("export", tmp_path / "none")
    taken = tmp_path / "taken"
    taken.write_text("mine")
    assert refused("export", trained, "--out", taken).endswith(
        "exists already; remove it, or choose another --out"
    )
    assert taken.read_text() == "mine"
    assert "wanted one of" in refused("export", trained, "--format", "tflite")
    assert "int8 weights are for ONNX" in refused("export", trained, "--format", "torch", "--int8")
    assert "needs RUN" in refused("export")
