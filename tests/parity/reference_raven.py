"""RAVEN from its equations: one clip, no padding, numpy in float64, word by word."""

import numpy as np

from .reference import Weights, sigmoid
from .reference_models import last_state, lstm


class WholeLSTM:
    """An LSTM with all its weights: those that one frame never meets are arbitrary."""

    def __init__(self, gates):
        rng = np.random.default_rng(0)
        input_gate, cell, output_gate = np.split(gates("weight"), 3)
        i_bias, g_bias, o_bias = np.split(gates("bias"), 3)
        size = len(input_gate)
        forget = rng.normal(size=input_gate.shape)
        self.held = {
            "weight_ih_l0": np.concatenate([input_gate, forget, cell, output_gate]),
            "bias_ih_l0": np.concatenate([i_bias, rng.normal(size=size), g_bias, o_bias]),
            "weight_hh_l0": rng.normal(size=(4 * size, size)),
            "bias_hh_l0": np.zeros(4 * size),
        }

    def __call__(self, name):
        return self.held[name]


def raven(state, clip, names, *, shift_limit, widths, formula="paper"):
    w = Weights(state)
    text, *nonverbal = names
    steps = max(len(clip[m]) for m in names)
    words = clip[text] if len(clip[text]) else np.zeros((steps, widths[text]))
    shifted = []
    for t, e in enumerate(words):
        weighted = []
        for m in nonverbal:
            cell = WholeLSTM(w["frames"][m]["gates"])
            # As many frames as the word has of this modality: one, or none where it is missing.
            frames = clip[m][t : t + 1]
            h = lstm(cell, frames)[-1] if len(frames) else np.zeros(cell("weight_hh_l0").shape[1])
            gate = w["gates"].linear(m, np.concatenate([h, e]))
            weighted.append((gate if formula == "code" else sigmoid(gate)) * h)
        if weighted:
            s = w.linear("shift", np.concatenate(weighted))
            longest, length = shift_limit * np.linalg.norm(e), np.linalg.norm(s)
            alpha = longest / max(length, 1) if formula == "code" else min(longest / length, 1)
            e = e + alpha * s
        shifted.append(e)
    read = np.reshape(shifted, (steps, widths[text]))
    return w.linear("output", last_state(w["recurrent"]["lstm"], read))
