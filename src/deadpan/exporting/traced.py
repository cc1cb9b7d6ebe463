"""Models without a graph of ours as ONNX files, by torch's exporter.

What it cannot follow is a loop over steps, whose number differs: ``layers.steps.fold`` is one
operator instead, and our LSTMs and GRUs are made of it. Those of torch would be unrolled, which is
refused.
"""

import importlib.util
import logging
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from deadpan.data.normalization import LIMIT, Normalizer
from deadpan.errors import DeadpanError
from deadpan.exporting.graph import QUANTIZED_FROM
from deadpan.layers.exporting import CAN_EXPORT
from deadpan.models import Model
from deadpan.types import Batch, Modality

CLIPS, STEPS = 2, (5, 7, 6)
"""Sizes of the batch that is followed; a file takes any."""


def traced_graph(
    model: Model, normalizer: Normalizer, shapes: Mapping[str, list[Any]], *, opset: int
) -> tuple[Any, list[Any]]:
    """Follow a model by torch's exporter.

    Args:
        model: in evaluation mode.
        normalizer: becomes part of the graph.
        shapes: of the inputs by name, as numbers or as names of sizes.
        opset: version of the standard operators.

    Returns:
        The graph and the operators' versions, of onnx.

    Raises:
        DeadpanError: the model reads other clips, the exporter cannot follow it, or onnxscript is
            not installed, or torch is too old.
    """
    kind = model.title
    if model.context:
        raise DeadpanError(
            f"{kind} cannot be exported: to predict a clip it reads the other clips of its video, "
            f"and a file gets clips one by one; use deadpan predict"
        )
    if not CAN_EXPORT:
        raise DeadpanError(
            f"exporting {kind} needs torch 2.7 or newer; got {torch.__version__}: install one, or "
            f"use deadpan predict"
        )
    if importlib.util.find_spec("onnxscript") is None:
        raise DeadpanError(f"exporting {kind} needs onnxscript: pip install 'deadpan[export]'")
    features = {
        name: torch.zeros(CLIPS, STEPS[i % len(STEPS)] + i // len(STEPS), width)
        for i, (name, width) in enumerate(model.widths.items())
    }
    masks = {name: torch.ones(x.shape[:2], dtype=torch.bool) for name, x in features.items()}
    any_size = {name: {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC} for name in masks}
    try:
        with torch.no_grad(), _quiet():
            program = torch.export.export(
                _Normalized(model, normalizer),
                (features, masks),
                dynamic_shapes=(any_size, any_size),
                strict=False,
            )
            traced = torch.onnx.export(program, dynamo=True, verbose=False, opset_version=opset)
    except Exception as error:  # torch raises many types, whatever a model does that it cannot take
        reason = next((line for line in str(error).splitlines() if line.strip()), "no reason given")
        raise DeadpanError(
            f"{kind} cannot be exported: torch's exporter cannot follow it ({type(error).__name__}:"
            f" {reason:.300}); let no number of steps or clips, nor any value, decide what is "
            f"computed, and take recurrences from deadpan.layers"
        ) from error
    assert traced is not None, "a program is returned where no file is named"
    file = traced.model_proto
    names = [f"{part}.{name}" for part in ("features", "mask") for name in model.widths]
    _rename(file.graph, names, shapes)
    return file.graph, list(file.opset_import)


class _Normalized(nn.Module):
    """A model behind its normalisation, from features and masks to its prediction."""

    def __init__(self, model: Model, normalizer: Normalizer) -> None:
        super().__init__()
        self.model = model
        self.scaling = {
            name: (torch.from_numpy(center), torch.from_numpy(normalizer.scales[name]))
            for name, center in normalizer.centers.items()
        }

    def forward(
        self, features: Mapping[Modality, Tensor], masks: Mapping[Modality, Tensor]
    ) -> Tensor:
        sequences: dict[Modality, Tensor] = {}
        for name, x in features.items():
            if name in self.scaling:
                center, scale = self.scaling[name]
                x = ((x - center) / scale).clamp(-LIMIT, LIMIT)
            # Not a product with the mask: padding may hold NaN.
            sequences[name] = torch.where(masks[name][:, :, None], x, 0.0)
        labels = next(iter(sequences.values())).new_zeros(next(iter(masks.values())).shape[0], 1)
        batch = Batch(ids=("",) * CLIPS, sequences=sequences, masks=masks, labels=labels)
        return self.model(batch).prediction


@contextmanager
def _quiet() -> Generator[None, None, None]:
    """Keep to itself what the exporter says of libraries that are not there."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _rename(graph: Any, names: list[str], shapes: Mapping[str, list[Any]]) -> None:  # noqa: ANN401
    """Give a graph's inputs and output the names and shapes of a file of ours, in place."""
    del graph.value_info[:]  # shapes inside of it, by names of sizes that change
    new = dict(zip([value.name for value in graph.input], names, strict=True))
    new[graph.output[0].name] = "prediction"
    for node in graph.node:
        for values in (node.input, node.output):
            for index, value in enumerate(values):
                values[index] = new.get(value, value)
        for attribute in node.attribute:  # a loop's body reads them too
            for inner in attribute.g.node if attribute.type == onnx.AttributeProto.GRAPH else ():
                for index, value in enumerate(inner.input):
                    inner.input[index] = new.get(value, value)
    for value in (*graph.input, *graph.output):
        kind, value.name = value.type.tensor_type.elem_type, new[value.name]
        value.CopyFrom(helper.make_tensor_value_info(value.name, kind, shapes[value.name]))


def store_as_int8(graph: Any) -> None:  # noqa: ANN401 - onnx gives it no type
    """Store a graph's large weights as int8 with a scale for each output channel, in place."""
    turned = {n.input[1] for n in graph.node if n.op_type == "Gemm" and _attribute(n, "transB")}
    stored, nodes = list[Any](), list[Any]()
    for weight in graph.initializer:
        value = numpy_helper.to_array(weight)
        if value.dtype != np.float32 or value.ndim < 2 or value.size < QUANTIZED_FROM:
            stored.append(weight)
            continue
        axis = -1 if weight.name in turned else -2  # of the input channels
        scale = np.maximum(np.abs(value).max(axis=axis, keepdims=True), 1e-12) / 127
        rounded = np.round(value / scale).astype(np.int8)
        for suffix, part in (("int8", rounded), ("scale", scale)):
            stored.append(numpy_helper.from_array(part, f"{weight.name}.{suffix}"))
        cast = f"{weight.name}.float"
        nodes += [
            helper.make_node("Cast", [f"{weight.name}.int8"], [cast], to=onnx.TensorProto.FLOAT),
            helper.make_node("Mul", [cast, f"{weight.name}.scale"], [weight.name]),
        ]
    before = list(graph.node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(stored)
    graph.node.extend([*nodes, *before])


def _attribute(node: Any, name: str) -> int:  # noqa: ANN401
    return next((attribute.i for attribute in node.attribute if attribute.name == name), 0)
