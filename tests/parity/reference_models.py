"""The baselines from their equations: one clip, no padding, numpy in float64, plain loops."""

from itertools import combinations, permutations

import numpy as np

from .reference import Weights, both_ways, encoder, head, sigmoid, softmax


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


def cia(state, clips, videos, names):
    """Predictions of all clips, and the reconstruction losses; ``videos`` names each clip's."""
    w, utterances, errors = Weights(state), [], {}
    for clip in clips:
        vectors = {m: clip[m].mean(axis=0) if len(clip[m]) else clip[m].sum(axis=0) for m in names}
        for a, b in permutations(names, 2):
            coder = w["autoencoders"][f"{a}_to_{b}"]
            code = vectors[a]
            for layer in range(3):
                code = np.tanh(coder["encoder"].linear(f"{layer}.0", code))
            guess = code
            for layer in range(2):
                guess = np.tanh(coder["decoder"].linear(f"{layer}.0", guess))
            error = np.mean((coder.linear("guess", guess) - vectors[b]) ** 2)
            both = errors.setdefault(f"reconstruction_{a}_to_{b}", [])
            both += [error] if len(clip[a]) and len(clip[b]) else []
            vectors[f"{a}_to_{b}"] = code if len(clip[a]) else 0 * code
        utterances.append(vectors)
    predictions = [np.zeros(0)] * len(clips)
    for place, video in enumerate(videos):
        members = [i for i, v in enumerate(videos) if v == video and video is not None] or [place]
        of_video = cia_video(w, [utterances[i] for i in members], names)
        predictions[place] = of_video[members.index(place)]
    return np.stack(predictions), {name: np.mean(each) for name, each in errors.items()}


def cia_video(w, utterances, names):
    read = {}
    for name in utterances[0]:
        reader = w["readers"][name]
        states = both_ways(reader["recurrent"]["gru"], np.stack([u[name] for u in utterances]))
        read[name] = np.maximum(reader.linear("map", states), 0)

    def attend(x, y):
        return np.stack([softmax(y @ one) @ y * one for one in x])

    parts = [attend(read[names[0]], read[names[0]])] if len(names) == 1 else []
    for place, (a, b) in enumerate(combinations(names, 2)):
        own = np.concatenate([read[a], read[b]], axis=1)
        own = np.maximum(w["join"].linear(str(place), own), 0)
        shared = (read[f"{a}_to_{b}"] + read[f"{b}_to_{a}"]) / 2
        parts += [attend(own, shared), attend(shared, own)]
    return [mlp(w["head"], 2, row) for row in np.concatenate(parts, axis=1)]
