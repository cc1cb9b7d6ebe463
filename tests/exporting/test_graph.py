import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from deadpan.exporting.graph import Graph


def computed(graph, value, x):
    """What a graph makes of x."""
    graph.rename(value, "y")
    info = helper.make_tensor_value_info
    inputs = [info("x", TensorProto.FLOAT, list(x.shape))]
    whole = graph.finish("g", inputs, [info("y", TensorProto.FLOAT, None)])
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0], len(content)


def test_the_same_node_is_made_once():
    graph = Graph()
    assert graph.op("Add", "x", graph.constant(1.0)) == graph.op("Add", "x", graph.constant(1.0))
    assert graph.op("Add", "x", graph.constant(2.0)) != graph.op("Add", "x", graph.constant(1.0))
    assert graph.whole(1) != graph.constant([1.0])


def test_int8_keeps_a_scale_for_each_output_channel():
    random = np.random.default_rng(0)
    # Channels of very different size: one scale for all would lose the small ones.
    weight = random.normal(size=(64, 32)).astype(np.float32) * np.geomspace(1e-3, 1e3, 32)
    weight = weight.astype(np.float32)
    x = random.normal(size=(5, 64)).astype(np.float32)
    outputs, sizes = {}, {}
    for int8 in (False, True):
        graph = Graph(int8=int8)
        product = graph.op("MatMul", "x", graph.weight(weight, channel=1))
        outputs[int8], sizes[int8] = computed(graph, product, x)
    np.testing.assert_allclose(outputs[False], x @ weight, rtol=1e-4, atol=1e-4)
    # A weight is off by at most half a step, 1 / 254 of its channel's largest.
    bound = np.abs(x).sum(axis=1, keepdims=True) * np.abs(weight).max(axis=0) / 254
    assert (np.abs(outputs[True] - x @ weight) <= bound * 1.001 + 1e-5).all()
    assert not np.allclose(outputs[True], outputs[False])
    assert sizes[True] < 0.4 * sizes[False]


@pytest.mark.parametrize("int8", [False, True])
def test_few_weights_and_zeros_stay_as_they_are(int8):
    small = np.array([[0.1234567, 3.0]], np.float32)
    graph = Graph(int8=int8)
    got, _ = computed(
        graph, graph.op("Mul", "x", graph.weight(small, channel=1)), np.ones_like(small)
    )
    assert got.tolist() == small.tolist()
    zeros = np.zeros((40, 40), np.float32)
    graph = Graph(int8=int8)
    got, _ = computed(graph, graph.op("Add", "x", graph.weight(zeros, channel=1)), zeros)
    assert not got.any()
