import pytest

from deadpan.data.health.findings import examples, percent
from deadpan.errors import count_of


@pytest.mark.parametrize(
    ("share", "told"),
    [
        *((0.0, "0.0 %"), (0.00001, "under 0.01 %"), (0.0001, "0.01 %"), (0.0084, "0.84 %")),
        *((0.0123, "1.2 %"), (0.25, "25.0 %"), (1.0, "100.0 %")),
    ],
)
def test_percent(share, told):
    assert percent(share) == told


def test_counts_and_lists():
    assert count_of(1, "clip") == "1 clip"
    assert count_of(1200, "clip") == "1,200 clips"
    assert examples({"count": 2, "first": ["a", "b\x1b"]}) == "(a, b\\x1b)"
    assert examples({"count": 9, "first": [1, 2]}) == "(1, 2, ...)"
