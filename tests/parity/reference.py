"""HCT-MG and its parts from the equations: one clip, no padding, numpy in float64, plain loops."""

import math

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


class Weights:
    """The parameters under one name of a state dict: ``w["gru"]("weight_ih_l0")``."""

    def __init__(self, state, prefix=""):
        self.state, self.prefix = state, prefix

    def __getitem__(self, name):
        return Weights(self.state, f"{self.prefix}{name}.")

    def __call__(self, name):
        return self.state[self.prefix + name].double().numpy()

    def linear(self, name, x):
        bias = f"{self.prefix}{name}.bias"
        y = x @ self[name]("weight").T
        return y + self[name]("bias") if bias in self.state else y

    def norm(self, name, x):
        scaled = [(row - row.mean()) / math.sqrt(row.var() + 1e-5) for row in x]
        return np.reshape(scaled, x.shape) * self[name]("weight") + self[name]("bias")


def positions(steps, width):
    half = width // 2
    table = np.zeros((steps, width))
    for row in range(steps):
        for i in range(half):
            angle = (row + 1) * 10_000 ** (-i / (half - 1))
            table[row, i], table[row, half + i] = math.sin(angle), math.cos(angle)
    return table


def gru(w, x, suffix=""):
    """Gates in torch's order: reset, update, new."""
    size = w("weight_hh_l0" + suffix).shape[1]
    h, states = np.zeros(size), []
    for step in x:
        a = w("weight_ih_l0" + suffix) @ step + w("bias_ih_l0" + suffix)
        b = w("weight_hh_l0" + suffix) @ h + w("bias_hh_l0" + suffix)
        r = sigmoid(a[:size] + b[:size])
        z = sigmoid(a[size : 2 * size] + b[size : 2 * size])
        n = np.tanh(a[2 * size :] + r * b[2 * size :])
        h = (1 - z) * n + z * h
        states.append(h)
    return np.reshape(states, (len(x), size))


def both_ways(w, x):
    backwards = gru(w, x[::-1], "_reverse")[::-1]
    return np.concatenate([gru(w, x), backwards], axis=1)


def attention(w, heads, target, source, mask_future=False):
    width = target.shape[1]
    part = width // heads
    query = w.linear("query", target)
    key, value = np.split(w.linear("key_value", source), 2, axis=1)
    attended = np.zeros((len(target), width))
    for t in range(len(target)):
        # MulT: minus infinity strictly above the diagonal 1 + |Lq - Lk|, which is inclusive there.
        end = t + abs(len(target) - len(source)) + 1 if mask_future else len(source)
        for head in range(heads):
            own = slice(head * part, (head + 1) * part)
            if len(source):
                scores = np.array([query[t, own] @ k / math.sqrt(part) for k in key[:end, own]])
                attended[t, own] = softmax(scores) @ value[:end, own]
    return w.linear("output", attended)


def encoder(w, heads, layers, target, source=None, mask_future=False):
    """CMT(source -> target); self-attention without a source."""
    if not len(target):
        return target
    width = target.shape[1]
    x = math.sqrt(width) * target + positions(len(target), width)
    if source is not None:
        source = math.sqrt(width) * source + positions(len(source), width)
    for i in range(layers):
        layer = w[f"layers.{i}"]
        q = layer.norm("attention_norm", x)
        kv = q if source is None else layer.norm("attention_norm", source)
        x = x + attention(layer["attention"], heads, q, kv, mask_future)
        hidden = np.maximum(layer.linear("expand", layer.norm("feedforward_norm", x)), 0)
        x = x + layer.linear("contract", hidden)
    return w.norm("norm", x)


def head(w, blocks, z):
    for i in range(blocks):
        hidden = np.maximum(w.linear(f"blocks.{i}.0", z), 0)
        z = z + w.linear(f"blocks.{i}.1", hidden)
    return w.linear("output", z)


def hct_mg(
    state,
    clip,
    names,
    *,
    heads,
    layers,
    head_blocks=2,
    primary=None,
    gate="post",
    sharing="roles",
    pooling="last",
    mask_future=False,
    bidirectional=False,
):
    """Predict one clip; ``clip`` maps each of ``names`` (canonical order) to [step, feature]."""
    w = Weights(state)
    read = both_ways if bidirectional else gru
    x = {m: read(w["recurrent"][m]["gru"], w["projections"].linear(m, clip[m])) for m in names}

    if primary is None:
        weights = softmax(w["gate"]("logits"))
        primary = names[int(np.argmax(weights))]
        weight = dict(zip(names, weights * (len(names) if gate == "even" else 1), strict=True))
    else:
        weight = dict.fromkeys(names, 1.0)
    auxiliaries = [m for m in names if m != primary]

    def cmt(source, target, role):
        key = f"{source}_to_{target}" if sharing == "pairs" else role
        w_cmt = w["crossmodal"][key]
        return encoder(w_cmt, heads, layers, x[target], x[source], mask_future)

    if gate == "pre":
        x = {m: weight[m] * x[m] for m in names}
    if len(auxiliaries) == 2:
        a1, a2 = auxiliaries
        hat1 = cmt(a2, a1, "auxiliary2_to_auxiliary1")
        hat2 = cmt(a1, a2, "auxiliary1_to_auxiliary2")
        x[a1], x[a2] = hat1, hat2
    if gate != "pre":
        x = {m: weight[m] * x[m] for m in names}
    views = [cmt(a, primary, f"auxiliary{i}_to_primary") for i, a in enumerate(auxiliaries, 1)]
    joined = np.concatenate(views, axis=1) if views else x[primary]
    fused = encoder(w["self_attention"], heads, max(layers, 3), joined, None, mask_future)

    def pool(steps, own):
        if not len(steps):
            return np.zeros(steps.shape[1])
        if pooling == "attention":
            return softmax(steps @ own("query") / np.sqrt(steps.shape[1])) @ steps
        return steps[-1] if pooling == "last" else steps.mean(axis=0)

    pooled = [pool(x[a], w["auxiliary_pools"][str(i)]) for i, a in enumerate(auxiliaries)]
    z = [w["auxiliary_maps"].linear(str(i), vector) for i, vector in enumerate(pooled)]
    return head(w["head"], head_blocks, np.concatenate([*z, pool(fused, w["pool"])]))
