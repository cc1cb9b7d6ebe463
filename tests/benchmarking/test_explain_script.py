import pytest

from .scripts import script


@pytest.fixture
def explain(monkeypatch):
    module = script("explain", monkeypatch)
    monkeypatch.setattr(module, "STEPS", dict.fromkeys(module.STEPS, 2))
    return module


def test_the_model_is_timed_with_its_tests_and_without(explain):
    before = {(kind, name): getattr(kind, name) for kind, name in explain.TESTS}
    cost = explain.recording_cost(rounds=4, clips=1)
    assert all(cost[name] > 0 for name in ("off_ms", "without_hook_ms", "on_ms"))
    assert before == {(kind, name): getattr(kind, name) for kind, name in explain.TESTS}


def test_every_test_is_found_and_taken_out(explain):
    without = explain.without_the_tests()
    assert without.keys() == explain.TESTS.keys()
    assert all("recorders" not in method.__code__.co_names for method in without.values())
