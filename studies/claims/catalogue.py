"""The paper's claims, each with its test; fixed before any run of the study.

Each claim is a function from the runs to a :class:`Claim` with one deciding test. The headline
claims come first, then what happens inside the networks, the gate, attention, and what cannot be
tested.
"""

from collections.abc import Iterable, Sequence
from functools import partial

import clip_statistics as stats
import numpy as np
from gate_null import frozen_by_noise
from measuring import METHODS, ClaimRun, ClaimRuns

from deadpan.benchmarking.evidence import SMALLEST_EFFECT, error_avoided
from deadpan.benchmarking.verdicts import Claim, Finding, weakest_finding
from deadpan.metrics.intervals import seed_interval
from deadpan.training.run import GATE_FLOOR
from deadpan.types import MODALITIES, TEXT

OURS, MULT = "HCT-MG", "MulT"
VARIANTS = ("HCT-MG (pre)", "HCT-MG (even)")
RIVALS = (MULT, "LMF-MulT", "LF-LSTM")
FIXED = ("HCT-T", "HCT-A", "HCT-V")
AREA = "area under the ROC curve"
ALL_RATES = "generated clips, all rates above 0 together"
CHANCE = 1 / 3  # of one modality in three


def claims(runs: ClaimRuns) -> list[Claim]:
    """Every claim, in the order of the abstract, then of the paper."""
    return [
        smaller_yet_better(runs),
        better_than_fixed(runs),
        hard_clips(runs),
        incongruity_is_there(runs),
        mitigated_inside(runs),
        mitigated_outside(runs),
        contribution_chooses(runs),
        text_dominates(runs),
        gate_converges(runs),
        attention_finds(runs),
        competitive(runs),
        less_redundant(),
    ]


def smaller_yet_better(runs: ClaimRuns) -> Claim:
    """Headline: fewer than a million parameters, and fewer errors than systems of similar size."""
    data = _headline(runs)
    findings = runs.against_each(data, OURS, RIVALS)
    elsewhere = [
        finding
        for name in runs.plan.grid.data
        if [name] != data
        for finding in runs.against_each([name], OURS, RIVALS)
    ]
    sizes = {
        system: run.parameters
        for name in data
        for system in (OURS, *RIVALS)
        for run in list(runs.by_seed(name, system).values())[:1]
    }
    sizes_text = ", ".join(f"{system} {size:,}" for system, size in sizes.items())
    remarks = [
        f"Parameters here: {sizes_text or 'unknown'}",
        "LMF-MulT as its paper defines it is smaller than HCT-MG; its authors report 0.84M",
        "Each system was tuned with as many trials on the validation split of another corpus "
        "(tuning.yaml) and trains until validation no longer gets better",
        *runs.unlearned(data, [OURS, *RIVALS]),
    ]
    return Claim(
        key="smaller yet better",
        says="reduces model size to less than 1M parameters while outperforming existing models of "
        "similar sizes",
        source="abstract, item 3",
        deciding=weakest_finding(
            f"{OURS} errs less than each of {', '.join(RIVALS)}",
            findings,
            [system for system in RIVALS if not runs.seeds(data, [OURS, system])],
        ),
        others=(*findings, *elsewhere),
        remark=". ".join(remarks) + ".",
        headline=True,
    )


def better_than_fixed(runs: ClaimRuns) -> Claim:
    """Headline: the gate gains over the best primary that could have been fixed."""
    headline = _headline(runs)
    deciding = _against_best(runs, OURS, headline)
    variants = [f for system in VARIANTS for f in _against_best(runs, system, headline)]
    elsewhere = [
        finding
        for data in runs.plan.grid.data
        if [data] != headline
        for system in (OURS, *VARIANTS)
        for finding in _against_best(runs, system, [data])
    ]
    return Claim(
        key="gate beats a fixed primary",
        says="the scores [of the best fixed primary] are still lower than those of HCT-MG",
        source="section 5.3.3",
        deciding=deciding[0] if deciding else None,
        others=(*variants, *elsewhere),
        remark="The best fixed primary is the one with the lowest mean validation loss; the test "
        "split has no say. HCT-MG (pre) weighs the modalities before they meet (--model.gate pre), "
        "HCT-MG (even) multiplies by weights times their number (--model.gate even): rows of their "
        "own, which decide nothing. The paper's Table 4 shows the opposite of its text on MOSI.",
        headline=True,
    )


def hard_clips(runs: ClaimRuns) -> Claim:
    """Fewer errors than MulT where modalities contradict each other."""
    findings = runs.against_each(
        _clashing(runs),
        OURS,
        RIVALS,
        stats.error_avoided_on_hard,
        where=", incongruent clips, all rates above 0 together",
        learned=True,
    )
    by_proxy = [
        finding
        for name in runs.real
        if any("disagreement" in run.columns for run in runs.by_seed(name, OURS).values())
        for finding in runs.against_each(
            [name],
            OURS,
            RIVALS,
            stats.error_avoided_on_disagreement,
            where=f", {name}, the half of the clips whose modalities alone predict the most unlike "
            "scores",
        )
    ]
    deciding, others = _against_mult(findings)
    return Claim(
        key="hard clips",
        says="outperforms major prior work by ... recognizing hard samples",
        source="abstract, 1); section 5.2.2, Table 3",
        deciding=deciding,
        others=(*others, *by_proxy),
        remark="Hard: the generator made the modalities contradict each other. Where no truth is "
        "known, the disagreement of single-modality predictions stands in for it.",
    )


def incongruity_is_there(runs: ClaimRuns) -> Claim:
    """In MulT's text, the views from audio and vision lie further apart where modalities clash."""
    findings = [
        runs.compare(
            f"how well the distance between the views of {name} in {system} tells incongruent "
            f"clips from congruent ones, before self-attention; {ALL_RATES}",
            _clashing(runs),
            [system],
            partial(stats.traced, stage="before", target=name),
            unit=AREA,
            null=0.5,
            learned=True,
        )
        for system, name in ((MULT, TEXT), (MULT, "audio"), (MULT, "vision"), (OURS, "primary"))
    ]
    return Claim(
        key="incongruity at the latent level",
        says="inter-modal incongruity exists at the latent level due to crossmodal attention",
        source="abstract; section 3",
        deciding=findings[0],
        others=tuple(findings[1:]),
        remark="Distance: 1 - cosine of the two views at each real step, averaged. That it exists "
        "is tested; that attention causes it is not.",
    )


def mitigated_inside(runs: ClaimRuns) -> Claim:
    """Less of it is left after self-attention in HCT-MG than in MulT."""
    between = runs.compare(
        f"how much better the distance after self-attention tells incongruent clips in {MULT}'s "
        f"text than in the primary of {OURS}; {ALL_RATES}",
        _clashing(runs),
        [OURS, MULT],
        partial(stats.less_traced, target=TEXT),
        unit=f"difference of {AREA}",
        learned=True,
    )
    within = [
        runs.compare(
            f"the same in {system} ({name}), before minus after self-attention; {ALL_RATES}",
            _clashing(runs),
            [system],
            partial(stats.resolved_within, target=name),
            unit=f"difference of {AREA}",
            learned=True,
        )
        for system, name in ((OURS, "primary"), (MULT, TEXT))
    ]
    return Claim(
        key="mitigated at the latent level",
        says="mitigates the inter-modal incongruity at the latent level when modalities have "
        "mismatched affective tendencies",
        source="abstract, 2); section 5.3.1, Figure 5",
        deciding=between,
        others=tuple(within),
        remark="Positive: less of it is left in HCT-MG.",
    )


def mitigated_outside(runs: ClaimRuns) -> Claim:
    """The sign of HCT-MG's predictions is wrong less often than MulT's on incongruent clips."""
    deciding, others = _against_mult(
        runs.against_each(
            _clashing(runs),
            OURS,
            RIVALS,
            stats.flips_avoided,
            unit="difference of the rates of wrong signs",
            where=f": wrong signs on incongruent clips; {ALL_RATES}",
            learned=True,
        )
    )
    return Claim(
        key="mitigated in what is predicted",
        says="the incongruity is resolved; MulT ... produces results that contradict ground truths",
        source="sections 5.2.2 and 5.3.1",
        deciding=deciding,
        others=tuple(others),
        remark="Incongruent and congruent clips are as often positive as negative, and as loud.",
    )


def contribution_chooses(runs: ClaimRuns) -> Claim:
    """The gate's primary is the modality that does most for the task."""
    places = [(list(runs.rates), "generated clips, all rates")]
    places += [([data], data) for data in runs.real]
    findings = [_beyond_a_constant_guess(runs, data, where) for data, where in places]
    controls = [
        runs.share(
            f"runs of {system} in which its primary contributes most, generated clips, all rates",
            list(runs.rates),
            system,
            [(run, _most_useful(run) == modality) for run in _runs_of(runs, runs.rates, system)],
            null=CHANCE,
            margin=CHANCE + SMALLEST_EFFECT,
        )
        for system, modality in zip(FIXED, MODALITIES, strict=True)
    ]
    return Claim(
        key="primary by contribution",
        says="determines a primary modality according to its contribution to the target task",
        source="abstract; section 4",
        deciding=findings[0],
        others=(*findings[1:], *controls),
        remark="Contribution: the Shapley value of each modality in lowering the error, over the "
        "subsets of modalities that the trained network is given. Tested against the best "
        "constant guess: the modality that contributes most in most runs, whatever the gate says. "
        "Controls: where a fixed primary contributes most whichever it is, being the primary "
        "makes a modality contribute, and agreement of gate and contribution shows nothing.",
    )


def _beyond_a_constant_guess(runs: ClaimRuns, data: Sequence[str], where: str) -> Finding:
    """How much oftener the gate names the most useful modality than the best constant guess."""
    gated = _gated(runs, data)
    useful = {(run.seed, run.place): _most_useful(run) for run in gated}
    guess = max(sorted(set(useful.values())), key=[*useful.values()].count, default="")
    seeds = sorted({run.seed for run in gated})
    effects = [
        np.mean(
            [
                float(run.primary == useful[run.seed, run.place])
                - float(guess == useful[run.seed, run.place])
                for run in gated
                if run.seed == seed
            ]
        )
        for seed in seeds
    ]
    return Finding(
        test=f"gates of {OURS} that end on the modality that contributes most, beyond a constant "
        f"guess{f' of {guess}' if guess else ''}, {where}",
        data=tuple(data),
        systems=(OURS,),
        seeds=tuple(seeds),
        interval=seed_interval(np.array(effects, dtype=np.float64)),
        unit="difference of shares of runs, a seed a unit",
        margin=SMALLEST_EFFECT,
        percent=True,
        missing="" if gated else f"no finished run of {OURS}",
    )


def text_dominates(runs: ClaimRuns) -> Claim:
    """The gate ends on text."""

    def ends_on_text(data: Sequence[str], where: str) -> Finding:
        return runs.share(
            f"gates of {OURS} that end on text, {where}",
            data,
            OURS,
            [(run, run.primary == TEXT) for run in _gated(runs, data)],
            null=CHANCE,
            margin=0.5,
        )

    ahead = [
        runs.compare(
            f"error that text takes away in {OURS} beyond the best other modality, {data}",
            [data],
            [OURS],
            partial(stats.ahead, modality=TEXT),
            unit="share of all error taken away",
            percent=True,
        )
        for data in runs.plan.grid.data
        if runs.by_seed(data, OURS)
    ]
    return Claim(
        key="text dominates",
        says="the text modality does dominate; the selection process supports the primacy of text",
        source="section 5.3.2, conclusion 3)",
        deciding=ends_on_text(
            list(runs.rates), "generated clips, all rates; text carries, as made"
        ),
        others=(*(ends_on_text([x], x) for x in runs.real if runs.by_seed(x, OURS)), *ahead),
        remark="On generated clips text carries because it was made to: the test asks whether the "
        "gate sees it. In ravdess4 two sentences say nothing of the emotion: text must not win "
        "there.",
    )


def gate_converges(runs: ClaimRuns) -> Claim:
    """The weights settle, and the gate is frozen, within the epochs of a run."""

    def settled(test: str, data: Sequence[str]) -> Finding:
        gated = _gated(runs, data)
        nulls = [_frozen_by_noise(runs, name, run) for name in data for run in _gated(runs, [name])]
        null = float(np.mean(nulls or [0.5]))
        outcomes = [(run, run.gate.frozen_epoch is not None) for run in gated]
        margin = min(null + SMALLEST_EFFECT, (1 + null) / 2)
        return runs.share(test, data, OURS, outcomes, null=null, margin=margin)

    data = list(runs.plan.grid.data)
    return Claim(
        key="the gate converges",
        says="the probability distribution starts to converge; modality gating becomes obsolete "
        "once the selection converges",
        source="section 5, section 5.3.2",
        deciding=settled(
            f"runs of {OURS} whose gate had settled and was frozen before the last epoch", data
        ),
        others=tuple(
            settled(f"the same, {name}", [name]) for name in data if runs.by_seed(name, OURS)
        ),
        remark="Settled: the same primary in six epochs and a mean weight that moved by less than "
        ".01 in the last. Our rule, which the paper leaves open. No effect: the share of gates "
        "that settle so where their gradients are noise, simulated with the same steps, epochs and "
        "learning rate: Adam's steps are small whether or not there is something to learn.",
    )


def attention_finds(runs: ClaimRuns) -> Claim:
    """Attention stands on the words that decide the label."""
    data = list(runs.rates)
    located = {
        (method, modality): runs.compare(
            f"localisation of the steps known to matter by {method} of {OURS}, {modality}; "
            "generated clips, all rates",
            data,
            [OURS],
            partial(stats.localised, method=method, modality=modality),
            unit=AREA,
            null=0.5,
        )
        for method in METHODS
        for modality in MODALITIES
    }
    versus = [
        runs.compare(
            f"the same by {method}, {OURS} minus {MULT}, text",
            data,
            [OURS, MULT],
            partial(stats.better_localised, method=method, modality=TEXT),
            unit=f"difference of {AREA}",
            learned=True,
        )
        for method in METHODS
    ]
    return Claim(
        key="attention finds what matters",
        says="crossmodal attention functions by highlighting the salient affective information",
        source="section 1; section 3, Figures 1 to 3",
        deciding=located.pop(("attention", TEXT)),
        others=(*located.values(), *versus),
        remark="Each clip's steps that decide its label are known to the generator.",
    )


def competitive(runs: ClaimRuns) -> Claim:
    """The paper's own benchmarks, which are not here; the nearest that are."""
    return Claim(
        key="the paper's benchmarks",
        says="the experimental evaluation on CMU-MOSI, CMU-MOSEI, and IEMOCAP ... outperforms "
        "major prior work by achieving competitive results",
        source="abstract, 1)",
        deciding=None,
        others=tuple(f for name in runs.real for f in runs.against_each([name], OURS, RIVALS)),
        remark="Their released files were not at hand. Beside: real clips that were.",
    )


def less_redundant() -> Claim:
    """What the paper neither defines nor measures."""
    return Claim(
        key="redundancy",
        says="hierarchically incorporates auxiliary modalities to ... reduce information "
        "redundancy",
        source="abstract",
        deciding=None,
        remark="The paper gives no definition of redundancy and measures none; the number of "
        "fusions is smaller by construction (4 crossmodal transformers instead of MulT's 6).",
    )


def _headline(runs: ClaimRuns) -> list[str]:
    return [runs.plan.headline] if runs.plan.headline else []


def _clashing(runs: ClaimRuns) -> list[str]:
    """Generated data sets that have incongruent clips."""
    return [name for name, rate in runs.rates.items() if rate > 0]


def _against_best(runs: ClaimRuns, system: str, data: Sequence[str]) -> list[Finding]:
    best = runs.best_on_validation(data[0], FIXED) if data else None
    if best is None:
        return []
    where = f", the best fixed primary, {data[0]}"
    return runs.against_each(data, system, [best], error_avoided, where=where)


def _against_mult(findings: Sequence[Finding]) -> tuple[Finding | None, list[Finding]]:
    """The finding against MulT, which decides, and the others."""
    deciding = next((finding for finding in findings if MULT in finding.systems), None)
    return deciding, [finding for finding in findings if finding is not deciding]


def _gated(runs: ClaimRuns, data: Sequence[str]) -> list[ClaimRun]:
    """The runs of HCT-MG that have a gate."""
    return [run for run in _runs_of(runs, data, OURS) if run.gate is not None]


def _runs_of(runs: ClaimRuns, data: Iterable[str], system: str) -> list[ClaimRun]:
    return [run for name in data for run in runs.by_seed(name, system).values()]


def _frozen_by_noise(runs: ClaimRuns, data: str, run: ClaimRun) -> float:
    """The share of gates that noise freezes in as many steps and epochs as a run had."""
    assert run.gate is not None
    epochs = int(run.gate.epochs[-1])
    steps = max(1, len(run.gate.epochs) // epochs)
    settings = runs.plan.settings(data)
    rate = settings.gate_learning_rate or max(settings.learning_rate, GATE_FLOOR)
    return frozen_by_noise(len(run.gate.modalities), epochs, steps, rate)


def _most_useful(run: ClaimRun) -> str:
    gains = stats.mean_gains(run.columns)
    return max(gains, key=lambda name: gains[name])
