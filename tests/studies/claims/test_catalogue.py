"""Claims on runs that were made up to bear them out, to refute them, or to leave them open."""

import numpy as np
import pytest
from catalogue import FIXED, OURS, RIVALS, claims

from deadpan.benchmarking.verdicts import FAILS, HOLDS, UNDECIDED, UNTESTED, decide

from .made_up import MODALITIES, columns, evidence, gate
from .tiny_study import SIZES, plan_of

SYSTEMS = {
    "HCT-MG": {"model": "HCTMG", "model_options": SIZES},
    "HCT-T": {"model": "HCTMG", "model_options": SIZES | {"primary": "text"}},
    "HCT-A": {"model": "HCTMG", "model_options": SIZES | {"primary": "audio"}},
    "HCT-V": {"model": "HCTMG", "model_options": SIZES | {"primary": "vision"}},
    "MulT": {"model": "MulT", "model_options": SIZES},
    "LMF-MulT": {"model": "LMFMulT", "model_options": SIZES},
    "LF-LSTM": {"model": "LFLSTM", "model_options": {"hidden": 8}},
}


@pytest.fixture
def plan(tmp_path):
    headline = {"data": "incongruent 50%", "seeds": [6], "systems": [OURS]}
    return plan_of(tmp_path, systems=SYSTEMS, seeds=[1, 2, 3, 4, 5], headline=headline)


def verdicts(plan, made):
    return {d.claim.key: d for d in decide(claims(evidence(plan, made)))}


def favourable(case):
    """All that the paper says."""
    seed = 10 * case.settings.seed + sorted(SYSTEMS).index(case.system)
    inside = {"auc_attention_text": (0.8, 0.8), "auc_gradient_text": (0.8, 0.8)}
    if case.system == OURS:
        inside |= {"before_primary": (0.3, 0.6), "after_primary": (0.3, 0.3)}
        made = columns(error=0.4, seed=seed, **inside)
        return {"columns": made, "gate": gate()}
    if case.system == "MulT":
        inside |= {f"{s}_{m}": (0.3, 0.6) for s in ("before", "after") for m in ("text", "audio")}
    rise = (0.1, 0.4)
    return {
        "columns": columns(error=0.8, hard_error=1.1, flips=rise, seed=seed, **inside),
        "valid_loss": 0.5 if case.system == "HCT-A" else 1.0,
    }


def unfavourable(case):
    """The opposite of all of it."""
    seed = 10 * case.settings.seed + sorted(SYSTEMS).index(case.system)
    if case.system == OURS:
        inside = {"before_primary": (0.3, 0.6), "after_primary": (0.3, 0.6)}
        inside |= {"auc_attention_text": (0.5, 0.5)}
        made = columns(error=0.8, hard_error=1.2, flips=(0.1, 0.5), seed=seed, **inside)
        return {"columns": made, "gate": gate("vision", frozen=False)}
    inside = {f"{s}_text": (0.6, 0.3) for s in ("before", "after")}
    return {"columns": columns(error=0.5, seed=seed, **inside)}


def test_claims_that_runs_bear_out_hold(plan):
    found = verdicts(plan, favourable)
    untested = {"the paper's benchmarks", "redundancy"}
    assert {key for key, d in found.items() if d.verdict == UNTESTED} == untested
    # The gate names text, which always contributes most; a constant guess would as well.
    assert found["primary by contribution"].verdict == FAILS
    rest = untested | {"primary by contribution"}
    assert {d.verdict for key, d in found.items() if key not in rest} == {HOLDS}
    # 0.4 instead of 0.8; 0.4 instead of 1.1 on the hard ones.
    best = found["gate beats a fixed primary"].claim.deciding
    assert best.interval.estimate == pytest.approx(1 - 0.4 / 0.95, abs=0.01)
    assert "HCT-A" in best.systems  # chosen on validation: all are alike on the test split
    hard = found["hard clips"].claim.deciding
    assert hard.interval.estimate == pytest.approx(1 - 0.4 / 1.1, abs=0.01)
    rise = found["mitigated in what is predicted"].claim.deciding
    assert rise.interval.estimate == pytest.approx(0.3, abs=0.01)
    inside = found["mitigated at the latent level"].claim.deciding
    assert inside.interval.estimate == pytest.approx(0.5, abs=0.1)


def test_claims_that_runs_refute_do_not_hold(plan):
    found = verdicts(plan, unfavourable)
    untested = {"the paper's benchmarks", "redundancy"}
    assert {d.verdict for key, d in found.items() if key not in untested} == {FAILS}
    assert found["text dominates"].claim.deciding.interval.estimate == 0


def test_too_few_runs_leave_claims_open(plan):
    found = verdicts(plan, lambda case: favourable(case) if case.settings.seed == 1 else None)
    open_ones = {UNTESTED, UNDECIDED}
    assert {d.verdict for d in found.values()} == open_ones
    # A share of runs is tested with one run for each rate, and not decided by so few.
    shares = [key for key, d in found.items() if d.verdict == UNDECIDED]
    assert shares == ["text dominates", "the gate converges"]


def test_a_gate_that_follows_the_contributions_beats_a_constant_guess(plan):
    def following(case):
        made = favourable(case)
        if case.system == OURS:
            chosen = "text" if case.data == "congruent" else "audio"
            gains = {f"gain_{m}": np.full(40, 0.6 if m == chosen else 0.1) for m in MODALITIES}
            made |= {"columns": made["columns"] | gains, "gate": gate(chosen)}
        return made

    deciding = verdicts(plan, following)["primary by contribution"].claim.deciding
    assert "beyond a constant guess of " in deciding.test
    assert 0.4 < deciding.interval.estimate < 0.6
    # Shown by the gate of one more seed, too, which has runs at one rate alone.
    assert deciding.interval.units == 6


def test_a_fixed_primary_that_contributes_most_whichever_it_is_is_shown(plan):
    findings = verdicts(plan, favourable)["primary by contribution"].claim.others
    controls = {f.systems[0]: f.interval.estimate for f in findings if f.systems[0] in FIXED}
    assert controls == {"HCT-T": 1.0, "HCT-A": 0.0, "HCT-V": 0.0}


def test_what_has_learned_nothing_tests_nothing(plan):
    def idle(case):
        made = favourable(case)
        if case.system == "MulT":
            made["columns"] = made["columns"] | {"error": made["columns"]["error"] + 1}
        return made

    found = verdicts(plan, idle)
    for key in ("hard clips", "incongruity at the latent level", "mitigated at the latent level"):
        assert found[key].verdict == UNTESTED
        assert "MulT has learned nothing here" in found[key].claim.deciding.missing
    # An equal budget is an equal budget: that claim says who learned nothing, and stands.
    assert found["smaller yet better"].verdict == HOLDS
    assert "MulT has learned nothing here" in found["smaller yet better"].claim.remark


def test_a_system_that_is_lacking_is_named(plan):
    found = verdicts(plan, lambda case: None if case.system == "LF-LSTM" else favourable(case))
    smaller = found["smaller yet better"]
    assert smaller.verdict == UNTESTED
    assert smaller.claim.deciding.missing == "no finished run of LF-LSTM"
    assert found["gate beats a fixed primary"].verdict == HOLDS


def test_the_weakest_rival_decides(plan):
    def close(case):
        made = favourable(case)
        if case.system == "LMF-MulT":
            made["columns"] = columns(error=0.41, seed=case.settings.seed)
        return made

    deciding = verdicts(plan, close)["smaller yet better"].claim.deciding
    assert "LMF-MulT" in deciding.systems
    assert deciding.interval.estimate == pytest.approx(1 - 0.4 / 0.41, abs=0.01)


def test_nothing_at_all_is_no_crash(plan):
    found = verdicts(plan, lambda _: None)
    assert {d.verdict for d in found.values()} == {UNTESTED}


def test_the_best_is_chosen_on_validation(plan):
    found = evidence(plan, favourable)
    assert found.best_on_validation("incongruent 50%", FIXED) == "HCT-A"
    assert evidence(plan, lambda _: None).best_on_validation("incongruent 50%", RIVALS) is None


def test_real_clips_widen_the_interval_by_their_own_chance(tmp_path):
    (tmp_path / "real.pkl").touch()
    data = {"real": {"data": str(tmp_path / "real.pkl")}}
    real = plan_of(tmp_path, data=data, systems=SYSTEMS, headline={})
    made = evidence(real, favourable)
    assert made.real == ["real"] and made.rates == {}
    found = {d.claim.key: d for d in decide(claims(made))}
    others = found["the paper's benchmarks"].claim.others
    assert [f.systems[1] for f in others] == list(RIVALS)
    assert others[0].interval.low < others[0].interval.estimate < others[0].interval.high
    assert "half of the clips" in found["hard clips"].claim.others[0].test
