from deadpan.analysis.panels import gate_panels, loss_panel

from .test_figures import epochs
from .test_gate import HAND, history


def test_what_the_gate_did_in_words():
    first, every = gate_panels(HAND)
    assert (
        first.finding == "After 2 batches the gate’s primary modality is audio; 1 flip on the way."
    )
    assert every.finding == (
        "The gate ends on text with weight 0.400; 2 flips in all, the last at batch 4 of 4; "
        "frozen at epoch 2."
    )
    _, still = gate_panels(history([[1.0]], [1], modalities=("text",)))
    assert still.finding.endswith("1.000; 0 flips in all; never frozen.")


def test_what_the_loss_did_in_words():
    late = loss_panel(epochs([2, 1], [2, 1], best=2), "L1").finding
    assert late.endswith("1.000, at epoch 2, whose weights are the ones scored.")
    early = loss_panel(epochs([2, 1], [1, 2], best=1), "L1").finding
    assert early.endswith("scored; 1 later epoch did not improve it.")
    none = loss_panel(epochs([2, 1], [1, 2], best=None), "nats").finding
    assert none == "No epoch of 2 improved the validation loss."
