"""Every model of the registry is exported with parity, or says why it cannot be."""

import importlib.util

import numpy as np
import onnx
import pytest
import torch
from jaxtyping import config

from deadpan.errors import DeadpanError
from deadpan.exporting.onnx_file import GRAPHS, has_graph
from deadpan.exporting.run import step_limits
from deadpan.exporting.traced import store_as_int8
from deadpan.layers.pooling import mean_step
from deadpan.layers.recurrent import MaskedGRU
from deadpan.models import HCTMG, MODELS, Model
from deadpan.models.base import hyperparameters
from deadpan.serving.predictor import Predictor
from deadpan.types import Output
from tests.conftest import skip_or_fail
from tests.contracts.small import SIZES, VARIANTS, WIDTHS, name_of

from .exported import NORMALIZER, built, outputs_of, predictor, ragged, scaled

TAKEN = [
    (kind, options)
    for kind, options in VARIANTS
    if kind in GRAPHS and options.get("gate_per") != "clip"
]
each_choice = pytest.mark.parametrize(("kind", "options"), TAKEN, ids=name_of)
close = {"rtol": 0, "atol": 1e-5}


FOLLOWED = [kind for kind in MODELS.values() if kind not in GRAPHS and not kind.context]
"""Models that torch's exporter follows."""


@pytest.fixture
def follower():
    """For torch's exporter: it needs a package, and sizes that no check of shapes knows."""
    if importlib.util.find_spec("onnxscript") is None:
        skip_or_fail("needs onnxscript; run: pip install 'deadpan[export]'")
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", before)


def test_a_model_has_a_graph_or_is_followed_or_says_why_not(tmp_path):
    names = "EFLSTM GraphMFN MARN MCTN MFN RAVEN RMFN"
    assert {kind.__name__ for kind in FOLLOWED} == set(names.split())
    (refused,) = set(MODELS.values()) - set(GRAPHS) - set(FOLLOWED)
    with pytest.raises(DeadpanError, match="CIA cannot be exported: .* the other clips of its vid"):
        predictor(tmp_path / "m.onnx", built(refused))


def readable(model, clips):
    """The same clips, cut to what a model can read."""
    aligned, longest = step_limits(model)
    if aligned:
        most = [min([len(x) for x in clip.values()], default=0) for clip in clips]
        return [{m: x[:n] for m, x in clip.items()} for clip, n in zip(clips, most, strict=True)]
    return [{m: x[: longest.get(m)] for m, x in clip.items()} for clip in clips]


@pytest.mark.usefixtures("follower")
@pytest.mark.parametrize(
    ("kind", "options"),
    [*((kind, {}) for kind in FOLLOWED), (FOLLOWED[0], {"ctc": True, "pooling": "attention"})],
    ids=name_of,
)
def test_a_file_of_a_model_that_is_followed_says_what_its_model_says(kind, options, tmp_path):
    widths = {name: WIDTHS[name] for name in ("text", "audio")}  # each takes the exporter seconds
    model = built(kind, widths=widths, outputs=2, **options)
    clips = readable(model, ragged(200, widths=widths))
    assert {} in clips
    aligned, longest = step_limits(model)
    facts = {"task": "classes", "labels": ["a", "b"]}
    facts |= {"aligned": aligned, "longest": longest}
    file = predictor(tmp_path / "m.onnx", model, NORMALIZER, **facts)
    np.testing.assert_allclose(file(clips).outputs, outputs_of(model, clips, NORMALIZER), **close)
    text = np.zeros((7, WIDTHS["text"]))
    if aligned:
        with pytest.raises(DeadpanError, match=r"clip 1: .* \(text 7, audio 3\), but the model"):
            file([{}, {"text": text, "audio": np.zeros((3, WIDTHS["audio"]))}])
    else:
        with pytest.raises(DeadpanError, match="clip 0: has 7 steps of text, but the model"):
            file([{"text": text}])


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


class Own(Model):
    """Somebody's own: bidirectional GRUs of ours, and a head of the mean steps."""

    def __init__(self, *, widths, outputs):
        super().__init__(widths=widths, outputs=outputs)
        self.readers = torch.nn.ModuleDict(
            {name: MaskedGRU(n, 4, bidirectional=True) for name, n in self.widths.items()}
        )
        self.head = torch.nn.Linear(4 * len(widths), outputs)

    def forward(self, batch):
        steps = {m: (self.readers[m](x, mask), mask) for m, (x, mask) in self.inputs(batch).items()}
        return Output(
            prediction=self.head(torch.cat([mean_step(*each) for each in steps.values()], dim=1))
        )


@pytest.mark.usefixtures("follower")
def test_so_is_a_model_of_your_own_also_with_layers_of_an_encoder(tmp_path, monkeypatch):
    monkeypatch.setattr("deadpan.exporting.traced.QUANTIZED_FROM", 16)
    widths = {"text": 6, "audio": 4}
    model = Own.mixing({"text": 2}, widths=widths, outputs=1).eval()
    clips = ragged(40, widths=widths)
    path, wanted = tmp_path / "m.onnx", outputs_of(model, clips, NORMALIZER)
    assert np.abs(predictor(path, model, NORMALIZER)(clips).outputs - wanted).max() < 1e-5
    file = onnx.load(path)
    store_as_int8(file.graph)
    assert onnx.TensorProto.INT8 in {x.data_type for x in file.graph.initializer}
    onnx.save(file, path)
    assert 1e-5 < np.abs(Predictor(path)(clips).outputs - wanted).max() < 0.05


class Unrolled(Own):
    """Branches on a value, which no exporter can follow."""

    def forward(self, batch):
        output = super().forward(batch).prediction
        return Output(prediction=output if output.sum() > 0 else -output)


@pytest.mark.usefixtures("follower")
def test_what_cannot_be_followed_says_what_to_do(tmp_path):
    message = "Unrolled cannot be exported: torch's exporter cannot follow it .*; let no number of"
    with pytest.raises(DeadpanError, match=message):
        predictor(tmp_path / "m.onnx", Unrolled(widths={"text": 6}, outputs=1).eval())


def test_without_the_package_its_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("deadpan.exporting.traced.CAN_EXPORT", True)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DeadpanError, match=r"needs onnxscript: pip install 'deadpan\[export\]'"):
        predictor(tmp_path / "m.onnx", built(FOLLOWED[0]))


def test_a_torch_that_cannot_export_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("deadpan.exporting.traced.CAN_EXPORT", False)
    with pytest.raises(DeadpanError, match=r"EF-LSTM needs torch 2\.7 or newer; got \d"):
        predictor(tmp_path / "m.onnx", built(FOLLOWED[0]))


def test_a_gate_of_each_clip_is_not_written_as_a_constant():
    # The exporter follows it, to within 3e-7 of the model, but takes minutes.
    assert has_graph(built(HCTMG))
    assert has_graph(built(HCTMG, gate="even"))
    assert not has_graph(built(HCTMG, gate_per="clip"))


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
