"""Finished runs that never ran: what they say is what the test wants them to."""

import numpy as np

from deadpan.replication.evidence import Evidence, Measured
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
        return (np.arange(clips) // 2) < rate * clips / 2

    return {
        "id": np.array([f"c{i}" for i in range(clips)], dtype=object),
        "kind": np.array(["sarcasm" if h else "congruent" for h in hard], dtype=object),
        "spread": np.where(hard, 1.6, 0.3),
        "label": np.full(clips, -1.0),
        "prediction": np.full(clips, -1.0),
        "error": around(error, error if hard_error is None else hard_error),
        "flip": np.where(hard, share(flips[1]), share(flips[0])).astype(float),
        "disagreement": around(0.2, 1.0),
        **{f"gain_{m}": around(g, g) for m, g in zip(MODALITIES, gains, strict=True)},
        **{name: around(*values) for name, values in more.items()},
    }


def gate(primary="text", *, frozen=True):
    weights = np.array([[0.5 if name == primary else 0.25 for name in MODALITIES]] * 3)
    return GateHistory(
        modalities=MODALITIES,
        weights=weights,
        epochs=np.array([1, 2, 3]),
        frozen_epoch=2 if frozen else None,
    )


def measured(case, told, *, gate=None, valid_loss=1.0):
    losses = np.array([2.0, valid_loss, 3.0])
    return Measured(
        case=case,
        columns=told,
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
        ridge=1.0,
        constant=1.5,
        commit="abc",
        place=str(case.place),
    )


def evidence(plan, told):
    """Every run of a plan.

    Args:
        plan: which runs there are.
        told: from a case to the arguments of ``measured`` behind it; None = it has not finished.
    """
    runs = {}
    for case in plan.cases():
        if (made := told(case)) is not None:
            runs.setdefault((case.data, case.system), {})[case.settings.seed] = measured(
                case, **made
            )
    return Evidence(plan=plan, runs=runs)
