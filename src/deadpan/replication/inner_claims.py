"""Claims on what happens inside: latent incongruity, and what attention finds."""

from collections.abc import Callable
from functools import partial

from deadpan.replication import statistics as stats
from deadpan.replication.evidence import Evidence
from deadpan.replication.measuring import METHODS
from deadpan.replication.rules import Claim, Finding
from deadpan.replication.testing import against_each, compared
from deadpan.types import MODALITIES, TEXT

OURS, MULT = "HCT-MG", "MulT"
AREA = "area under the ROC curve"
ALL_RATES = "generated clips, all rates above 0 together"


def incongruity_is_there(evidence: Evidence) -> Claim:
    """In MulT's text, the views from audio and vision lie further apart where modalities clash."""
    found = [
        compared(
            evidence,
            f"how well the distance between the views of {name} in {system} tells incongruent "
            f"clips from negative congruent ones, before self-attention; {ALL_RATES}",
            _clashing(evidence),
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
        deciding=found[0],
        others=tuple(found[1:]),
        remark="Distance: 1 - cosine of the two views at each real step, averaged. That it exists "
        "is tested; that attention causes it is not.",
    )


def mitigated_inside(evidence: Evidence) -> Claim:
    """Less of it is left after self-attention in HCT-MG than in MulT."""
    data = _clashing(evidence)
    found = compared(
        evidence,
        f"how much better the distance after self-attention tells incongruent clips in {MULT}'s "
        f"text than in the primary of {OURS}; {ALL_RATES}",
        data,
        [OURS, MULT],
        partial(stats.less_traced, target=TEXT),
        unit=f"difference of {AREA}",
        learned=True,
    )
    within = [
        compared(
            evidence,
            f"the same in {system} ({name}), before minus after self-attention; {ALL_RATES}",
            data,
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
        deciding=found,
        others=tuple(within),
        remark="Positive: less of it is left in HCT-MG.",
    )


def mitigated_outside(evidence: Evidence) -> Claim:
    """Incongruity turns the sign of HCT-MG's predictions less often than of MulT's."""
    found = against_each(
        evidence,
        _clashing(evidence),
        OURS,
        ("MulT", "LMF-MulT", "LF-LSTM"),
        stats.flips_avoided,
        unit="difference of the rise in wrong signs",
        where=": wrong signs on incongruent clips beyond those on negative congruent clips; "
        f"{ALL_RATES}",
        learned=True,
    )
    deciding = [f for f in found if MULT in f.systems]
    return Claim(
        key="mitigated in what is predicted",
        says="the incongruity is resolved; MulT ... produces results that contradict ground truths",
        source="sections 5.2.2 and 5.3.1",
        deciding=deciding[0] if deciding else None,
        others=tuple(f for f in found if f not in deciding),
        remark="All incongruent clips are negative: they are held against negative congruent ones. "
        "A system that errs on all alike loses nothing here; see its error.",
    )


def attention_finds(evidence: Evidence) -> Claim:
    """Attention stands on the words that decide the label."""
    data = list(evidence.rates)

    def at(method: str, modality: str) -> Finding:
        return compared(
            evidence,
            f"localisation of the steps known to matter by {method} of {OURS}, {modality}; "
            "generated clips, all rates",
            data,
            [OURS],
            partial(stats.localised, method=method, modality=modality),
            unit=AREA,
            null=0.5,
        )

    pairs: list[Callable[[], Finding]] = [
        partial(at, method, modality)
        for method in METHODS
        for modality in MODALITIES
        if (method, modality) != ("attention", TEXT)
    ]
    versus = [
        compared(
            evidence,
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
        deciding=at("attention", TEXT),
        others=(*(make() for make in pairs), *versus),
        remark="Each clip's steps that decide its label are known to the generator.",
    )


def _clashing(evidence: Evidence) -> list[str]:
    return [name for name, rate in evidence.rates.items() if rate > 0]
