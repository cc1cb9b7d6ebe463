import json

import pytest

from ..replication.tiny_study import SIZES, TINY, write

SMALL = {
    "seeds": [1],
    "systems": {"HCT-MG": {"model": "HCTMG", "model_options": SIZES}},
    "data": TINY["data"] | {"real": {"data": "gone.pkl"}},
    "headline": {},
}


@pytest.fixture
def config(tmp_path):
    return write(tmp_path, **SMALL)


def test_a_study_shows_its_progress_and_its_verdicts(deadpan, config, tmp_path):
    out = tmp_path / "out"
    options = ("--config", config, "--out", out, "--workers", 1, "--only", "congruent")
    status, shown, told = deadpan("claims", *options)
    assert status == 0
    assert "the gate converges" in shown
    assert "cannot be tested" in shown
    assert "1/1  congruent, HCT-MG, seed 1" in told
    assert "real: skipped, left out by --only" in told
    assert f"{out}/claims.html, .md, .csv, .json" in told
    command = json.loads((out / "claims.json").read_text())["command"]
    assert command.startswith("deadpan claims --config ")
    assert "--only congruent" in command
    status, again, told = deadpan("claims", *options, "--resume")
    assert (status, again) == (0, shown)
    assert "0 runs to do, 1 finished before" in told


def test_wrong_commands_are_refused(refused, config, tmp_path):
    out = tmp_path / "out"
    options = ("--config", config, "--out", out)
    assert "is not there; give a YAML" in refused(
        "claims", "--config", tmp_path / "x", "--out", out
    )
    assert "unknown data set of the study" in refused("claims", *options, "--only", "congruen")
    assert "workers must be 1 or more" in refused("claims", *options, "--workers", 0)
    assert "no study here" in refused("claims", *options, "--resume")
    assert "unknown option '--worker'" in refused("claims", "--worker", 1)
    assert not out.exists()


def test_runs_without_a_result_end_with_status_2_and_say_how_to_go_on(deadpan, tmp_path):
    broken = {"model": "HCTMG", "model_options": {"width": 7, "heads": 2}}
    systems = SMALL["systems"] | {"HCT-T": broken}
    config, out = write(tmp_path, **SMALL | {"systems": systems}), tmp_path / "out"
    status, shown, told = deadpan(
        "claims", "--config", config, "--out", out, "--only", "congruent", "--workers", 1
    )
    assert status == 2
    assert "the gate converges" in shown
    assert "1 runs gave no result" in told and "--resume" in told
    assert "heads must divide" in " ".join(json.loads((out / "claims.json").read_text())["facts"])


def test_interrupting_says_how_to_go_on(config, tmp_path, monkeypatch):
    import deadpan as library
    from deadpan.cli.claims_command import claims

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(library, "claims", interrupted, raising=False)
    given = ["--config", str(config), "--out", str(tmp_path / "out")]
    with pytest.raises(KeyboardInterrupt, match="nothing was made"):
        claims(given)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/claims.yaml").touch()
    with pytest.raises(KeyboardInterrupt, match=r"go on with: deadpan claims .*--resume"):
        claims([*given, "--resume"])
