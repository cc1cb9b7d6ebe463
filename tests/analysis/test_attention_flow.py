import numpy as np
import pytest
import torch

from deadpan.analysis.attention_flow import Record, flow
from deadpan.models.base import FUSED, AttentionPath


def tensor(*rows):
    return torch.tensor([rows])


def record(method, paths, layers, lengths, pooling="last"):
    lengths = {name: torch.tensor([n]) for name, n in lengths.items()}
    lengths[FUSED] = torch.stack(list(lengths.values())).amax(dim=0)
    return Record(paths=paths, layers=layers, lengths=lengths, pooling=pooling, method=method)


SELF = (AttentionPath("self", "text", "text", "self", 2),)
CROSS = (AttentionPath("cross", "audio", "text", "crossmodal"), *SELF)
FIRST, SECOND = tensor([0.5, 0.5], [0.2, 0.8]), tensor([0.9, 0.1], [0.6, 0.4])
AUDIO = tensor([1.0, 0.0, 0.0], [0.2, 0.3, 0.5])


def worth(found, name="text"):
    return found[name][0].tolist()


def test_attention_is_the_last_row_of_the_mean_layer():
    found = flow(record("attention", SELF, {"self": [(FIRST + SECOND) / 2]}, {"text": 2}))
    assert worth(found) == pytest.approx([0.4, 0.6])


def test_attention_hands_half_of_it_through_the_crossmodal_map():
    layers = {"self": [tensor([1.0, 0.0], [0.4, 0.6])], "cross": [AUDIO]}
    # A modality without a path is predicted from directly: leave audio's own last step out.
    found = flow(record("attention", CROSS, layers, {"text": 2, "audio": 3}))
    # Text's half: (0.4, 0.6) / 2, half of which stays and half goes along the rows of the map.
    assert worth(found) == pytest.approx([0.1, 0.15])
    handed = (0.1 + 0.15 * 0.2, 0.15 * 0.3, 0.15 * 0.5)
    assert worth(found, "audio") == pytest.approx([handed[0], handed[1], handed[2] + 0.5])


def test_rollout_is_the_product_of_layers_with_residuals():
    found = flow(record("rollout", SELF, {"self": [FIRST, SECOND]}, {"text": 2}))
    first, second = (np.eye(2) / 2 + x[0].numpy() / 2 for x in (FIRST, SECOND))
    assert worth(found) == pytest.approx((second @ first)[1].tolist())


def test_gradient_adds_what_is_attended_to_and_takes_off_the_step_itself():
    found = flow(record("gradient", SELF, {"self": [FIRST, SECOND]}, {"text": 2}))
    first, second = (np.eye(2) + x[0].numpy() for x in (FIRST, SECOND))
    row = (second @ first)[1] - [0, 1]
    assert worth(found) == pytest.approx((row / row.sum()).tolist())


def test_no_positive_gradient_is_no_salience():
    found = flow(record("gradient", SELF, {"self": [torch.zeros(1, 2, 2)]}, {"text": 2}))
    assert worth(found) == [0, 0]


def test_encoders_of_one_order_do_not_read_each_other():
    paths = tuple(AttentionPath(f"{s}{t}", s, t, "crossmodal") for s, t in (("a", "b"), ("b", "a")))
    layers = {"ab": [tensor([0.0, 1.0], [0.0, 1.0])], "ba": [tensor([1.0, 0.0], [1.0, 0.0])]}
    found = flow(record("rollout", paths, layers, {"a": 2, "b": 2}))
    # a's last step: half stays, half is b's first step; b's last step: half is a's last step.
    assert worth(found, "a") == pytest.approx([0, 0.5])
    assert worth(found, "b") == pytest.approx([0.25, 0.25])


def test_a_later_order_reads_what_an_earlier_one_left():
    paths = (
        AttentionPath("ab", "a", "b", "crossmodal", 1),
        AttentionPath("bc", "b", "c", "crossmodal", 2),
    )
    one = torch.ones(1, 1, 1)
    found = flow(record("attention", paths, {"ab": [one], "bc": [one]}, dict.fromkeys("abc", 1)))
    # Thirds. c keeps 1/6 and hands 1/6 to b, which hands half of its 1/2 to a.
    got = [worth(found, name)[0] for name in "abc"]
    assert got == pytest.approx([1 / 3 + 1 / 4, 1 / 4, 1 / 6])


@pytest.mark.parametrize("method", ["attention", "rollout"])
def test_a_missing_source_leaves_all_to_the_target(method):
    layers = {"self": [tensor([1.0, 0.0], [0.4, 0.6])], "cross": [torch.zeros(1, 2, 1)]}
    found = flow(record(method, CROSS, layers, {"text": 2, "audio": 0}))
    assert sum(worth(found)) == pytest.approx(1)
    assert worth(found, "audio") == [0]


def test_a_fused_step_is_shared_by_the_steps_at_its_place():
    paths = (AttentionPath("fused", FUSED, "text", "crossmodal"),)
    layers = {"fused": [tensor([0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4])]}
    found = flow(record("attention", paths, layers, {"text": 2, "audio": 4}))
    # Text is 1/2, half of it handed: 1/4, an eighth to each modality.
    assert worth(found) == pytest.approx([0.3 / 8, 0.7 / 8 + 1 / 4])
    assert worth(found, "audio") == pytest.approx([0.1 / 8, 0.2 / 8, 0.3 / 8, 0.4 / 8 + 1 / 2])


def test_where_the_mean_is_pooled_every_step_starts_alike():
    found = flow(record("attention", SELF, {"self": [FIRST]}, {"text": 2}, pooling="mean"))
    assert worth(found) == pytest.approx([0.35, 0.65])
