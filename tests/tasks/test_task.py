import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.tasks import MetricColumn
from deadpan.tasks.task import safe_keys


def test_column_formats_shares_errors_and_the_undefined():
    assert MetricColumn("a", "A").format(0.82549) == "82.5"
    assert MetricColumn("a", "A", percent=False).format(0.8814) == "0.881"
    assert MetricColumn("a", "A").format(float("nan")) == "-"


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (("joy", "Not sarcastic"), ("joy", "not_sarcastic")),
        (("Très bien", "a/b  (c)"), ("tres_bien", "a_b_c")),
        (("joy", "Joy"), ("1_joy", "2_joy")),
        (("怒り", "joy"), ("1", "2_joy")),
        (("joy", "joy 2", "2 joy", "Joy"), ("1_joy", "2_joy_2", "3_2_joy", "4_joy")),
        (("_", "-"), ("1", "2")),
    ],
)
def test_keys_by_hand(names, keys):
    assert safe_keys(names) == keys


@given(st.lists(st.text(st.sampled_from("aAeé1_ -怒\n%"), max_size=4), min_size=1, unique=True))
def test_keys_are_safe_and_each_another_one(names):
    keys = safe_keys(names)
    assert len(set(keys)) == len(names)
    assert all(re.fullmatch("[a-z0-9]+(_[a-z0-9]+)*", key) for key in keys)
