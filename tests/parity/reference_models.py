"""The baselines from their equations: one clip, no padding, numpy in float64, plain loops."""

import numpy as np

from .reference import Weights, encoder, head, sigmoid


def lstm(w, x):
    """Gates in torch's order: input, forget, cell, output."""
    size = w("weight_hh_l0").shape[1]
    h, c, states = np.zeros(size), np.zeros(size), []
    for step in x:
        a = w("weight_ih_l0") @ step + w("bias_ih_l0") + w("weight_hh_l0") @ h + w("bias_hh_l0")
        i, f, g, o = np.split(a, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.reshape(states, (len(x), size))


def last_state(w, x):
    states = lstm(w, x)
    return states[-1] if len(x) else np.zeros(states.shape[1])


def mlp(w, depth, x):
    for i in range(depth - 1):
        x = np.maximum(w.linear(f"layers.{i}", x), 0)
    return w.linear(f"layers.{depth - 1}", x)


def lf_lstm(state, clip, names):
    w = Weights(state)
    last = [last_state(w["recurrent"][m]["lstm"], clip[m]) for m in names]
    return mlp(w["head"], 2, np.concatenate(last))


def mult(state, clip, names, *, heads, layers, mask_future=True):
    w = Weights(state)
    x = {m: w["projections"].linear(m, clip[m]) for m in names}
    parts = []
    for target in names:
        views = [
            encoder(
                w["crossmodal"][f"{source}_to_{target}"],
                heads,
                layers,
                x[target],
                x[source],
                mask_future,
            )
            for source in names
            if source != target
        ]
        joined = np.concatenate(views, axis=1) if views else x[target]
        memory = w["self_attention"][target]
        steps = encoder(memory, heads, max(layers, 3), joined, None, mask_future)
        parts.append(steps[-1] if len(steps) else np.zeros(steps.shape[1]))
    return head(w["head"], 1, np.concatenate(parts))


def mean_subnet(w, x):
    if not len(x):
        return np.zeros(len(w["mlp"]["layers.2"]("bias")))
    return np.maximum(mlp(w["mlp"], 3, x.mean(axis=0)), 0)


def lstm_subnet(w, x):
    if not len(x):
        return np.zeros(len(w["output"]("bias")))
    return w.linear("output", last_state(w["recurrent"]["lstm"], x))


def subnets(w, clip, names):
    """The vector of each modality: of text from its LSTM, of others from their means."""
    return [(lstm_subnet if m == "text" else mean_subnet)(w[m], clip[m]) for m in names]


def lmf(state, clip, names, *, rank):
    """The weight tensor is put together from its factors and meets the whole outer product."""
    w = Weights(state)
    tensor, weight = np.ones(1), 0
    for h in subnets(w["subnets"], clip, names):
        tensor = np.multiply.outer(tensor, np.concatenate([[1.0], h]))
    fusion = w["fusion"]
    for r in range(rank):
        term = fusion("weights")[r] * np.ones((1, len(fusion("bias"))))
        for i in range(len(names)):
            term = np.einsum("...o,ho->...ho", term, fusion(f"factors.{i}")[r])
        weight = weight + term
    return np.tensordot(tensor, weight, axes=tensor.ndim) + fusion("bias")


def lf_dnn(state, clip, names):
    w = Weights(state)
    vectors = [mean_subnet(w["subnets"][m], clip[m]) for m in names]
    return mlp(w["head"], 3, np.concatenate(vectors))


def tfn(state, clip, names):
    w = Weights(state)
    tensor = np.ones(1)
    for h in subnets(w["subnets"], clip, names):
        tensor = np.multiply.outer(tensor, np.concatenate([[1.0], h]))
    return mlp(w["head"], 3, tensor.reshape(-1))
