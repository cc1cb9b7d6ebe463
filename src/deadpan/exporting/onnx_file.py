"""Models as ONNX files: the network of each, its inputs, normalisation, and facts beside it.

A network computes what the model's ``forward`` computes after training.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from torch import nn

from deadpan.data.normalization import LIMIT, Normalizer
from deadpan.exporting.encoder import encoder_output, pooled_encoder_output
from deadpan.exporting.graph import (
    MICROSOFT,
    Graph,
    Steps,
    array,
    count,
    has_step,
    join,
    linear,
    mlp,
    pooled,
    product,
    recurrent,
    residual_head,
    rows,
    sequence,
    steps_from_mask,
)
from deadpan.exporting.traced import store_as_int8, traced_graph
from deadpan.layers.layer_mix import LayerMix
from deadpan.layers.pooling import Pool
from deadpan.layers.recurrent import MaskedLSTM
from deadpan.layers.subnets import LSTMSubnet, MeanSubnet
from deadpan.layers.tensor_fusion import LowRankFusion
from deadpan.models import HCTMG, LFDNN, LFLSTM, LMF, TFN, AttentionPool, LMFMulT, Model, MulT
from deadpan.models.hct_mg import ModalityGate
from deadpan.types import Modality

OPSET = 18
"""Version of the standard operators; others are onnxruntime's own."""
IR_VERSION = 9

Streams = Mapping[Modality, tuple[str, Steps]]
"""Rows [clip * step, width] of each modality, and its steps."""


def lf_lstm(graph: Graph, model: LFLSTM, streams: Streams) -> str:
    """Late fusion: an LSTM per modality, and an MLP of their pooled states."""
    states = [
        _state(graph, x, steps, model.recurrent[name], model.pools[name])  # pyright: ignore[reportArgumentType]
        for name, (x, steps) in streams.items()
    ]
    return mlp(graph, join(graph, states), model.head)


def _state(graph: Graph, x: str, steps: Steps, reader: MaskedLSTM, pool: Pool) -> str:
    """The pooled states of an LSTM, [clip, hidden]."""
    states = recurrent(graph, x, steps, reader)
    return pooled(graph, states, steps, reader.lstm.hidden_size, pool)


def lf_dnn(graph: Graph, model: LFDNN, streams: Streams) -> str:
    """Late fusion: a network per modality, and an MLP of their vectors."""
    return mlp(graph, join(graph, _vectors(graph, model.subnets, streams)), model.head)


def attention_pool(graph: Graph, model: AttentionPool, streams: Streams) -> str:
    """Late fusion: an MLP of each modality's mapped steps, pooled by attention."""
    width = _width(model.projections)
    vectors: list[str] = []
    for name, (x, steps) in streams.items():
        mapped = graph.op("Relu", _projected(graph, x, model.projections[name]))
        vectors.append(pooled(graph, mapped, steps, width, model.pools[name]))  # pyright: ignore[reportArgumentType]
    return mlp(graph, join(graph, vectors), model.head)


def tfn(graph: Graph, model: TFN, streams: Streams) -> str:
    """Tensor fusion: an MLP of the outer product of all vectors, each with a 1 prepended."""
    first, *factors = (
        graph.op("Pad", h, graph.whole(0, 1, 0, 0), graph.constant(1.0))
        for h in _vectors(graph, model.subnets, streams)
    )
    for factor in factors:
        pairs = graph.op(
            "Mul",
            graph.op("Unsqueeze", first, graph.whole(2)),
            graph.op("Unsqueeze", factor, graph.whole(1)),
        )
        first = graph.op("Flatten", pairs)
    return mlp(graph, first, model.head)


def lmf(graph: Graph, model: LMF, streams: Streams) -> str:
    """Low-rank fusion: a linear map of the same outer product, whose weights are factorised."""
    vectors = _vectors(graph, model.subnets, streams)
    return low_rank(graph, vectors, model.fusion)


def low_rank(graph: Graph, vectors: Sequence[str], fusion: LowRankFusion) -> str:
    """Compute ``sum_r w_r prod_m ([1; h_m] F_m^r) + b`` from the vectors ``h_m``."""
    terms = len(fusion.weights)
    outputs = len(fusion.bias)
    combined = None
    for h, factor in zip(vectors, fusion.factors, strict=True):
        # [term, 1 + width, output]: the weights of the 1 are a bias.
        weights = np.concatenate([array(term).T for term in factor])
        term = product(graph, h, weights[:, 1:], weights[:, 0])
        combined = term if combined is None else graph.op("Mul", combined, term)
    weights = np.kron(array(fusion.weights)[None], np.eye(outputs, dtype=np.float32))
    assert weights.shape == (outputs, terms * outputs)
    return product(graph, str(combined), weights, array(fusion.bias))


def _vectors(graph: Graph, subnets: nn.ModuleDict, streams: Streams) -> list[str]:
    return [_vector(graph, subnets[name], *stream) for name, stream in streams.items()]


def _vector(graph: Graph, subnet: nn.Module, x: str, steps: Steps) -> str:
    """The vector of each clip; zeros for a clip without a real step."""
    if isinstance(subnet, LSTMSubnet):
        state = _state(graph, x, steps, subnet.recurrent, subnet.pool)
        vector = linear(graph, state, subnet.output)
    else:
        assert isinstance(subnet, MeanSubnet)
        first = subnet.mlp.layers[0]
        assert isinstance(first, nn.Linear)
        mean = pooled(graph, x, steps, first.in_features, subnet.pool)
        vector = graph.op("Relu", mlp(graph, mean, subnet.mlp))
    return graph.op("Mul", vector, has_step(graph, steps))


def hct_mg(graph: Graph, model: HCTMG, streams: Streams) -> str:
    """HCT-MG after training: the gate's weights and its primary modality are constants."""
    width = _width(model.projections)
    weights, primary = _gate(model)
    others = [name for name in model.modalities if name != primary]

    def weigh(states: dict[Modality, str]) -> dict[Modality, str]:
        return {
            name: graph.op("Mul", x, graph.constant(weights[name])) if weights else x
            for name, x in states.items()
        }

    def fuse(source: Modality, target: Modality, role: str) -> str:
        encoder = model.crossmodal[f"{source}_to_{target}" if model.pairs else role]
        steps, source_steps = streams[target][1], streams[source][1]
        return encoder_output(graph, encoder, states[target], steps, states[source], source_steps)  # pyright: ignore[reportArgumentType]

    states = _read(graph, model, streams)
    if model.gate_first:
        states = weigh(states)
    if len(others) == 2:
        first, second = others
        enhanced = {
            first: fuse(second, first, "auxiliary2_to_auxiliary1"),
            second: fuse(first, second, "auxiliary1_to_auxiliary2"),
        }
        states = states | enhanced
    if not model.gate_first:
        states = weigh(states)
    steps = streams[primary][1]
    views = [
        fuse(name, primary, f"auxiliary{i}_to_primary") for i, name in enumerate(others, start=1)
    ] or [states[primary]]
    parts = [
        _projected(graph, pooled(graph, states[name], streams[name][1], width, pool), layer)  # pyright: ignore[reportArgumentType]
        for layer, pool, name in zip(
            model.auxiliary_maps, model.auxiliary_pools, others, strict=True
        )
    ]
    parts.append(
        pooled_encoder_output(graph, model.self_attention, join(graph, views), steps, model.pool)
    )
    return residual_head(graph, join(graph, parts), model.head)


def _gate(model: HCTMG) -> tuple[dict[Modality, float] | None, Modality]:
    if model.gate is None:
        return None, str(model.primary)
    assert isinstance(model.gate, ModalityGate), "has_graph"
    weights, index = model.gate()
    scaled = (model.gain * weights).tolist()
    return dict(zip(model.modalities, scaled, strict=True)), model.modalities[index]


def _read(graph: Graph, model: HCTMG | MulT | LMFMulT, streams: Streams) -> dict[Modality, str]:
    """Project every modality, and read its steps in their order if the model does."""
    states: dict[Modality, str] = {}
    for name, (x, steps) in streams.items():
        x = _projected(graph, x, model.projections[name])
        if name in model.recurrent:
            x = recurrent(graph, x, steps, model.recurrent[name])  # pyright: ignore[reportArgumentType]
        states[name] = x
    return states


def _projected(graph: Graph, x: str, layer: nn.Module) -> str:
    assert isinstance(layer, nn.Linear)
    return linear(graph, x, layer)


def _width(projections: nn.ModuleDict) -> int:
    first = next(iter(projections.values()))
    assert isinstance(first, nn.Linear)
    return first.out_features


def mult(graph: Graph, model: MulT, streams: Streams) -> str:
    """MulT: every modality attends to every other one, then to the results of that."""
    x = _read(graph, model, streams)
    parts: list[str] = []
    for target, (_, steps) in streams.items():
        views = [
            encoder_output(
                graph,
                model.crossmodal[f"{source}_to_{target}"],  # pyright: ignore[reportArgumentType]
                x[target],
                steps,
                x[source],
                source_steps,
            )
            for source, (_, source_steps) in streams.items()
            if source != target
        ] or [x[target]]
        encoder, pool = model.self_attention[target], model.pools[target]
        parts.append(pooled_encoder_output(graph, encoder, join(graph, views), steps, pool))  # pyright: ignore[reportArgumentType]
    return residual_head(graph, join(graph, parts), model.head)


def lmf_mult(graph: Graph, model: LMFMulT, streams: Streams) -> str:
    """LMF-MulT: every modality attends to the low-rank fusion of all, then to itself."""
    width = _width(model.projections)
    x = _read(graph, model, streams)
    longest = graph.op("Max", *(steps.lengths for _, steps in streams.values()))
    clips = graph.op("Gather", next(iter(streams.values()))[1].size, graph.whole(0), axis=0)
    most = graph.op("Max", *(
        graph.op("Gather", steps.size, graph.whole(1), axis=0) for _, steps in streams.values()
    ))  # fmt: skip
    size = graph.op("Concat", clips, most, axis=0)
    column = graph.op("Unsqueeze", longest, graph.whole(1))
    step_index = count(graph, most)
    mask = graph.op("Less", step_index, column)
    real = graph.op("Reshape", graph.op("Cast", mask, to=TensorProto.FLOAT), graph.whole(-1, 1))
    fused_steps = Steps(mask, size, real, longest)
    stretched = [
        _at_same_share(graph, sequence(graph, x[name], steps, width), steps, column, step_index)
        for name, (_, steps) in streams.items()
    ]
    stretched = [graph.op("Mul", rows(graph, part, width), real) for part in stretched]
    fused = graph.op("Mul", low_rank(graph, stretched, model.fusion), real)
    parts: list[str] = []
    for name, (_, steps) in streams.items():
        view = encoder_output(graph, model.crossmodal[name], x[name], steps, fused, fused_steps)  # pyright: ignore[reportArgumentType]
        encoder, pool = model.self_attention[name], model.pools[name]
        parts.append(pooled_encoder_output(graph, encoder, view, steps, pool))  # pyright: ignore[reportArgumentType]
    return residual_head(graph, join(graph, parts), model.head)


def _at_same_share(graph: Graph, x: str, steps: Steps, longest: str, step_index: str) -> str:
    """Stretch ``x`` to the longest modality: each step is that at the same share of the clip."""
    one, zero = graph.whole(1), graph.whole(0)
    length = graph.op("Unsqueeze", steps.lengths, one)
    index = graph.op("Div", graph.op("Mul", step_index, length), graph.op("Max", longest, one))
    last = graph.op("Max", graph.op("Sub", length, one), zero)
    index = graph.op("Unsqueeze", graph.op("Min", index, last), graph.whole(2))
    picked = graph.op("GatherND", x, index, batch_dims=1)
    real = graph.op("Unsqueeze", graph.op("Min", length, one), graph.whole(2))
    return graph.op("Mul", picked, graph.op("Cast", real, to=TensorProto.FLOAT))


GRAPHS: Mapping[type[Model], Callable[[Graph, Any, Streams], str]] = {
    AttentionPool: attention_pool,
    HCTMG: hct_mg,
    LFDNN: lf_dnn,
    LFLSTM: lf_lstm,
    LMF: lmf,
    LMFMulT: lmf_mult,
    MulT: mult,
    TFN: tfn,
}
"""The function that writes each model's network; other models are followed by torch's exporter."""


def has_graph(model: Model) -> bool:
    """Whether one of ``GRAPHS`` writes the model's network."""
    if isinstance(model, HCTMG) and not isinstance(model.gate, ModalityGate | None):
        return False  # a gate of each clip is computed from it
    return type(model) in GRAPHS


def onnx_bytes(
    model: Model, normalizer: Normalizer, facts: Mapping[str, Any], *, int8: bool = False
) -> bytes:
    """Write a model as the content of an ONNX file.

    The file has two inputs for each modality, ``features.NAME`` float32 [clips, NAME_steps, width]
    and ``mask.NAME`` bool [clips, NAME_steps], True = real step. Padding comes last, and there is
    at least one step of each modality. The output is ``prediction`` float32 [clips, outputs].

    Args:
        model: a trained model in evaluation mode.
        normalizer: becomes part of the graph, all but the medians of groups.
        facts: JSON values for the file's metadata, under the key ``deadpan``.
        int8: store large weights as int8 with a scale for each output channel.

    Raises:
        DeadpanError: the model has no graph of ours, and torch's exporter cannot follow it.
    """
    shapes: dict[str, list[Any]] = {}
    for name, width in model.widths.items():
        shape = ["clips", f"{name}_steps"]
        shapes |= {f"features.{name}": [*shape, width], f"mask.{name}": shape}
    output = {"prediction": ["clips", model.outputs]}
    if has_graph(model):
        network = _own_graph(model, normalizer, shapes, output["prediction"], int8=int8)
        versions = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    else:
        network, versions = traced_graph(model, normalizer, shapes | output, opset=OPSET)
        network.name = type(model).__name__
        if int8:
            store_as_int8(network)
    file = helper.make_model(
        network, opset_imports=versions, ir_version=IR_VERSION, producer_name="deadpan"
    )
    interface = {"opset": OPSET, "inputs": shapes, "output": output}
    helper.set_model_props(file, {"deadpan": json.dumps({**facts, **interface})})
    onnx.checker.check_model(file)
    return file.SerializeToString()


def _own_graph(
    model: Model,
    normalizer: Normalizer,
    shapes: Mapping[str, list[Any]],
    output: list[Any],
    *,
    int8: bool,
) -> Any:  # noqa: ANN401 - onnx gives it no type
    """The graph that one of ``GRAPHS`` writes, behind its normalisation."""
    graph = Graph(int8=int8)
    inputs: list[Any] = []
    streams: dict[Modality, tuple[str, Steps]] = {}
    for name, width in model.widths.items():
        x, mask = f"features.{name}", f"mask.{name}"
        inputs.append(helper.make_tensor_value_info(x, TensorProto.FLOAT, shapes[x]))
        inputs.append(helper.make_tensor_value_info(mask, TensorProto.BOOL, shapes[mask]))
        steps = steps_from_mask(graph, mask)
        x = _normalized(graph, x, name, width, steps, normalizer)
        if name in model.layer_mixes:
            x = _mixed(graph, x, width, model.layer_mixes[name])  # pyright: ignore[reportArgumentType]
        streams[name] = x, steps
    graph.rename(GRAPHS[type(model)](graph, model, streams), "prediction")
    value = helper.make_tensor_value_info("prediction", TensorProto.FLOAT, output)
    return graph.finish(type(model).__name__, inputs, [value])


def _mixed(graph: Graph, x: str, width: int, mix: LayerMix) -> str:
    """Sum the layers that stand side by side in each row."""
    weights = array(mix.logits.softmax(dim=0))[None]
    layers = graph.op("Reshape", x, graph.whole(-1, weights.size, width // weights.size))
    return graph.op("Squeeze", graph.op("MatMul", graph.constant(weights), layers), graph.whole(1))


def _normalized(
    graph: Graph, x: str, name: Modality, width: int, steps: Steps, normalizer: Normalizer
) -> str:
    """Normalised features of real steps, zeros elsewhere, as rows."""
    if name in normalizer.centers:
        x = graph.op("Sub", x, graph.constant(normalizer.centers[name]))
        x = graph.op("Div", x, graph.constant(normalizer.scales[name]))
        x = graph.op("Clip", x, graph.constant(-LIMIT), graph.constant(LIMIT))
    # Not a product with the mask: padding may hold NaN.
    real = graph.op("Reshape", steps.mask, graph.whole(-1, 1))
    return graph.op("Where", real, rows(graph, x, width), graph.constant(0.0))
