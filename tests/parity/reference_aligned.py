"""Models of aligned steps from their equations: one clip, no padding, numpy, plain loops.

A modality that the clip lacks is zeros at every step.
"""

from itertools import combinations

import numpy as np

from .padded import WIDTHS
from .reference import Weights, encoder, head, sigmoid, softmax
from .reference_models import lstm, mlp


def filled(clip, names):
    """Every modality at every step."""
    steps = max(len(clip[m]) for m in names)
    return {m: clip[m] if len(clip[m]) else np.zeros((steps, WIDTHS[m])) for m in names}


def cell(w, place, x, h, c, z=None):
    """One modality's LSTM cell, or LSTHM cell with z; gates: input, forget, cell, output."""
    size = len(h)
    a = w.linear(f"inputs.{place}", x) + h @ w("recurrent")[place]
    if z is not None:
        a = a + w.linear("context", z)[4 * size * place : 4 * size * (place + 1)]
    i, f, g, o = np.split(a, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def memory(w, inputs):
    u = np.zeros(len(w["keep"]["layers.1"]("bias")))
    for x in inputs:
        inputs = np.concatenate([x, u])
        g1, g2 = sigmoid(mlp(w["keep"], 2, inputs)), sigmoid(mlp(w["admit"], 2, inputs))
        u = g1 * u + g2 * np.tanh(mlp(w["proposal"], 2, x))
    return u


def run_cells(w, clip, names, size):
    """Per step and modality: h, c before, c after."""
    x = filled(clip, names)
    h, c = {m: np.zeros(size) for m in names}, {m: np.zeros(size) for m in names}
    for t in range(len(x[names[0]])):
        before = dict(c)
        for place, m in enumerate(names):
            h[m], c[m] = cell(w, place, x[m][t], h[m], c[m])
        yield dict(h), before, dict(c)


def last_of(states, names, size):
    return np.concatenate([states[-1][0][m] if states else np.zeros(size) for m in names])


def mfn(state, clip, names, *, hidden):
    w = Weights(state)
    states = list(run_cells(w["cells"], clip, names, hidden))
    weighed = []
    for _, before, after in states:
        both = np.concatenate([c[m] for m in names for c in (before, after)])
        weighed.append(softmax(mlp(w["attention"], 2, both)) * both)
    u = memory(w["memory"], weighed)
    return mlp(w["head"], 2, np.concatenate([last_of(states, names, hidden), u]))


def graph_mfn(state, clip, names, *, hidden):
    w = Weights(state)
    subsets = [s for n in range(1, len(names) + 1) for s in combinations(range(len(names)), n)]
    edges = [(a, b) for b in subsets for a in subsets if set(a) < set(b)]
    states, taus = list(run_cells(w["cells"], clip, names, hidden)), []
    for _, before, after in states:
        vertex = {(i,): np.concatenate([before[m], after[m]]) for i, m in enumerate(names)}
        singles = np.concatenate([vertex[i,] for i in range(len(names))])
        efficacy = sigmoid(mlp(w["graph"]["efficacies"], 2, singles))
        larger = [s for s in subsets if len(s) > 1]
        for place, subset in enumerate(larger):
            below = [efficacy[i] * vertex[a] for i, (a, b) in enumerate(edges) if b == subset]
            vertex[subset] = mlp(w["graph"][f"vertices.{place}"], 2, np.concatenate(below))
        scaled = [efficacy[len(edges) + i] * vertex[s] for i, s in enumerate(subsets)]
        taus.append(mlp(w["graph"]["output"], 2, np.concatenate(scaled)))
    u = memory(w["memory"], taus)
    return mlp(w["head"], 2, np.concatenate([last_of(states, names, hidden), u]))


def lsthm(state, clip, names, *, hidden, z_width, fuse):
    """MARN and RMFN differ in how z comes from the states of all cells."""
    w, x = Weights(state), filled(clip, names)
    h, c = {m: np.zeros(hidden) for m in names}, {m: np.zeros(hidden) for m in names}
    z = np.zeros(z_width)
    for t in range(len(x[names[0]])):
        for place, m in enumerate(names):
            h[m], c[m] = cell(w["cells"], place, x[m][t], h[m], c[m], z)
        z = fuse(w, h)
    return mlp(w["head"], 2, np.concatenate([h[m] for m in names] + [z]))


def marn(state, clip, names, *, hidden, reduced, attentions):
    def fuse(w, h):
        joined = np.concatenate([h[m] for m in names])
        nets = np.split(w.linear("attention", joined), attentions)
        weighted = [softmax(net) * joined for net in nets]
        return np.concatenate(
            [
                mlp(
                    w["reductions"][m],
                    2,
                    np.concatenate([s[i * hidden : (i + 1) * hidden] for s in weighted]),
                )
                for i, m in enumerate(names)
            ]
        )

    z_width = reduced * len(names)
    return lsthm(state, clip, names, hidden=hidden, z_width=z_width, fuse=fuse)


def rmfn(state, clip, names, *, hidden, summary, stages):
    def fuse(w, h):
        joined = np.concatenate([h[m] for m in names])
        highlights = lstm(w["highlight"], np.stack([joined] * stages))
        weighted = [softmax(w.linear("attention", row)) * joined for row in highlights]
        return mlp(w["summarize"], 2, lstm(w["fuse"], np.stack(weighted)).reshape(-1))

    return lsthm(state, clip, names, hidden=hidden, z_width=summary, fuse=fuse)


def mctn(state, clip, names):
    """At test time only the source counts."""
    w, x = Weights(state), filled(clip, names)[names[0]]
    others = sorted(names[1:], key=lambda m: m != "vision")
    width = max(WIDTHS[m] for m in (names[0], *others[:1]))
    states = np.pad(x, ((0, 0), (0, width - x.shape[1])))
    for place in range(max(len(others), 1)):
        states = lstm(w[f"encoders.{place}"]["lstm"], states)
    last = states[-1] if len(states) else np.zeros(states.shape[1])
    return mlp(w["head"], 2, last)


def lmf_mult(state, clip, names, *, heads, layers, rank):
    """Not aligned: each step of the longest modality meets those at its share of the others."""
    w = Weights(state)
    x = {m: w["projections"].linear(m, clip[m]) for m in names}
    longest, fusion = max(len(v) for v in x.values()), w["fusion"]
    fused = []
    for t in range(longest):
        total = np.array(fusion("bias"))
        for r in range(rank):
            term = fusion("weights")[r]
            for i, m in enumerate(names):
                n = len(x[m])
                h = x[m][t * n // longest] if n else np.zeros(x[m].shape[1])
                term = term * (np.concatenate([[1.0], h]) @ fusion(f"factors.{i}")[r])
            total = total + term
        fused.append(total)
    stream = np.reshape(fused, (longest, x[names[0]].shape[1]))
    parts = []
    for m in names:
        encoded = encoder(w["crossmodal"][m], heads, layers, x[m], stream, False)
        encoded = encoder(w["self_attention"][m], heads, max(layers, 3), encoded, None, False)
        parts.append(encoded[-1] if len(encoded) else np.zeros(encoded.shape[1]))
    return head(w["head"], 1, np.concatenate(parts))
