from collections import Counter
from pathlib import Path

import pytest
from plan import read_plan

from deadpan.benchmarking.grid import laid_over, read_grid
from deadpan.errors import DeadpanError
from deadpan.files import read_json

from .tiny_study import TINY, plan_of, write


def test_the_headline_has_more_seeds_of_its_systems(tmp_path):
    cases = plan_of(tmp_path).cases()
    counted = Counter((case.data, case.system) for case in cases)
    assert counted["incongruent 50%", "HCT-MG"] == 3
    assert counted["incongruent 50%", "MulT"] == counted["congruent", "HCT-MG"] == 2
    assert "seed 3" in cases[-1].name
    assert len({case.directory for case in cases}) == len(cases)


def test_every_seed_has_clips_of_its_own_and_systems_share_them(tmp_path):
    for case in plan_of(tmp_path).cases():
        assert case.settings.data_options["seed"] == case.settings.seed
    data = {name: {**values} for name, values in TINY["data"].items()}
    data["congruent"]["data_options"] = {**data["congruent"]["data_options"], "seed": 7}
    seeds = {
        case.settings.data_options["seed"]
        for case in plan_of(tmp_path, data=data).cases()
        if case.data == "congruent"
    }
    assert seeds == {7}


def test_the_rates_are_known(tmp_path):
    plan = plan_of(tmp_path)
    assert [plan.rate(data) for data in plan.grid.data] == [0.0, 0.5]


def test_full_is_laid_over_the_rest(tmp_path):
    small, full = read_plan(write(tmp_path)), read_plan(write(tmp_path), full=True)
    assert full.settings("congruent").data_options["clips"] == 60
    assert full.settings("incongruent 50%").data_options["clips"] == 24
    assert small.hash != full.hash
    assert laid_over({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 4}, "d": {"e": 5}}) == {
        "a": {"b": 4, "c": 2},
        "d": {"e": 5},
    }


@pytest.mark.parametrize(("seeds", "headline", "others"), [(1, 1, 1), (2, 2, 2), (3, 3, 2)])
def test_fewer_seeds_are_the_first_of_each_data_set(tmp_path, seeds, headline, others):
    plan = read_plan(write(tmp_path), seeds=seeds)
    counted = Counter((case.data, case.system) for case in plan.cases())
    assert counted["incongruent 50%", "HCT-MG"] == headline
    assert counted["congruent", "HCT-MG"] == others
    assert plan.seeds("incongruent 50%", "HCT-MG") == [1, 2, 3][:headline]


def test_data_that_is_not_there_is_skipped_and_said(tmp_path):
    data = TINY["data"] | {"real": {"data": str(tmp_path / "gone.pkl")}}
    plan = plan_of(tmp_path, data=data)
    assert list(plan.grid.data) == ["congruent", "incongruent 50%"]
    assert "gone.pkl is not there" in plan.skipped["real"]
    only = read_plan(write(tmp_path, data=data), only=["congruent"], full=False)
    assert only.headline is None
    assert set(only.skipped) == {"incongruent 50%", "real"}
    assert len(only.cases()) == 2
    with pytest.raises(DeadpanError, match="no data set is left to run on .*gone.pkl"):
        read_plan(write(tmp_path, data=data), only=["real"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"headline": {"dat": "congruent"}}, "unknown key of headline 'dat'; did you mean 'data'"),
        ({"headline": {"data": "none"}}, "headline: unknown data set 'none'"),
        ({"headline": {"data": "congruent", "systems": ["X"]}}, "headline: unknown system 'X'"),
        ({"headline": {"data": "congruent", "seeds": [2]}}, "seed 2 of congruent is one of"),
        ({"headline": {"data": "congruent", "seeds": ["a"]}}, r"seeds\[0\] wants a whole number"),
        ({"headline": {"data": "congruent", "seeds": 3}}, "seeds wants a list; got 3"),
        ({"headline": {"data": "congruent", "systems": None}}, "headline: systems wants a list"),
        ({"headline": {"data": "congruent", "systems": ["MulT"]}}, "headline: unknown system"),
        ({"search": {"trials": 2}}, "a study has no search"),
        ({"headline": [1]}, "headline wants values by name"),
        ({"sees": [1]}, "unknown key 'sees'"),
        ({"data": {"x": 3}}, "data: x wants"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, changed, message):
    with pytest.raises(DeadpanError, match=message):
        plan_of(tmp_path, **changed)


def test_an_unknown_name_and_a_full_that_is_not_there_are_refused(tmp_path):
    with pytest.raises(DeadpanError, match="unknown data set of the study 'congruen'"):
        read_plan(write(tmp_path), only=["congruen"])
    with pytest.raises(DeadpanError, match="says nothing under 'full'"):
        read_plan(write(tmp_path, full={}), full=True)


RATES = ("congruent", "incongruent 30%", "incongruent 80%", "audio carries", "vision carries")
STUDY = Path(__file__).parents[3] / "studies/claims"
GATE_AND_PRIMARIES = ("HCT-MG", "HCT-T", "HCT-A", "HCT-V")


def chosen_trial(losses_of, system):
    """The trial with the lowest mean loss of `system` and of those that share its recipe."""
    sharing = GATE_AND_PRIMARIES if system in GATE_AND_PRIMARIES else (system,)
    means = [sum(losses) for losses in zip(*(losses_of[name] for name in sharing), strict=True)]
    return means.index(min(means))


def test_systems_have_what_the_same_search_chose_for_each():
    searched = read_json(STUDY / "tuning.json", "")
    plan, tuning = read_plan(STUDY / "claims.yaml"), read_grid(STUDY / "tuning.yaml")
    assert set(plan.grid.systems) == set(tuning.systems)
    trials_of = {
        system: searched[f"incongruent 30% | {system}"]["trials"] for system in tuning.systems
    }
    losses_of = {
        system: [trial["valid_loss"] for trial in trials] for system, trials in trials_of.items()
    }
    for system, trials in trials_of.items():
        assert len(trials) == tuning.search.trials
        for data in [x for x in RATES if system in plan.grid.systems_of(x)]:
            settings = plan.grid.settings_of(data, system, seed=1, fold=None)
            chosen = tuning.settings_of(
                "incongruent 30%",
                system,
                seed=1,
                fold=None,
                chosen=trials[chosen_trial(losses_of, system)]["settings"],
            )
            assert settings.learning_rate == pytest.approx(chosen.learning_rate, rel=1e-3)
            assert (settings.batch_size, settings.ema) == (chosen.batch_size, chosen.ema)
            assert settings.model_options == chosen.model_options
            assert settings.patience == chosen.patience
            assert settings.epochs >= chosen.epochs
            assert chosen.data_options["seed"] not in {case.settings.seed for case in plan.cases()}


def test_the_study_of_seconds_has_every_kind_of_system():
    """Else a measure that fails on one would be seen after hours."""
    systems = read_plan(STUDY / "claims.yaml").grid.systems
    assert set(systems) - {"HCT-A", "HCT-V"} <= set(TINY["systems"])


def test_on_real_data_all_have_one_recipe(shared):
    plan = read_plan(STUDY / "claims.yaml")
    for data in ("ravdess4", "mosi229"):
        recipes = {
            (s.learning_rate, s.gate_learning_rate, s.batch_size, s.ema, s.normalization)
            for system in plan.grid.systems_of(data)
            for s in [plan.grid.settings_of(data, system, seed=1, fold=None)]
        }
        assert recipes == {(0.0005, 0.001, 36, 0.0, "group")}
