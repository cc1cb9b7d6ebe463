import numpy as np
import pytest

from deadpan.data.clip_names import group_of, joined, unique
from deadpan.data.dataset import Clip


@pytest.mark.parametrize(
    ("parts", "name", "group"),
    [
        ((), "", None),
        (("WKA5OygbEKI_1",), "WKA5OygbEKI_1", "WKA5OygbEKI"),
        (("_dI--eQ6qVU_12",), "_dI--eQ6qVU_12", "_dI--eQ6qVU"),
        (("WKA5OygbEKI_1", "0", "0"), "WKA5OygbEKI_1", "WKA5OygbEKI"),
        (("WKA5OygbEKI_1", "0.0", "0.0"), "WKA5OygbEKI_1", "WKA5OygbEKI"),
        (("WKA5OygbEKI", "0", "2.5"), "WKA5OygbEKI_0_2.5", "WKA5OygbEKI"),
        (("WKA5OygbEKI_1", "0", "2.5"), "WKA5OygbEKI_1_0_2.5", "WKA5OygbEKI"),
        (("WKA5Oygbi_1", "0", "2.5"), "WKA5Oygbi_1_0_2.5", "WKA5Oygbi_1"),  # a video so named
        (("100178", "7.1", "9.5"), "100178_7.1_9.5", "100178"),
        (("WKA5OygbEKI", "3"), "WKA5OygbEKI_3", "WKA5OygbEKI"),
        (("WKA5OygbEKI", "0"), "WKA5OygbEKI_0", "WKA5OygbEKI"),
        (("03bSnISJMiM$_$11",), "03bSnISJMiM$_$11", "03bSnISJMiM"),
        (("WKA5OygbEKI[3]",), "WKA5OygbEKI_3", "WKA5OygbEKI"),
        (("a[b]_1[12]",), "a[b]_1_12", "a[b]_1"),
        (("WKA5OygbEKI[3]", "0", "0"), "WKA5OygbEKI_3", "WKA5OygbEKI"),
        (("WKA5OygbEKI[]",), "WKA5OygbEKI[]", None),
        (("03-01-01-01-02-01-17", "0", "0"), "03-01-01-01-02-01-17", "actor-17"),
        (("Ses01F_impro01_F000",), "Ses01F_impro01_F000", None),
        (("42",), "42", None),
    ],
)
def test_names_and_groups(parts, name, group):
    assert joined(parts) == name
    assert group_of(parts) == group


def clip(name):
    return Clip(id=name, sequences={}, label=np.zeros(1, np.float32))


def test_repeated_ids_are_told_apart_within_and_across_splits():
    splits = {"train": [clip("a"), clip("a"), clip("a#2")], "test": [clip("a"), clip("b")]}
    renamed, count = unique(splits)
    names = {split: [c.id for c in clips] for split, clips in renamed.items()}
    assert names == {"train": ["a", "a#3", "a#2"], "test": ["a#4", "b"]}
    assert count == 2


def test_ids_that_differ_stay():
    splits = {"train": [clip("a"), clip("b")]}
    assert unique(splits) == (splits, 0)
