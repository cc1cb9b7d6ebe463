import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from deadpan.exporting.onnx_file import OPSET, onnx_bytes
from deadpan.exporting.run import deviations, onnx_predict
from deadpan.models import HCTMG, LMF, MulT

from .exported import (
    NORMALIZER,
    UNSCALED,
    built,
    facts_of,
    outputs_of,
    predictor,
    ragged,
    written,
)

MOSI = {"text": 300, "audio": 5, "vision": 20}


@pytest.fixture(scope="module")
def preset():
    """HCT-MG at MOSI's sizes, as it starts."""
    torch.manual_seed(0)
    return HCTMG(widths=MOSI, outputs=1).eval()


def test_inputs_and_outputs_are_named_and_any_size(tmp_path):
    file = onnx.load(written(tmp_path / "m.onnx", built(LMF, outputs=3)))
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*file.graph.input, *file.graph.output)
    }
    assert shapes == {
        "features.text": ["clips", "text_steps", 6],
        "mask.text": ["clips", "text_steps"],
        "features.audio": ["clips", "audio_steps", 4],
        "mask.audio": ["clips", "audio_steps"],
        "features.vision": ["clips", "vision_steps", 3],
        "mask.vision": ["clips", "vision_steps"],
        "prediction": ["clips", 3],
    }
    assert {(o.domain, o.version) for o in file.opset_import} == {("", OPSET), ("com.microsoft", 1)}
    assert file.producer_name == "deadpan"
    facts = json.loads(file.metadata_props[0].value)
    assert (facts["task"], facts["opset"]) == ("regression", OPSET)
    assert facts["inputs"] | facts["output"] == shapes


@pytest.mark.parametrize("kind", [HCTMG, MulT, LMF])
@pytest.mark.parametrize("garbage", [np.nan, np.inf, 1e30])
def test_what_stands_in_padding_never_matters(kind, garbage):
    model, (clip,) = built(kind), ragged(1, lack=0)
    content = onnx_bytes(model, NORMALIZER, facts_of(model))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    feeds = {}
    for name, x in clip.items():
        dirty = np.full((2, len(x) + 3, x.shape[1]), garbage, np.float32)
        dirty[0, : len(x)] = x
        feeds[f"features.{name}"] = dirty
        feeds[f"mask.{name}"] = np.zeros(dirty.shape[:2], bool)
        feeds[f"mask.{name}"][0, : len(x)] = True
    wanted = outputs_of(model, [clip, {}], NORMALIZER)
    np.testing.assert_allclose(session.run(None, feeds)[0], wanted, rtol=0, atol=1e-5)


def test_the_preset_is_small(preset):
    full, small = (
        onnx_bytes(preset, UNSCALED, facts_of(preset), int8=int8) for int8 in (False, True)
    )
    assert len(full) < 2.5e6
    assert len(small) < 0.8e6
    for content, allowed in ((full, 1e-5), (small, 0.05)):
        differs, meant = deviations(onnx_predict(content), preset, preset.widths, UNSCALED)
        assert differs.max() < allowed
        assert meant.std() > 0.05


def test_long_clips_too(preset, tmp_path):
    random = np.random.default_rng(0)
    steps = {"text": 50, "audio": 375, "vision": 500}
    clip = {m: random.normal(size=(n, preset.widths[m])).astype("f") for m, n in steps.items()}
    got = predictor(tmp_path / "m.onnx", preset)([clip]).outputs
    np.testing.assert_allclose(got, outputs_of(preset, [clip]), rtol=0, atol=1e-5)


def test_a_wrong_graph_is_noticed(preset):
    """The self-check of the command has teeth."""
    torch.manual_seed(1)
    other = HCTMG(widths=MOSI, outputs=1).eval()
    content = onnx_bytes(other, UNSCALED, facts_of(other))
    differs, _ = deviations(onnx_predict(content), preset, preset.widths, UNSCALED)
    assert differs.max() > 1e-2
