"""Runs pushed to a stand-in for the Hub, and fetched from it again."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import yaml

import deadpan
from deadpan.data.corpora import CORPORA
from deadpan.errors import DeadpanError
from deadpan.exporting.hub import CARD, corpus_of
from deadpan.training.opened import RunDirectory

from .hub_server import serving

pytest.importorskip("huggingface_hub", reason="needs the extra hub")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setenv("HF_TOKEN", "hf_made_up")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    with serving() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        yield server


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run on generated clips, scored."""
    out = tmp_path_factory.mktemp("runs") / "run"
    deadpan.train("controlled", data_options={"clips": 40}, model="LFDNN", epochs=1, out=out)
    deadpan.evaluate(out)
    return RunDirectory(out)


def changed(run, tmp_path, **environment):
    """A copy of a run of other data."""
    copy = tmp_path / "copy"
    shutil.copytree(run.path, copy)
    config = yaml.safe_load((copy / "config.yaml").read_text())
    (copy / "config.yaml").write_text(yaml.safe_dump(config | {"data": environment["data"]}))
    facts = json.loads((copy / "environment.json").read_text())
    facts["dataset"]["name"] = environment["name"]
    (copy / "environment.json").write_text(json.dumps(facts))
    return copy


def test_a_run_that_was_pushed_predicts_the_same_when_fetched(run, hub, tmp_path):
    address = deadpan.push(run.path, "someone/smile", private=True)
    assert address.startswith(f"{hub.address}/someone/smile/commit/")
    assert hub.private == {"someone/smile"}
    assert hub.tokens == {"Bearer hf_made_up"}
    here = deadpan.predict(run.path, "controlled", clips=40)
    there = deadpan.predict("hf://someone/smile", "controlled", clips=40)
    assert [row["id"] for row in there] == [row["id"] for row in here]
    values = [[row["prediction_sentiment"] for row in rows] for rows in (here, there)]
    np.testing.assert_array_equal(*values)


def test_nothing_of_the_clips_is_pushed(run, hub):
    deadpan.push(run.path, "someone/smile")
    files = hub.repositories["someone/smile"]
    assert files.keys() == {
        "README.md", "config.yaml", "environment.json", "epochs.csv", "model.safetensors",
        "scores.json", "uncertainty.json",
    }  # fmt: skip
    assert run.predictions_file.is_file()


def test_the_card_says_what_the_run_is(run, hub):
    deadpan.push(run.path, "someone/smile")
    card = hub.repositories["someone/smile"][CARD].decode()
    _, head, text = card.split("---\n", 2)
    assert yaml.safe_load(head)["license"] == "apache-2.0"
    scores = json.loads(run.scores_file.read_text())
    mae = next(row for row in scores["rows"] if row["system"] == "ridge")["metrics"]["mae"]
    for part in (
        'deadpan.load_run("hf://someone/smile")', "24 train, 6 valid, 10 test clips",
        "LFDNN", f"| ridge | {mae:.3f} |", "seed 0", "not a felt emotion", "AI Act",
    ):  # fmt: skip
        assert part in text, part


@pytest.mark.parametrize(
    ("data", "name"),
    [("../shared/data/mosi/label.csv", "label"), ("own.csv", "IEMOCAP, 4 emotions"),
     ("UR-FUNNY/ur_funny_v2.pkl", "x")],
)  # fmt: skip
def test_weights_of_a_corpus_that_must_not_be_passed_on_are_refused(run, hub, tmp_path, data, name):
    copy = changed(run, tmp_path, data=data, name=name)
    with pytest.raises(DeadpanError, match="do not let weights be passed on"):
        deadpan.push(copy, "someone/smile", licence="mit")
    assert hub.repositories == {}


def test_weights_of_own_data_need_a_licence(run, hub, tmp_path):
    copy = changed(run, tmp_path, data="calls.csv", name="calls")
    with pytest.raises(DeadpanError, match=r"Say under which licence: --licence cc-by-nc-4\.0"):
        deadpan.push(copy, "someone/smile")
    deadpan.push(copy, "someone/smile", licence="cc-by-nc-4.0")
    assert b"license: cc-by-nc-4.0" in hub.repositories["someone/smile"][CARD]


def test_every_known_corpus_is_recognised_by_its_name(run, hub, tmp_path):
    settings, environment = run.settings(), run.environment()
    assert corpus_of(settings, environment) is None
    for name in CORPORA:
        of_it = dataclasses.replace(settings, data=f"data/{name.lower()}/features.pkl")
        assert corpus_of(of_it, environment) is CORPORA[name]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("hf://nobody", "wanted hf://OWNER/NAME"),
        ("hf://nobody/nothing", "Repository Not Found"),
        ("hf://someone/else@v2", "the Hub refused"),
        ("hf://someone/else", "holds no run of deadpan"),
    ],
)
def test_what_is_no_run_on_the_hub_is_refused(hub, address, reason):
    hub.repositories["someone/else"] = {"README.md": b"a poem"}
    with pytest.raises(DeadpanError, match=reason):
        deadpan.predict(address, "controlled")


def test_a_hub_that_is_not_there_is_an_error(run, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DeadpanError, match="the Hub refused, or cannot be reached"):
        deadpan.push(run.path, "someone/smile")
