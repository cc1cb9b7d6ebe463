"""Whole ONNX files: inputs, normalisation, network, and what is written beside them."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import onnx
from onnx import TensorProto, helper

from deadpan.data.normalization import LIMIT, Normalizer
from deadpan.exporting.graph import MICROSOFT, Graph, Steps, rows, steps_of
from deadpan.exporting.transformers import hct_mg, lf_dnn, lf_lstm, lmf, lmf_mult, mult, tfn
from deadpan.models import HCTMG, LFDNN, LFLSTM, LMF, TFN, LMFMulT, Model, MulT
from deadpan.types import Modality

OPSET = 18
"""Of the standard operators; MultiHeadAttention and SkipLayerNormalization are onnxruntime's."""
IR_VERSION = 9

GRAPHS: Mapping[type[Model], Callable[[Graph, Any, Mapping[Modality, tuple[str, Steps]]], str]] = {
    HCTMG: hct_mg,
    LFDNN: lf_dnn,
    LFLSTM: lf_lstm,
    LMF: lmf,
    LMFMulT: lmf_mult,
    MulT: mult,
    TFN: tfn,
}
"""Who writes the network of each model that can be exported."""


def onnx_bytes(
    model: Model, normalizer: Normalizer, facts: Mapping[str, Any], *, int8: bool = False
) -> bytes:
    """The file of a model.

    For each modality two inputs, ``features.NAME`` float32 [clips, NAME_steps, width] and
    ``mask.NAME`` bool [clips, NAME_steps], True = real step; padding stands last, at least one step
    for each modality, any number of clips. One output, ``prediction`` float32 [clips, outputs].

    Args:
        model: trained, in evaluation mode.
        normalizer: goes into the graph, all but the medians of groups.
        facts: JSON-ready values for the file's metadata, under the key ``deadpan``.
        int8: keep large weights as int8 with a scale for each output channel.
    """
    graph = Graph(int8=int8)
    inputs: list[Any] = []
    shapes: dict[str, list[Any]] = {}
    streams: dict[Modality, tuple[str, Steps]] = {}
    for name, width in model.widths.items():
        shape = ["clips", f"{name}_steps"]
        shapes |= {f"features.{name}": [*shape, width], f"mask.{name}": shape}
        x, mask = f"features.{name}", f"mask.{name}"
        inputs.append(helper.make_tensor_value_info(x, TensorProto.FLOAT, [*shape, width]))
        inputs.append(helper.make_tensor_value_info(mask, TensorProto.BOOL, shape))
        steps = steps_of(graph, mask)
        streams[name] = _given(graph, x, name, width, steps, normalizer), steps
    found = GRAPHS[type(model)](graph, model, streams)
    graph.rename(found, "prediction")
    shape = ["clips", model.outputs]
    output = helper.make_tensor_value_info("prediction", TensorProto.FLOAT, shape)
    file = helper.make_model(
        graph.finish(type(model).__name__, inputs, [output]),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)],
        ir_version=IR_VERSION,
        producer_name="deadpan",
    )
    told = {"opset": OPSET, "inputs": shapes, "output": {"prediction": shape}}
    helper.set_model_props(file, {"deadpan": json.dumps({**facts, **told})})
    onnx.checker.check_model(file)
    return file.SerializeToString()


def _given(
    graph: Graph, x: str, name: Modality, width: int, steps: Steps, normalizer: Normalizer
) -> str:
    """The scaled features of real steps, and zeros."""
    if name in normalizer.centers:
        x = graph.op("Sub", x, graph.constant(normalizer.centers[name]))
        x = graph.op("Div", x, graph.constant(normalizer.scales[name]))
        x = graph.op("Clip", x, graph.constant(-LIMIT), graph.constant(LIMIT))
    # Not a product with the mask: what stands in padding may be no number.
    real = graph.op("Reshape", steps.mask, graph.whole(-1, 1))
    return graph.op("Where", real, rows(graph, x, width), graph.constant(0.0))
