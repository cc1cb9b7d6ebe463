import functools
import json
import shlex

import pytest

from deadpan import data
from deadpan.data.generated.controlled import controlled

from ..encoding.test_run import ROWS
from ..encoding.tiny_encoders import save_encoder


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    return save_encoder(tmp_path_factory.mktemp("cli") / "tiny")


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "label.csv"
    path.write_text("\n".join(["id,said,label,split", *ROWS]))
    return path


def test_a_table_is_encoded_inspected_and_encoded_like(table, encoder, deadpan, tmp_path):
    out = tmp_path / "out.safetensors"
    arguments = ["encode", table, "--data_options.text", "said", "--out"]
    status, shown, told = deadpan(*arguments, out, "--encoder", encoder, "--layers", "2")
    assert status == 0
    assert shown.startswith(f"{out}: 4 clips, 0.0 MB\ntext: 8 features per step, tiny (")
    assert "14 tokens to be encoded\n100% encoded, 0 s left\nwarning: text: 1 clip without" in told
    inspected = deadpan("data", "inspect", out)[1]
    assert "layers 2, a step per word, stored in half" in " ".join(inspected.split())
    facts = json.loads(deadpan("data", "inspect", out, "--json")[1])
    assert facts["recipes"]["text"]["layers"] == "2"
    again = tmp_path / "again.safetensors"
    assert deadpan(*arguments, again, "--like", out, "--encoder", encoder)[0] == 0
    assert again.read_bytes() == out.read_bytes()


def test_the_encoder_of_a_recipe_is_looked_for_here_and_not_on_the_hub(
    table, encoder, deadpan, refused, tmp_path, monkeypatch
):
    def snapshot(name, *, local_files_only, **_):
        assert local_files_only
        raise ValueError("not in the cache")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    monkeypatch.chdir(tmp_path)
    arguments = ["encode", table, "--data_options.text", "said", "--out"]
    assert deadpan(*arguments, "a", "--encoder", encoder, "--layers", "2")[0] == 0
    told = refused(*arguments, "b", "--like", "a")
    assert told.startswith("tiny: no such folder here, and none of this name in the hub's cache")
    assert told.endswith("give the encoder with --encoder FOLDER_OR_NAME")
    monkeypatch.chdir(encoder.parent)
    assert deadpan(*arguments, tmp_path / "b", "--like", tmp_path / "a")[0] == 0
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()


def test_new_data_are_encoded_like_a_run(table, encoder, deadpan, refused, tmp_path):
    rows = [
        f"{split}{i},so good {i},{i % 3 - 1},{split}"
        for split in ("train", "valid", "test")
        for i in range(3)
    ]
    table.write_text("\n".join(["id,said,label,split", *rows]))
    arguments = ["encode", table, "--data_options.text", "said", "--out"]
    deadpan(*arguments, tmp_path / "a", "--encoder", encoder, "--layers", "all")
    model = ["--model", "LFDNN", "--epochs", "1", "--out", tmp_path / "run"]
    assert deadpan("train", "--data", tmp_path / "a", *model)[0] == 0
    like = ["--like", tmp_path / "run", "--encoder", encoder]
    assert deadpan(*arguments, tmp_path / "b", *like)[0] == 0
    predict = ["predict", tmp_path / "run", "--data"]
    assert deadpan(*predict, tmp_path / "b")[0] == 0
    deadpan(*arguments, tmp_path / "c", "--encoder", encoder, "--layers", "3,0-2,1,1")
    assert "(layers 3,0-2,1,1, not all)" in refused(*predict, tmp_path / "c")


def test_clips_are_encoded_with_context_and_new_ones_like_them(
    table, encoder, deadpan, refused, tmp_path
):
    rows = [
        f"{split}{i},so good {i},{i % 3 - 1},{split},{split}"
        for split in ("train", "valid", "test")
        for i in range(3)
    ]
    table.write_text("\n".join(["id,said,label,split,talk", *rows]))
    names = ["--data_options.text", "said", "--data_options.group", "talk"]
    arguments = ["encode", table, *names, "--encoder", encoder, "--out"]
    shown = deadpan(*arguments, tmp_path / "a", "--layers", "2", "--context", "2")[1]
    assert ", a step per word, 2 clips of context, stored in half" in shown
    model = ["--model", "LFDNN", "--epochs", "1", "--out", tmp_path / "run"]
    assert deadpan("train", "--data", tmp_path / "a", *model)[0] == 0
    # Clips to predict: the same talk as the test split, so that their features are the same.
    spoken = [row.split(",") for row in rows if row.startswith("test")]
    table.write_text("\n".join(["id,said,talk", *(f"{r[0]},{r[1]},{r[4]}" for r in spoken)]))
    assert deadpan(*arguments, tmp_path / "b", "--like", tmp_path / "run")[0] == 0
    ours, theirs = (data.load(tmp_path / name)["test"] for name in ("a", "b"))
    for clip, same in zip(ours, theirs, strict=True):
        assert clip.sequences["text"].tolist() == same.sequences["text"].tolist()
    predict = ["predict", tmp_path / "run", "--data"]
    assert deadpan(*predict, tmp_path / "b")[0] == 0
    deadpan(*arguments, tmp_path / "c", "--layers", "2")
    assert "(context 0, not 2); encode it again" in refused(*predict, tmp_path / "c")
    assert refused(*arguments, "d", "--layers", "2", "--context", "-1").startswith("context -1:")


def test_the_command_that_a_refusal_advises_runs(table, encoder, deadpan, refused, tmp_path):
    run, speech = tmp_path / "my run", ["--modality", "speech", "--data_options.text", "said"]
    arguments = ["encode", table, *speech, "--encoder", encoder, "--out"]
    rows = (f"{split}{i},so good,{i},{split}" for split in ("train", "valid") for i in range(3))
    table.write_text("\n".join(["id,said,label,split", *rows]))
    deadpan(*arguments, tmp_path / "a", "--layers", "1")
    model = ["--model", "LFDNN", "--epochs", "1", "--out", run]
    assert deadpan("train", "--data", tmp_path / "a", *model)[0] == 0
    deadpan(*arguments, tmp_path / "b", "--layers", "2")
    told = refused("predict", run, "--data", tmp_path / "b")
    assert "ENCODER being the folder of tiny: deadpan encode" in told
    stand_ins = {"SOURCE": tmp_path / "b", "ENCODER": encoder, "STORE": tmp_path / "c"}
    _, *command = shlex.split(told[told.index("deadpan encode") :])
    assert deadpan(*(stand_ins.get(word, word) for word in command))[0] == 0
    assert deadpan("predict", run, "--data", tmp_path / "c")[0] == 0


def test_what_does_not_fit_is_refused_in_a_line(table, encoder, refused, monkeypatch, tmp_path):
    # A data set without a recipe; at its full size it would take seconds.
    monkeypatch.setitem(data.DATASETS, "controlled", functools.partial(controlled, clips=10))
    out = ["encode", table, "--data_options.text", "said", "--out", tmp_path / "out"]
    for more, told in (
        (["--layers", "2"], "encoding needs --encoder, or --like STORE_OR_RUN"),
        (["--encoder", encoder], "encoding needs --layers, or --like STORE_OR_RUN"),
        (["--encoder", encoder, "--layers", "2-7"], "layers 2-7: the encoder has no layer 7"),
        (["--encoder", encoder, "--layers", "1", "--states", "last"], "there is no template"),
        (["--encoder", encoder, "--layers", "1", "--states", "lats"], "wanted one of 'word'"),
        (["--like", tmp_path / "run", "--layers", "1"], "got like and layers, which it decides"),
        (["--like", "controlled"], "has no recipe of 'text' (no modality was encoded)"),
        (["--encoder", tmp_path, "--layers", "2"], "has no config.json, so it is no encoder"),
    ):
        assert told in refused(*out, *more)
    assert not (tmp_path / "out").exists()


def test_a_table_needs_features_unless_its_transcripts_are_named(table, encoder, refused, tmp_path):
    out = ["encode", table, "--out", tmp_path / "out", "--encoder", encoder, "--layers", "1"]
    assert "no folder of features beside it" in refused(*out)
    assert "no folder of features beside it" in refused("data", "inspect", table)
