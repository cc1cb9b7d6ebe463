"""Every model of the registry is exported with parity, or refused."""

import numpy as np
import pytest
import torch

from deadpan.errors import DeadpanError
from deadpan.exporting.onnx_file import GRAPHS
from deadpan.models import HCTMG, MODELS
from deadpan.models.aligned import AlignedModel
from deadpan.models.base import hyperparameters
from tests.contracts.small import SIZES, VARIANTS, WIDTHS, name_of

from .exported import NORMALIZER, built, outputs_of, predictor, ragged, scaled

TAKEN = [
    (kind, options)
    for kind, options in VARIANTS
    if kind in GRAPHS and options.get("gate_per") != "clip"
]
each_choice = pytest.mark.parametrize(("kind", "options"), TAKEN, ids=name_of)
close = {"rtol": 0, "atol": 1e-5}


def test_a_model_has_a_graph_or_is_refused():
    # Those that read clips one by one, each modality at its own length.
    for name, kind in MODELS.items():
        assert (kind in GRAPHS) != (kind.context or issubclass(kind, AlignedModel)), name
    refused = set(MODELS.values()) - set(GRAPHS)
    names = "CIA EFLSTM GraphMFN MARN MCTN MFN RAVEN RMFN"
    assert {kind.__name__ for kind in refused} == set(names.split())


@each_choice
def test_a_file_says_what_its_model_says(kind, options, tmp_path):
    model = built(kind, outputs=2, **options)
    clips = ragged(200)
    assert {} in clips  # one clip lacks all
    file = predictor(tmp_path / "m.onnx", model, NORMALIZER, task="classes", labels=["a", "b"])
    np.testing.assert_allclose(file(clips).outputs, outputs_of(model, clips, NORMALIZER), **close)


@pytest.mark.parametrize("kind", GRAPHS, ids=name_of)
@pytest.mark.parametrize("names", [("text",), ("vision",), ("audio", "vision")])
def test_so_it_does_of_one_modality_and_of_two(kind, names, tmp_path):
    widths = {name: WIDTHS[name] for name in names}
    model, clips = built(kind, widths=widths), ragged(40, widths=widths)
    file = predictor(tmp_path / "m.onnx", model, NORMALIZER)
    np.testing.assert_allclose(file(clips).outputs, outputs_of(model, clips, NORMALIZER), **close)


@pytest.mark.parametrize("turn", range(3))
@pytest.mark.parametrize("sharing", ["roles", "pairs"])
def test_the_gate_may_have_chosen_any_modality(turn, sharing, tmp_path):
    model, clips = built(HCTMG, sharing=sharing, width=9, heads=3), ragged(20)
    model.gate.logits.data[turn] = 2.0
    file = predictor(tmp_path / "m.onnx", model, NORMALIZER)
    np.testing.assert_allclose(file(clips).outputs, outputs_of(model, clips, NORMALIZER), **close)


def test_what_no_graph_computes_is_refused(tmp_path):
    message = "gate_per clip has no ONNX graph; export a run with gate_per "
    with pytest.raises(DeadpanError, match=message):
        predictor(tmp_path / "m.onnx", built(HCTMG, gate_per="clip"))


@pytest.mark.parametrize("kind", GRAPHS, ids=name_of)
def test_layers_of_an_encoder_are_summed_in_the_file(kind, tmp_path):
    sizes = {name: x for name, x in SIZES.items() if name in hyperparameters(kind)}
    model = kind.mixing({"text": 2, "audio": 4}, widths=WIDTHS, outputs=1, **sizes).eval()
    with torch.no_grad():
        for mix in model.layer_mixes.values():
            mix.logits.normal_()
    clips = ragged(40)
    file = predictor(tmp_path / "m.onnx", model, NORMALIZER)
    np.testing.assert_allclose(file(clips).outputs, outputs_of(model, clips, NORMALIZER), **close)


def test_scaled_clips_reach_the_limit():
    # Else the tests above would not see whether the graph cuts.
    values = np.concatenate([scaled(c, NORMALIZER)["audio"] for c in ragged(50) if "audio" in c])
    assert 0.02 < (np.abs(values) == 5).mean() < 0.5
