import numpy as np
import pytest

from deadpan.analysis.attention import ClipAttention
from deadpan.analysis.salience import salience
from deadpan.data.dataset import Clip
from deadpan.models.base import FUSED, AttentionPath


def table(*rows):
    return np.array(rows)


def attended(method, paths, layers, lengths, pooling="last"):
    sequences = {name: np.zeros((n, 1), np.float32) for name, n in lengths.items()}
    return ClipAttention(
        clip=Clip(id="a", sequences=sequences, label=np.zeros(1, np.float32)),
        modalities=tuple(lengths),
        paths=paths,
        layers=layers,
        pooling=pooling,
        method=method,
    )


SELF = (AttentionPath("self", "text", "text", "self", 2),)
CROSS = (AttentionPath("cross", "audio", "text", "crossmodal"), *SELF)
FIRST, SECOND = table([0.5, 0.5], [0.2, 0.8]), table([0.9, 0.1], [0.6, 0.4])
AUDIO = table([1.0, 0.0, 0.0], [0.2, 0.3, 0.5])


def worth(found, name="text"):
    return found[name].tolist()


def test_attention_is_the_last_row_of_the_mean_layer():
    found = salience(attended("attention", SELF, {"self": [(FIRST + SECOND) / 2]}, {"text": 2}))
    assert worth(found) == pytest.approx([0.4, 0.6])


def test_attention_hands_half_of_it_through_the_crossmodal_map():
    layers = {"self": [table([1.0, 0.0], [0.4, 0.6])], "cross": [AUDIO]}
    # A modality without a path is predicted from directly: leave audio's own last step out.
    found = salience(attended("attention", CROSS, layers, {"text": 2, "audio": 3}))
    # Text's half: (0.4, 0.6) / 2, half of which stays and half goes along the rows of the map.
    assert worth(found) == pytest.approx([0.1, 0.15])
    handed = (0.1 + 0.15 * 0.2, 0.15 * 0.3, 0.15 * 0.5)
    assert worth(found, "audio") == pytest.approx([handed[0], handed[1], handed[2] + 0.5])


def test_rollout_is_the_product_of_layers_with_residuals():
    found = salience(attended("rollout", SELF, {"self": [FIRST, SECOND]}, {"text": 2}))
    first, second = (np.eye(2) / 2 + x / 2 for x in (FIRST, SECOND))
    assert worth(found) == pytest.approx((second @ first)[1].tolist())


def test_gradient_adds_what_is_attended_to_and_takes_off_the_step_itself():
    found = salience(attended("gradient", SELF, {"self": [FIRST, SECOND]}, {"text": 2}))
    first, second = (np.eye(2) + x for x in (FIRST, SECOND))
    row = (second @ first)[1] - [0, 1]
    assert worth(found) == pytest.approx((row / row.sum()).tolist())


def test_no_positive_gradient_is_no_salience():
    found = salience(attended("gradient", SELF, {"self": [np.zeros((2, 2))]}, {"text": 2}))
    assert worth(found) == [0, 0]


def test_encoders_of_one_order_do_not_read_each_other():
    paths = tuple(AttentionPath(f"{s}{t}", s, t, "crossmodal") for s, t in (("a", "b"), ("b", "a")))
    layers = {"ab": [table([0.0, 1.0], [0.0, 1.0])], "ba": [table([1.0, 0.0], [1.0, 0.0])]}
    found = salience(attended("rollout", paths, layers, {"a": 2, "b": 2}))
    # a's last step: half stays, half is b's first step; b's last step: half is a's last step.
    assert worth(found, "a") == pytest.approx([0, 0.5])
    assert worth(found, "b") == pytest.approx([0.25, 0.25])


def test_a_later_order_reads_what_an_earlier_one_left():
    paths = (
        AttentionPath("ab", "a", "b", "crossmodal", 1),
        AttentionPath("bc", "b", "c", "crossmodal", 2),
    )
    one = np.ones((1, 1))
    found = salience(
        attended("attention", paths, {"ab": [one], "bc": [one]}, dict.fromkeys("abc", 1))
    )
    # Thirds. c keeps 1/6 and hands 1/6 to b, which hands half of its 1/2 to a.
    got = [worth(found, name)[0] for name in "abc"]
    assert got == pytest.approx([1 / 3 + 1 / 4, 1 / 4, 1 / 6])


@pytest.mark.parametrize("method", ["attention", "rollout"])
def test_a_missing_source_leaves_all_to_the_target(method):
    layers = {"self": [table([1.0, 0.0], [0.4, 0.6])], "cross": [np.zeros((2, 0))]}
    found = salience(attended(method, CROSS, layers, {"text": 2, "audio": 0}))
    assert sum(worth(found)) == pytest.approx(1)
    assert worth(found, "audio") == []


def test_a_fused_step_is_shared_by_the_steps_at_its_place():
    paths = (AttentionPath("fused", FUSED, "text", "crossmodal"),)
    layers = {"fused": [table([0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4])]}
    found = salience(attended("attention", paths, layers, {"text": 2, "audio": 4}))
    # Text is 1/2, half of it handed: 1/4, an eighth to each modality.
    assert worth(found) == pytest.approx([0.3 / 8, 0.7 / 8 + 1 / 4])
    assert worth(found, "audio") == pytest.approx([0.1 / 8, 0.2 / 8, 0.3 / 8, 0.4 / 8 + 1 / 2])


def test_where_the_mean_is_pooled_every_step_starts_alike():
    found = salience(attended("attention", SELF, {"self": [FIRST]}, {"text": 2}, pooling="mean"))
    assert worth(found) == pytest.approx([0.35, 0.65])
