"""Finished runs that never ran, with the measures that a test asks for."""

import numpy as np
from measuring import ClaimRun, claim_runs

from deadpan.training.history import EpochHistory, GateHistory

MODALITIES = ("text", "audio", "vision")


def columns(
    clips=40, *, error=0.5, hard_error=None, flips=(0.1, 0.1), gains=(0.6, 0.2, 0.1), seed=0, **more
):
    """Half incongruent, all negative; numbers scatter a little around what is asked for.

    Args:
        clips: how many.
        error: mean on congruent clips.
        hard_error: on incongruent ones; None = the same.
        flips: shares of wrong signs, congruent and incongruent.
        gains: of each modality.
        seed: of the scatter.
        **more: further columns, as (congruent, incongruent) means.
    """
    random = np.random.default_rng(seed)
    hard = np.arange(clips) % 2 == 1

    def around(plain, incongruent):
        return np.where(hard, incongruent, plain) + random.normal(0, 0.02, clips)

    def share(rate):
        return (np.arange(clips) // 2) < rate * clips / 2 + seed % 3 - 1

    return {
        "id": np.array([f"c{i}" for i in range(clips)], dtype=object),
        "kind": np.array(["majority" if h else "congruent" for h in hard], dtype=object),
        "incongruity": np.where(hard, 0.4, 0.0),
        "label": np.full(clips, -1.0),
        "prediction": np.full(clips, -1.0),
        "error": around(error, error if hard_error is None else hard_error),
        "flip": np.where(hard, share(flips[1]), share(flips[0])).astype(float),
        "disagreement": around(0.2, 1.0),
        **{f"gain_{m}": around(g, g) for m, g in zip(MODALITIES, gains, strict=True)},
        **{name: around(*values) for name, values in more.items()},
    }


def gate(primary="text", *, frozen=True, largest=0.5):
    steps = 20  # in each of seven epochs: noise would freeze 45 % of gates
    rest = (1 - largest) / 2
    weights = np.array([[largest if name == primary else rest for name in MODALITIES]] * 7 * steps)
    return GateHistory(
        modalities=MODALITIES,
        weights=weights,
        epochs=np.repeat(np.arange(1, 8), steps),
        frozen_epoch=6 if frozen else None,
    )


def run_of(case, columns, *, gate=None, valid_loss=1.0):
    losses = np.array([2.0, valid_loss, 3.0])
    return ClaimRun(
        seed=case.settings.seed,
        columns=columns,
        valid_loss=valid_loss,
        constant_error=1.5,
        epochs=EpochHistory(
            epochs=np.array([1, 2, 3]),
            train_loss=losses,
            valid_loss=losses,
            seconds=np.ones(3),
            best_epoch=2,
            frozen_epoch=None,
        ),
        gate=gate,
        parameters=500_000,
        patience=2,
        ridge_error=1.2,
        commit="abc",
        place=str(case.directory),
    )


def evidence(plan, made):
    """Every run of a plan.

    Args:
        plan: which runs there are.
        made: from a case to the other arguments of ``run_of``; None = it has not finished.
    """
    runs = {}
    for case in plan.cases():
        if (arguments := made(case)) is not None:
            run = run_of(case, **arguments)
            runs.setdefault((case.data, case.system), {})[run.seed] = run
    return claim_runs(plan, runs)
