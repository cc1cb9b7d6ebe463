import pytest

from deadpan.benchmarking.grid import read_grid
from deadpan.errors import DeadpanError

from .small_grid import SMALL, grid_of, write


def cases(grid, folds=None, chosen=None):
    return list(grid.cases(folds or {data: [None] for data in grid.data}, chosen or {}))


def test_every_system_with_every_seed_the_first_seed_first(tmp_path):
    names = [case.name for case in cases(grid_of(tmp_path))]
    assert names == [
        "a set, HCT-MG, seed 1",
        "a set, CTC+X, seed 1",
        "a set, HCT-MG, seed 2",
        "a set, CTC+X, seed 2",
    ]


def test_settings_lie_over_each_other(tmp_path):
    systems = {
        "one": {
            "model": "LMF",
            "epochs": 4,
            "model_options": {"rank": 2},
            "per_data": {"b": {"epochs": 5, "model_options": {"hidden": 3}}},
        }
    }
    data = {"a": {"data": "controlled"}, "b": {"data": "controlled", "batch_size": 7}}
    settings = {"epochs": 3, "batch_size": 9, "data_options": {"clips": 40}}
    grid = grid_of(tmp_path, systems=systems, data=data, settings=settings, seeds=[4])
    a, b = (case.settings for case in cases(grid))
    assert (a.epochs, a.batch_size, a.seed) == (4, 9, 4)
    assert (b.epochs, b.batch_size, b.seed) == (5, 7, 4)
    assert a.data_options == b.data_options == {"clips": 40}
    assert (a.model_options["rank"], a.model_options["hidden"]) == (2, 32)
    assert (b.model_options["rank"], b.model_options["hidden"]) == (2, 3)


def test_a_place_tells_the_settings_and_no_two_cases_share_one(tmp_path):
    grid = grid_of(tmp_path, search={"trials": 2, "space": {"learning_rate": [0.1, 0.2]}})
    folds = {"a set": ["v/1", "../v2"]}
    both = [*cases(grid, folds), *grid.trials(folds)]
    places = [case.directory for case in both]
    assert len(set(places)) == len(both) == 2 * 2 * 2 + 2 * 2 * 2
    assert all(len(place.parts) == 3 and ".." not in place.parts for place in places)
    longer = grid_of(tmp_path, settings=SMALL["settings"] | {"epochs": 3})
    assert not {case.directory for case in cases(longer, folds)} & set(places)
    assert [case.directory for case in cases(grid, folds)] == places[:8]


def test_the_search_is_the_same_for_every_system_and_every_call(tmp_path):
    space = {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}, "batch_size": [4, 8, 16]}
    search = {"trials": 5, "seed": 3, "space": space}
    systems = SMALL["systems"] | {"own": {"model": "LMF", "space": {"model_options.rank": [2, 3]}}}
    grid = grid_of(tmp_path, search=search, systems=systems)
    first, own = grid.draws("HCT-MG"), grid.draws("own")
    assert first == grid.draws("CTC+X") == grid.draws("HCT-MG")
    assert len(first) == len(own) == 5
    assert first[0] == {}
    assert len({draw["learning_rate"] for draw in first[1:]}) == 4
    assert all(1e-4 <= draw["learning_rate"] <= 1e-2 for draw in first[1:])
    assert {draw["batch_size"] for draw in first[1:]} <= {4, 8, 16}
    assert all(draw["model_options"]["rank"] in (2, 3) for draw in own[1:])
    trials = list(grid.trials({"a set": [None]}))
    assert [case.trial for case in trials] == [0, 1, 2, 3, 4] * 3
    assert {case.settings.seed for case in trials} == {3}
    chosen = {("a set", "own", None): own[2]}
    final = {case.system: case.settings for case in cases(grid, chosen=chosen)}
    assert final["own"].model_options["rank"] == own[2]["model_options"]["rank"]
    assert final["own"].learning_rate == own[2]["learning_rate"]
    assert final["CTC+X"].learning_rate == 1e-3


def test_a_system_may_run_on_some_data_only(tmp_path):
    data = {"a": {"data": "controlled"}, "b": {"data": "controlled", "seeds": [7]}}
    systems = {"x": {"model": "LMF"}, "y": {"model": "LMF", "only": ["b"]}}
    found = [case.name for case in cases(grid_of(tmp_path, data=data, systems=systems))]
    assert found == ["a, x, seed 1", "b, x, seed 7", "b, y, seed 7", "a, x, seed 2"]


BAD = [
    ({"sedes": [1]}, "unknown key 'sedes'"),
    ({"data": {}}, "'data' wants at least one 'NAME:'"),
    ({"systems": None}, "'systems' wants at least one 'NAME:'"),
    ({"data": {"a": None}}, "data: a wants values by name; got None"),
    ({"seeds": [1, 1]}, "seeds wants whole numbers of 0 or more, each once"),
    ({"seeds": ["1"]}, "seeds[0] wants a whole number; got '1'"),
    ({"against": "MulTT"}, "unknown system 'MulTT'"),
    ({"data": {"a": {"data": "nowhere.pkl"}}}, "nowhere.pkl is not there"),
    ({"systems": {"x": {"model": "LMFF"}}}, "x on a set: unknown model 'LMFF'"),
    ({"systems": {"x": {"modle": "LMF"}}}, "unknown setting 'modle'"),
    ({"systems": {"x": {"model": "LMF", "model_options": {"rnak": 1}}}}, "rnak"),
    ({"systems": {"x": {"model": "LMF", "only": ["b"]}}}, "x: unknown data 'b'"),
    ({"systems": {"x": {"model": "LMF"}, "X": {"model": "LMF"}}}, "names must differ"),
    ({"settings": {"epochs": 0}}, "epochs must be above 0"),
    ({"seeds": [-1]}, "each once; got [-1]"),
    ({"seeds": [[1]]}, "seeds[0] wants a whole number; got [1]"),
    (
        {"data": {"a": {"data": "controlled", "seeds": None}}},
        "data: a: seeds wants a list; got None",
    ),
    ({"settings": {"data_options": None}}, "data_options wants values by name; got None"),
    (
        {"systems": {"x": {"model": "LMF", "model_options": [1]}}},
        "x on a set: model_options wants values by name; got [1]",
    ),
    ({"systems": {"x": {"model": "LMF", "space": [1]}}}, "x: space wants values by name; got [1]"),
    ({"systems": {"x": {"model": "LMF", "only": None}}}, "x: only wants a list of names; got None"),
    ({"systems": {"x": {"model": "LMF", "only": "a set"}}}, "x: only wants a list; got 'a set'"),
    ({"systems": {"x": {"model": "LMF", "only": []}}}, "only wants a list of names; got []"),
    ({"systems": {"x": {"model": "LMF", "per_data": ["a set"]}}}, "x: per_data wants"),
    (
        {"systems": {"x": {"model": "LMF", "per_data": {"a set": None}}}},
        "x: per_data: a set wants values by name",
    ),
    ({"search": {"trials": 0}}, "trials from 1 to 10,000"),
    ({"search": {"trials": 2, "space": {"learning_rate": {"low": 2, "high": 1}}}}, "'low' below"),
    ({"search": {"trials": 2, "space": {"learning_rates": [1, 2]}}}, "learning_rates"),
    ({"data": {"a": {"data": "controlled", "leave_one_out": "yes"}}}, "true or false"),
    ({"data": {"a": {"data": "controlled", "paper": "MOSII"}}}, "did you mean 'MOSI'?"),
    ({"data": {"a": {"data": "controlled", "data_options": {"clip": 9}}}}, "did you mean 'clips'"),
    ({"data": {"a": {"data": "controlled", "data_options": {"clips": "x"}}}}, "a: option 'clips'"),
]


@pytest.mark.parametrize(("changed", "told"), BAD, ids=[told for _, told in BAD])
def test_what_could_not_run_is_refused_with_the_file_named(tmp_path, changed, told):
    with pytest.raises(DeadpanError) as refused:
        grid_of(tmp_path, **changed)
    assert told in str(refused.value)
    assert str(tmp_path / "grid.yaml") in str(refused.value)
    assert "\n" not in str(refused.value)


def test_names_are_texts_as_they_are_written(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(
        "seeds: [1]\nagainst: 7\ndata: {1: {data: controlled}, yes: {data: controlled}}\n"
        "systems: {7: {model: LMF, only: [1], per_data: {1: {epochs: 2}}}, 8: {model: LMF}}\n"
    )
    grid = read_grid(path)
    assert (list(grid.data), list(grid.systems)) == (["1", "yes"], ["7", "8"])
    assert [case.name for case in cases(grid)][0] == "1, 7, seed 1"
    assert [case.settings.epochs for case in cases(grid)] == [2, 30, 30]


def test_a_name_stands_once_and_merges_may_be_overridden(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text("seeds: [1]\nseeds: [2]\n")
    with pytest.raises(DeadpanError, match="'seeds' stands twice.*line 2") as refused:
        read_grid(path)
    assert "\n" not in str(refused.value)
    path.write_text(
        "data: {a: &a {data: controlled, epochs: 2}, b: {<<: *a, epochs: 3}}\n"
        "systems: {x: {model: LMF}}\n"
    )
    assert {d: entry.settings["epochs"] for d, entry in read_grid(path).data.items()} == {
        "a": 2,
        "b": 3,
    }


def test_a_grid_may_have_a_size_for_a_bigger_machine(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(
        "seeds: [1]\nsettings: {epochs: 2}\n"
        "data: {a: {data: controlled, data_options: {seed: 3}}}\n"
        "systems: {x: {model: LMF}}\n"
        "full: {seeds: [1, 2], data: {a: {epochs: 9, data_options: {clips: 50}}}}\n"
    )
    small, large = cases(read_grid(path)), cases(read_grid(path, full=True))
    assert [case.settings.epochs for case in small] == [2]
    assert [case.settings.epochs for case in large] == [9, 9]
    assert large[0].settings.data_options == {"seed": 3, "clips": 50}
    path.write_text("data: {a: {data: controlled}}\nsystems: {x: {model: LMF}}\n")
    with pytest.raises(DeadpanError, match="says nothing under 'full'"):
        read_grid(path, full=True)


def test_a_grid_may_be_read_with_fewer_seeds(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(
        "seeds: [1, 2, 3]\nsystems: {x: {model: LMF}}\n"
        "data: {a: {data: controlled}, b: {data: controlled, seeds: [7, 8]}}\n"
    )
    few = read_grid(path, seeds=1)
    assert {name: few.seeds_of(name) for name in few.data} == {"a": [1], "b": [7]}
    many = read_grid(path, seeds=9)
    assert {name: many.seeds_of(name) for name in many.data} == {"a": [1, 2, 3], "b": [7, 8]}
    with pytest.raises(DeadpanError, match="seeds must be 1 or more.*got 0"):
        read_grid(path, seeds=0)


def test_files_that_are_no_grid(tmp_path):
    with pytest.raises(DeadpanError, match="is missing; give a YAML file"):
        read_grid(tmp_path / "none.yaml")
    with pytest.raises(DeadpanError, match="Is a directory"):
        read_grid(tmp_path)
    bad = tmp_path / "bad.yaml"
    for text in (
        b"a: [1",
        b"\xff\xfe\x00",
        b"- 1",
        b"",
        b"[" * 1000,
        b"a: 2020-13-45",
        b"a: &a [*a]",
    ):
        bad.write_bytes(text)
        with pytest.raises(DeadpanError, match=r"bad\.yaml"):
            read_grid(bad)
    path = write(tmp_path)
    with pytest.raises(DeadpanError, match="unknown data set of the grid 'b'"):
        read_grid(path, only=["b"])
