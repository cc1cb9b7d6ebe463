"""Each model whose official code runs, beside ours, and how their parameters are ours."""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import torch
from comparer import Case, Tensors
from repositories import importable, python_2
from torch import Tensor, nn

from deadpan.catalogue import PRESETS
from deadpan.layers.ctc import CTCAligner
from deadpan.layers.subnets import LSTMSubnet
from deadpan.layers.transformer import Encoder, sinusoidal_positions
from deadpan.models import EFLSTM, LFDNN, LMF, MFN, RAVEN, TFN, Model, MulT
from deadpan.models.graph_mfn import FusionGraph
from deadpan.types import AUDIO, TEXT, VISION, Batch, Modality

Weights = dict[str, Callable[[Tensors], Tensor]]
WIDTHS: dict[Modality, int] = {TEXT: 12, AUDIO: 7, VISION: 5}
CLIPS, STEPS = 3, 9
UNALIGNED: dict[Modality, int] = {TEXT: 12, AUDIO: 30, VISION: 19}
BATCH_NORM = "their batch normalization is taken out; ours has none"
MMSA = ["MMSA", "MMSA.models", "MMSA.models.singleTask", "MMSA.models.subNets"]


def mult_cases(folder: Path) -> list[Case]:
    """MulT's encoders, the whole of MulT at MOSI's widths, and the CTC front end."""
    with importable(folder):
        from modules.transformer import TransformerEncoder
        from src.ctc import CTCModule
        from src.models import MULTModel
    rates = ("attn", "relu", "res", "embed")
    off = {f"{rate}_dropout": 0.0 for rate in rates}

    def encoder(crossmodal: bool) -> Case:
        theirs = TransformerEncoder(embed_dim=30, num_heads=5, layers=5, attn_mask=True, **off)
        lengths = UNALIGNED if crossmodal else {TEXT: UNALIGNED[TEXT]}
        inputs = random_inputs(dict.fromkeys(lengths, 30), lengths)
        source = inputs.get(AUDIO)

        def run_theirs(x: Tensors) -> Tensor:
            target, *others = (x[name].transpose(0, 1) for name in x)
            return theirs(target, *(others[:1] * 2)).transpose(0, 1)

        def run_ours(x: Tensors) -> Tensor:
            mask = {name: torch.ones(y.shape[:2], dtype=torch.bool) for name, y in x.items()}
            other = () if source is None else (x[AUDIO], mask[AUDIO])
            return ours(x[TEXT], mask[TEXT], *other)

        ours = Encoder(30, 5, 5, mask_future=True)
        return Case(
            name="MulT",
            part=f"{'crossmodal' if crossmodal else 'self-attention'} encoder, 5 layers",
            theirs=theirs,
            ours=ours,
            run_theirs=run_theirs,
            run_ours=run_ours,
            inputs={TEXT: inputs[TEXT]} if source is None else {TEXT: inputs[TEXT], AUDIO: source},
            weights=encoder_weights(5, 30),
            spread=0.05,
        )

    def whole(mask_future: bool, exact: bool = False) -> Case:
        widths: dict[Modality, int] = PRESETS["MOSI"]["widths"]
        options = SimpleNamespace(
            **{f"orig_d_{m[0] if m != TEXT else 'l'}": widths[m] for m in widths},
            **dict.fromkeys(("lonly", "aonly", "vonly"), True),
            **off,
            **dict.fromkeys(("attn_dropout_a", "attn_dropout_v", "out_dropout"), 0.0),
            num_heads=5,
            layers=5,
            output_dim=1,
            attn_mask=mask_future,
        )
        theirs = MULTModel(options)
        contiguous_positions(theirs)
        for module in theirs.modules():
            if exact and hasattr(module, "embed_positions"):
                module.embed_positions = _OurPositions(module.embed_dim)

        def run_theirs(x: Tensors) -> Tensor:
            with _nothing_in_float32() if exact else contextlib.nullcontext():
                return theirs(*x.values())[0]

        ours = MulT(widths=widths, outputs=1, mask_future=mask_future)
        return Case(
            name="MulT",
            part=f"whole, MOSI's widths, {'with' if mask_future else 'without'} the offset mask"
            + (", nothing in float32" if exact else ""),
            theirs=theirs,
            ours=ours,
            run_theirs=run_theirs,
            run_ours=lambda x: predict(ours, x),
            inputs=random_inputs(widths, UNALIGNED),
            weights=mult_weights(30, 5, 5),
            spread=0.05,
            note=(
                "their softmax and sinusoids, float32 in any type, are not so here: the other "
                "rows differ in float64 by these"
                if exact
                else ""
            ),
        )

    aligner = CTCModule(WIDTHS[AUDIO], UNALIGNED[TEXT])
    ours = CTCAligner(WIDTHS[AUDIO], UNALIGNED[TEXT])

    def run_ours(x: Tensors) -> Tensor:
        mask = torch.ones(x[AUDIO].shape[:2], dtype=torch.bool)
        return ours(x[AUDIO], mask, torch.full((CLIPS,), UNALIGNED[TEXT]))[0]

    ctc = Case(
        name="CTC",
        part="aligned source",
        theirs=aligner,
        ours=ours,
        run_theirs=lambda x: aligner(x[AUDIO])[0],
        run_ours=run_ours,
        inputs=random_inputs({AUDIO: WIDTHS[AUDIO]}, UNALIGNED),
        weights=same(ours, "lstm", "pred_output_position_inclu_blank"),
        note="the CTC loss itself is torch's; their code calls warp-ctc",
    )
    encoders = [encoder(True), encoder(False)]
    return [*encoders, whole(True), whole(False), whole(True, exact=True), ctc]


@contextlib.contextmanager
def _nothing_in_float32() -> Iterator[None]:
    """A tensor's float() leaves its type alone while the context lasts."""
    before = torch.Tensor.float
    torch.Tensor.float = lambda x: x
    try:
        yield
    finally:
        torch.Tensor.float = before


class _OurPositions(nn.Module):
    """Our sinusoids by the interface of MulT's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        return sinusoidal_positions(x.shape[1], self.width, x)[None]


def initial_deviations(folder: Path, *, seeds: int = 10) -> list[dict[str, Any]]:
    """Deviations of MulT's untrained attention weights, of theirs and of both of ours."""
    with importable(folder):
        from modules.multihead_attention import MultiheadAttention
    rows: list[dict[str, Any]] = []
    for width in (30, 60):
        drawn: dict[str, list[Tensor]] = {"theirs": [], "square": [], "stacked": []}
        for seed in range(seeds):
            torch.manual_seed(seed)
            drawn["theirs"].append(MultiheadAttention(width, 5).in_proj_weight.detach())
            for name in ("square", "stacked"):
                torch.manual_seed(seed)
                model = MulT(widths={TEXT: 4}, outputs=1, width=width, initialization=name)
                attention = model.self_attention[TEXT].layers[0].attention
                parts = (attention.query.weight, attention.key_value.weight)
                drawn[name].append(torch.cat(parts).detach())
        rows.append(
            {"width": width, **{name: float(torch.stack(x).std()) for name, x in drawn.items()}}
        )
    return rows


def mmsa_cases(folder: Path) -> list[Case]:
    """The models of MMSA that ours has too."""
    with importable(folder / "src", MMSA):
        import MMSA.models.subNets as subnets
        from MMSA.models.subNets.FeatureNets import SubNet, TextSubNet

        # Its own __init__ would also import the encoder of BERT, which is not needed.
        vars(subnets).update(SubNet=SubNet, TextSubNet=TextSubNet, BertTextEncoder=None)
        from MMSA.models.singleTask.EF_LSTM import EF_LSTM
        from MMSA.models.singleTask.Graph_MFN import DynamicFusionGraph
        from MMSA.models.singleTask.LF_DNN import LF_DNN
        from MMSA.models.singleTask.LMF import LMF as TheirLMF
        from MMSA.models.singleTask.MFN import MFN as TheirMFN
        from MMSA.models.singleTask.MULT import MULT
        from MMSA.models.singleTask.TFN import TFN as TheirTFN
        from MMSA.models.subNets.transformers_encoder.position_embedding import (
            SinusoidalPositionalEmbedding,
        )
    return [
        _mmsa_mult(MULT, SinusoidalPositionalEmbedding),
        _mmsa_mult(MULT),
        _mfn(TheirMFN),
        _lmf(TheirLMF),
        _tfn(TheirTFN),
        _lf_dnn(LF_DNN),
        _ef_lstm(EF_LSTM),
        _fusion_graph(DynamicFusionGraph),
    ]


def _mmsa_mult(kind: Any, positions: Any = None) -> Case:
    theirs = kind(
        SimpleNamespace(
            use_bert=False,
            train_mode="regression",
            dst_feature_dim_nheads=(30, 5),
            feature_dims=list(WIDTHS.values()),
            nlevels=4,
            attn_mask=True,
            **{f"conv1d_kernel_size_{m}": 1 for m in "lav"},
            **{
                f"{part}_dropout{end}": 0.0
                for part, ends in {"attn": ("", "_a", "_v"), "text": ("",)}.items()
                for end in ends
            },
            **dict.fromkeys(
                ("relu_dropout", "embed_dropout", "res_dropout", "output_dropout"), 0.0
            ),
        )
    )
    for module in list(theirs.modules()):
        if positions is not None and hasattr(module, "embed_positions"):
            module.embed_positions = positions(module.embed_dim)
    contiguous_positions(theirs)
    ours = MulT(widths=WIDTHS, outputs=1, layers=4)
    return Case(
        name="MulT",
        part=f"whole, 4 layers, {'with' if positions else 'without'} positions",
        theirs=theirs,
        ours=ours,
        run_theirs=lambda x: theirs(*x.values())["M"],
        run_ours=lambda x: predict(ours, x),
        inputs=random_inputs(WIDTHS, UNALIGNED),
        weights=mult_weights(30, 4, 4),
        spread=0.05,
        note="MMSA's own module of positions is put into its encoders" if positions else "",
        departs="" if positions else "MMSA's encoders have no positions, MulT's and ours have",
    )


def _mfn(kind: Any) -> Case:
    hidden, memory, net = 8, 6, 10
    part = {"shapes": net, "drop": 0.0}
    parts = ("NN1Config", "NN2Config", "gamma1Config", "gamma2Config", "outConfig")
    theirs = kind(
        SimpleNamespace(
            feature_dims=list(WIDTHS.values()),
            hidden_dims=[hidden] * 3,
            memsize=memory,
            windowsize=2,
            train_mode="regression",
            **dict.fromkeys(parts, part),
        )
    )
    ours = MFN(widths=WIDTHS, outputs=1, hidden=hidden, memory=memory, net_width=net)
    # Theirs puts all c(t-1) before all c(t), ours both of one modality before those of the next.
    index = torch.arange(6 * hidden).view(2, 3, hidden).transpose(0, 1).flatten()
    with_memory = torch.cat([index, torch.arange(6 * hidden, 6 * hidden + memory)])
    weights = {
        **cells(("lstm_l", "lstm_a", "lstm_v")),
        **mlp("attention", "att1_fc1", "att1_fc2"),
        **mlp("memory.proposal", "att2_fc1", "att2_fc2"),
        **mlp("memory.keep", "gamma1_fc1", "gamma1_fc2"),
        **mlp("memory.admit", "gamma2_fc1", "gamma2_fc2"),
        **mlp("head", "out_fc1", "out_fc2"),
        "attention.layers.0.weight": lambda w: w["att1_fc1.weight"][:, index],
        "attention.layers.1.weight": lambda w: w["att1_fc2.weight"][index],
        "attention.layers.1.bias": lambda w: w["att1_fc2.bias"][index],
        "memory.proposal.layers.0.weight": lambda w: w["att2_fc1.weight"][:, index],
        "memory.keep.layers.0.weight": lambda w: w["gamma1_fc1.weight"][:, with_memory],
        "memory.admit.layers.0.weight": lambda w: w["gamma2_fc1.weight"][:, with_memory],
    }
    return Case(
        name="MFN",
        part="whole",
        theirs=theirs,
        ours=ours,
        run_theirs=lambda x: theirs(*x.values())["M"],
        run_ours=lambda x: predict(ours, x),
        inputs=random_inputs(WIDTHS, dict.fromkeys(WIDTHS, STEPS)),
        weights=weights,
        zeroed=("bias_hh",),
        note="MMSA's copy of the authors' class",
    )


def _lmf(kind: Any) -> Case:
    theirs = kind(
        SimpleNamespace(
            feature_dims=list(WIDTHS.values()),
            hidden_dims=[32, 8, 8],
            rank=4,
            dropouts=[0.0] * 4,
            train_mode="regression",
        )
    )
    ours = LMF(widths=WIDTHS, outputs=1, hidden=8, text_hidden=32, text_width=16)
    factors = ("text_factor", "audio_factor", "video_factor")
    weights = {
        **_subnet_weights(ours),
        **{f"fusion.factors.{i}": take(name) for i, name in enumerate(factors)},
        "fusion.weights": lambda w: w["fusion_weights"][0],
        "fusion.bias": lambda w: w["fusion_bias"][0],
    }
    return _pooled_case("LMF", theirs, ours, weights)


def _tfn(kind: Any) -> Case:
    hidden, text, post = 8, 16, 20
    theirs = kind(
        SimpleNamespace(
            feature_dims=list(WIDTHS.values()),
            hidden_dims=[32, hidden, hidden],
            text_out=text,
            post_fusion_dim=post,
            dropouts=[0.0] * 4,
            train_mode="classification",
            num_classes=2,
        )
    )
    sizes = {"hidden": hidden, "text_hidden": 32, "text_width": text, "head_width": post}
    ours = TFN(widths=WIDTHS, outputs=2, **sizes)

    def first(w: Tensors) -> Tensor:
        """Their tensor runs over audio, vision, text; ours over text, audio, vision."""
        tensor = w["post_fusion_layer_1.weight"].unflatten(1, (hidden + 1, hidden + 1, text + 1))
        return tensor.permute(0, 3, 1, 2).flatten(1)

    weights = {
        **_subnet_weights(ours),
        **mlp("head", *(f"post_fusion_layer_{i}" for i in (1, 2, 3))),
        "head.layers.0.weight": first,
    }
    note = "two classes: of one number theirs is a sigmoid scaled to [-3, 3], ours linear"
    return _pooled_case("TFN", theirs, ours, weights, note)


def _lf_dnn(kind: Any) -> Case:
    hidden, post = 8, 20
    theirs = kind(
        SimpleNamespace(
            feature_dims=list(WIDTHS.values()),
            hidden_dims=[32, hidden, hidden],
            text_out=hidden,
            post_fusion_dim=post,
            dropouts=[0.0] * 4,
            train_mode="regression",
        )
    )
    ours = LFDNN(widths=WIDTHS, outputs=1, hidden=hidden, head_width=post)
    ours.subnets[TEXT] = LSTMSubnet(WIDTHS[TEXT], 32, hidden)
    index = torch.arange(3 * hidden).roll(hidden)  # audio, vision, text there

    weights = {
        **_subnet_weights(ours),
        **mlp("head", *(f"post_fusion_layer_{i}" for i in (1, 2, 3))),
        "head.layers.0.weight": lambda w: w["post_fusion_layer_1.weight"][:, index],
    }
    note = "ours with their reader of text, an LSTM; by itself ours averages text too"
    return _pooled_case("LF-DNN", theirs, ours, weights, note)


def _ef_lstm(kind: Any) -> Case:
    theirs = kind(
        SimpleNamespace(
            feature_dims=list(WIDTHS.values()),
            seq_lens=STEPS,
            hidden_dims=16,
            num_layers=1,
            dropout=0.0,
            train_mode="regression",
        )
    )
    theirs.norm = nn.Identity()
    ours = EFLSTM(widths=WIDTHS, outputs=1, hidden=16, head_width=16)
    return Case(
        name="EF-LSTM",
        part="whole",
        theirs=theirs,
        ours=ours,
        run_theirs=lambda x: theirs(*x.values())["M"],
        run_ours=lambda x: predict(ours, x),
        inputs=random_inputs(WIDTHS, dict.fromkeys(WIDTHS, STEPS)),
        weights={**same(ours, "recurrent.lstm", "lstm"), **mlp("head", "linear", "out")},
        note=BATCH_NORM,
    )


class _ReLU(nn.Module):
    """A ReLU that says its widths, from which their graph takes those of its other layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.in_features = self.out_features = width

    def forward(self, x: Tensor) -> Tensor:
        return x.relu()


def _fusion_graph(kind: Any) -> Case:
    single, width, hidden = 8, 6, 10
    vertex = nn.Sequential(_ReLU(hidden), nn.Linear(hidden, width))
    graph = kind(vertex, [single] * 3, width, nn.Sequential(_ReLU(hidden)), "cpu")
    graph.efficacy_model = nn.Sequential(graph.efficacy_model, nn.Sigmoid())
    # It is no module and keeps its networks in a dict, so that no optimizer sees them.
    networks = [*graph.networks.values(), graph.t_network, graph.efficacy_model]
    theirs = nn.ModuleList(networks)
    ours = FusionGraph(3, single, width, hidden)
    last = len(networks) - 1
    weights = {
        **{
            f"vertices.{i}.layers.{layer}.{end}": take(f"{i}.{source}.{end}")
            for i in range(last - 1)
            for layer, source in enumerate(("0", "1.1"))
            for end in ("weight", "bias")
        },
        **{
            f"output.layers.{layer}.{end}": take(f"{last - 1}.{source}.{end}")
            for layer, source in enumerate(("0", "1.1"))
            for end in ("weight", "bias")
        },
        **{
            f"efficacies.layers.{layer}.{end}": take(f"{last}.0.{source}.{end}")
            for layer, source in enumerate(("0", "2"))
            for end in ("weight", "bias")
        },
    }

    def run_theirs(x: Tensors) -> Tensor:
        return graph([y.flatten(0, 1) for y in x.values()])[0].unflatten(0, (CLIPS, STEPS))

    return Case(
        name="Graph-MFN",
        part="dynamic fusion graph",
        theirs=theirs,
        ours=ours,
        run_theirs=run_theirs,
        run_ours=lambda x: ours(list(x.values())),
        inputs=random_inputs(dict.fromkeys(WIDTHS, single), dict.fromkeys(WIDTHS, STEPS)),
        weights=weights,
        note=(
            "given the paper's perceptrons with ReLU and its sigmoid of the efficacies; MMSA gives "
            "linear maps and no sigmoid, and singletons of hidden states"
        ),
    )


def raven_cases(folder: Path) -> list[Case]:
    """RAVEN by the formula of its code and by that of its paper, a frame a word."""
    return [_raven(folder, "code"), _raven(folder, "paper")]


def _raven(folder: Path, formula: Literal["code", "paper"]) -> Case:
    consts, layer, model = python_2(folder / "code", ("consts", "layer", "model"))
    hidden, frame_hidden = 10, 6
    for name, value in {
        "padding_len": STEPS,
        "shift_padding_len": 1,
        "covarepDim": WIDTHS[AUDIO],
        "facetDim": WIDTHS[VISION],
        "wordDim": WIDTHS[TEXT],
        "normDim": 4,
        "cellDim": frame_hidden,
        "hiddenDim": hidden,
        "device": "cpu",
    }.items():
        setattr(consts.global_consts, name, value)
    theirs = model.Net()
    theirs.normcovarep = theirs.normFacet = nn.Identity()
    limit = consts.global_consts.shift_weight
    ours = RAVEN(
        widths=WIDTHS,
        outputs=1,
        hidden=hidden,
        frame_hidden=frame_hidden,
        shift_limit=limit,
        formula=formula,
    )

    def frames(name: str) -> Weights:
        """Their linear map of a frame and their LSTM's are one map; its forget gate is not ours."""

        def gates(w: Tensors, end: str) -> Tensor:
            return torch.cat([w[f"{name}LSTM.{end}"].chunk(4)[i] for i in (0, 2, 3)])

        resize = f"fc_rsz{name[:1].upper() if name == 'facet' else name[:1]}{name[1:]}"
        return {
            "weight": lambda w: gates(w, "weight_ih_l0") @ w[f"{resize}.weight"],
            "bias": lambda w: (
                gates(w, "weight_ih_l0") @ w[f"{resize}.bias"]
                + gates(w, "bias_ih_l0")
                + gates(w, "bias_hh_l0")
            ),
        }

    weights: Weights = {
        **same(ours, "shift", "calcAddon"),
        **same(ours, "output", "fc_afterLSTM"),
        **{
            name: take(f"lstm1.layer_1.lstm.{name.removeprefix('recurrent.lstm.')[:-3]}")
            for name, _ in ours.named_parameters()
            if name.startswith("recurrent.")
        },
    }
    for name, source in {AUDIO: "covarep", VISION: "facet"}.items():
        weights |= {f"frames.{name}.gates.{end}": make for end, make in frames(source).items()}
        weights |= same(ours, f"gates.{name}", f"{source}W")

    ones = torch.ones(CLIPS, STEPS, dtype=torch.long)

    def run_theirs(x: Tensors) -> Tensor:
        words, audio, vision = x.values()
        lengths = torch.full((CLIPS,), STEPS)
        output = theirs(words, audio[:, :, None], ones, vision[:, :, None], ones, lengths)
        return output[:, None]

    return Case(
        name="RAVEN",
        part=f"whole, a frame a word, formula of the {formula}",
        theirs=theirs,
        ours=ours,
        run_theirs=run_theirs,
        run_ours=lambda x: predict(ours, x),
        inputs=random_inputs(WIDTHS, dict.fromkeys(WIDTHS, STEPS)),
        weights=weights,
        cut=("frames", "gates", "shift", "inputs"),
        spread=0.4,  # some shifts are longer than 1, some shorter
        note=(
            f"{BATCH_NORM}; gradients of the LSTM over words and of what follows, as theirs "
            "reaches no other; Python 2, read as Python 3"
        ),
        departs="" if formula == "code" else "the code has other gates and another shift",
    )


CASES: Mapping[str, Callable[[Path], list[Case]]] = {
    "mult": mult_cases,
    "mmsa": mmsa_cases,
    "raven": raven_cases,
}
"""The cases of each repository whose code runs."""

DIFFERENT: Mapping[str, Mapping[str, str]] = {
    "mmsa": {
        "MCTN": (
            "another network: its LSTMs read both ways, the decoder attends to the encoding and is "
            "fed the target, and an LSTM with attention predicts; ours decodes the aligned "
            "encoding step by step"
        ),
        "Graph-MFN": (
            "the whole is another network: singletons are a ReLU map of [h(t-1); h(t)], not of the "
            "memories c, its graph has no ReLU and no sigmoid, and its networks are never trained"
        ),
    },
}
"""Models of a repository whose code runs that are not compared, and why."""

NO_CODE: Mapping[str, str] = {
    "RMFN": "no code of its authors is known to us",
    "CIA": "no repository of its authors is known to us that runs here",
    "LMF-MulT": "no code of its authors is known to us",
    "HCT-MG": "no code of its authors is known to us",
}
"""Models that no repository of ours to compare with holds."""


def random_inputs(widths: Mapping[Modality, int], lengths: Mapping[Modality, int]) -> Tensors:
    """Normal features in float64, no step of which is padding."""
    generator = torch.Generator().manual_seed(2)
    return {
        name: torch.randn(CLIPS, lengths[name], width, generator=generator, dtype=torch.float64)
        for name, width in widths.items()
    }


def predict(model: Model, inputs: Tensors) -> Tensor:
    """Our prediction for whole sequences."""
    masks = {name: torch.ones(x.shape[:2], dtype=torch.bool) for name, x in inputs.items()}
    ids = tuple(str(i) for i in range(CLIPS))
    labels = next(iter(inputs.values())).new_zeros(CLIPS, 1)
    return model(Batch(ids=ids, sequences=dict(inputs), masks=masks, labels=labels)).prediction


def contiguous_positions(theirs: nn.Module) -> None:
    """Give MulT's positions contiguous memory, without which their view fails on today's torch."""
    for module in theirs.modules():
        if type(module).__name__ == "SinusoidalPositionalEmbedding":
            module.register_forward_pre_hook(lambda _, given: (given[0].contiguous(),))


def take(name: str) -> Callable[[Tensors], Tensor]:
    """A parameter of theirs as it is."""
    return lambda w: w[name]


def same(ours: nn.Module, prefix: str, source: str) -> Weights:
    """The parameters of a module of ours, by the same names in one of theirs."""
    names = [name for name, _ in ours.named_parameters() if name.startswith(f"{prefix}.")]
    return {name: take(source + name.removeprefix(prefix)) for name in names}


def mlp(prefix: str, *sources: str) -> Weights:
    """The linear maps of an MLP of ours."""
    return {
        f"{prefix}.layers.{i}.{end}": take(f"{source}.{end}")
        for i, source in enumerate(sources)
        for end in ("weight", "bias")
    }


def cells(sources: Sequence[str]) -> Weights:
    """Our LSTM cells of theirs, whose second biases are 0."""
    inputs = {
        f"cells.inputs.{i}.{end}": take(f"{source}.{end}_ih")
        for i, source in enumerate(sources)
        for end in ("weight", "bias")
    }
    return {
        **inputs,
        "cells.recurrent": lambda w: torch.stack([w[f"{x}.weight_hh"].T for x in sources]),
    }


def encoder_weights(layers: int, width: int, prefix: str = "", source: str = "") -> Weights:
    """An encoder of ours from MulT's, whose query, key and value are rows of one matrix."""
    weights: Weights = {}
    parts = {
        "attention_norm": "layer_norms.0",
        "feedforward_norm": "layer_norms.1",
        "expand": "fc1",
        "contract": "fc2",
        "attention.output": "self_attn.out_proj",
    }
    for layer in range(layers):
        own, theirs = f"{prefix}layers.{layer}.", f"{source}layers.{layer}."
        for end in ("weight", "bias"):
            for name, part in parts.items():
                weights[f"{own}{name}.{end}"] = take(f"{theirs}{part}.{end}")
            stacked = take(f"{theirs}self_attn.in_proj_{end}")
            weights[f"{own}attention.query.{end}"] = lambda w, f=stacked: f(w)[:width]
            weights[f"{own}attention.key_value.{end}"] = lambda w, f=stacked: f(w)[width:]
    for end in ("weight", "bias"):
        weights[f"{prefix}norm.{end}"] = take(f"{source}layer_norm.{end}")
    return weights


def mult_weights(width: int, layers: int, memory_layers: int) -> Weights:
    """All of MulT."""
    letters = {TEXT: "l", AUDIO: "a", VISION: "v"}
    weights: Weights = {
        f"projections.{name}.weight": (lambda w, letter=letter: w[f"proj_{letter}.weight"][:, :, 0])
        for name, letter in letters.items()
    }
    for target, letter in letters.items():
        for source, other in letters.items():
            if source != target:
                weights |= encoder_weights(
                    layers,
                    width,
                    f"crossmodal.{source}_to_{target}.",
                    f"trans_{letter}_with_{other}.",
                )
        weights |= encoder_weights(
            memory_layers, 2 * width, f"self_attention.{target}.", f"trans_{letter}_mem."
        )
    for name, source in {
        "blocks.0.0": "proj1",
        "blocks.0.1": "proj2",
        "output": "out_layer",
    }.items():
        for end in ("weight", "bias"):
            weights[f"head.{name}.{end}"] = take(f"{source}.{end}")
    return weights


def _subnet_weights(ours: Model) -> Weights:
    weights = {
        **same(ours, f"subnets.{TEXT}.recurrent.lstm", "text_subnet.rnn"),
        **same(ours, f"subnets.{TEXT}.output", "text_subnet.linear_1"),
    }
    for name, source in {AUDIO: "audio_subnet", VISION: "video_subnet"}.items():
        weights |= mlp(f"subnets.{name}.mlp", *(f"{source}.linear_{i}" for i in (1, 2, 3)))
    return weights


def _pooled_case(
    name: str, theirs: nn.Module, ours: Model, weights: Weights, note: str = ""
) -> Case:
    """A case of the models that read the mean of audio and of vision."""
    for subnet in ("audio_subnet", "video_subnet"):
        getattr(theirs, subnet).norm = nn.Identity()

    def run_theirs(x: Tensors) -> Tensor:
        text, *others = x.values()
        return theirs(text, *(y.mean(dim=1, keepdim=True) for y in others))["M"]

    return Case(
        name=name,
        part="whole",
        theirs=theirs,
        ours=ours,
        run_theirs=run_theirs,
        run_ours=lambda x: predict(ours, x),
        inputs=random_inputs(WIDTHS, UNALIGNED),
        weights=weights,
        note="; ".join(x for x in (BATCH_NORM, note) if x),
    )


def parameters(module: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(math.prod(p.shape) for p in module.parameters() if p.requires_grad)
