"""Models of aligned steps, and LMF-MulT, against their equations, clip by clip."""

import pytest

from deadpan.models import MARN, MCTN, MFN, RMFN, GraphMFN, LMFMulT

from .padded import ONE, THREE, TWO, WIDTHS, assert_parity, randomised
from .reference_aligned import graph_mfn, lmf_mult, marn, mctn, mfn, rmfn

CASES = [
    (MFN, {"hidden": 4, "memory": 5, "net_width": 6}, mfn, {"hidden": 4}),
    (
        GraphMFN,
        {"hidden": 4, "memory": 5, "vertex_width": 3, "net_width": 6},
        graph_mfn,
        {"hidden": 4},
    ),
    (
        MARN,
        {"hidden": 4, "reduced": 3, "attentions": 2, "net_width": 6},
        marn,
        {"hidden": 4, "reduced": 3, "attentions": 2},
    ),
    (
        RMFN,
        {"hidden": 4, "summary": 3, "stages": 4, "stage_hidden": 5, "net_width": 6},
        rmfn,
        {"hidden": 4, "summary": 3, "stages": 4},
    ),
    (MCTN, {"hidden": 4, "head_width": 5}, mctn, {}),
]


@pytest.mark.parametrize(("kind", "sizes", "reference", "arguments"), CASES)
@pytest.mark.parametrize("names", [THREE, TWO, ONE], ids=len)
def test_aligned_models(kind, sizes, reference, arguments, names):
    model = kind(widths={m: WIDTHS[m] for m in names}, outputs=2, **sizes)
    assert_parity(
        randomised(model),
        lambda state, clip: reference(state, clip, names, **arguments),
        aligned=True,
    )


@pytest.mark.parametrize("names", [THREE, TWO, ONE], ids=len)
def test_lmf_mult(names):
    sizes = {"heads": 2, "layers": 2, "rank": 3}
    model = LMFMulT(widths={m: WIDTHS[m] for m in names}, outputs=2, width=4, **sizes)
    assert_parity(randomised(model), lambda state, clip: lmf_mult(state, clip, names, **sizes))
