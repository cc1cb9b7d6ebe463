"""The loop of annotation: utterances corrected and labelled, saved, measured, trained on."""

import csv
import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.errors import DeadpanError
from deadpan.studio.annotations import (
    Annotation,
    changed,
    read_annotations,
    write_annotations,
)

from .films import film

MARKUP = "<script>alert(1)</script> & \u202eevil"


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"{}", Annotation(text="Oh", label=1.0)),
        (b'{"label": -3}', Annotation(text="Oh", label=-3.0)),
        (b'{"label": null}', Annotation(text="Oh")),
        (b'{"text": " two\\nlines "}', Annotation(text="two lines", label=1.0)),
        (b'{"text": null, "label": 0}', Annotation(label=0.0)),
    ],
)
def test_a_change_leaves_the_rest(content, wanted):
    assert changed(Annotation(text="Oh", label=1.0), content) == wanted


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        b'{"label": 3.01}',
        b'{"label": NaN}',
        b'{"label": 1e999}',
        b'{"label": "high"}',
        b'{"label": true}',
        b'{"text": {}}',
        b'{"lable": 1}',
        json.dumps({"text": "a" * 5001}).encode(),
    ],
)
def test_a_change_that_cannot_be_is_refused(content):
    with pytest.raises(DeadpanError):
        changed(Annotation(), content)


@given(st.dictionaries(st.integers(0, 99), st.builds(Annotation, text=st.none() | st.text())))
def test_annotations_are_read_as_they_were_written(tmp_path_factory, annotations):
    folder = tmp_path_factory.mktemp("annotations")
    write_annotations(folder, annotations)
    assert read_annotations(folder) == {n: x for n, x in annotations.items() if x != Annotation()}


def analyzed(studio, path, name):
    identity = studio.send(name, path.read_bytes()).json["id"]
    assert studio.end_of(identity)["state"] == "done"
    return f"/v1/analyses/{identity}/utterances"


def put(studio, path, **values):
    return studio.ask("PUT", path, json.dumps(values))


@pytest.fixture(scope="module")
def labelled(start_studio, tmp_path_factory):
    """A studio with four recordings, of which all utterances have labels, and their paths."""
    pytest.importorskip("av", reason="needs PyAV, of the extra video")
    folder = tmp_path_factory.mktemp("labelled")
    studio = start_studio(folder / "runs")
    path = film(folder / "a.wav", pictures=False)
    paths = [analyzed(studio, path, f"{i}.wav") for i in range(4)]
    for i, where in enumerate(paths):
        for number in range(3):
            label = (i + number) % 5 - 2.5
            assert put(studio, f"{where}/{number}", label=label).status == 200
    return studio, paths


def test_corrections_and_labels_are_kept(labelled):
    studio, paths = labelled
    answer = put(studio, f"{paths[0]}/1", text=MARKUP)
    assert answer.json["text"] == MARKUP.replace("\u202e", " ").replace("  ", " ")
    rows = studio.get(paths[0]).json["utterances"]
    assert rows[1] == answer.json
    assert (rows[1]["recognized"], rows[1]["label"]) == ("Who knows?", -1.5)
    assert put(studio, f"{paths[0]}/1", text=None).json["text"] == "Who knows?"
    assert put(studio, f"{paths[0]}/3", label=1).status == 404
    assert put(studio, f"{paths[0]}/-1", label=1).status == 404
    assert put(studio, f"{paths[0]}/0", label=4).status == 422
    assert "wanted a number in [-3, 3]" in put(studio, f"{paths[0]}/0", label=4).json["error"]
    assert studio.ask("PUT", f"{paths[0]}/0", b" " * 70_000).status == 413


@pytest.mark.parametrize("name", ["", "../out", "a/b", ".", "a" * 65, "-out", 5.5, None])
def test_a_data_set_has_a_plain_name(labelled, name):
    studio, _ = labelled
    assert studio.ask("POST", "/v1/datasets", json.dumps({"name": name})).status == 422


def test_nothing_is_saved_before_something_is_labelled(studio):
    answer = studio.ask("POST", "/v1/datasets", b'{"name": "mine"}')
    assert (answer.status, "no utterance has a label" in answer.json["error"]) == (409, True)
    assert studio.get("/v1/datasets").json == {"datasets": []}


def test_what_was_labelled_is_trained_on(labelled, capsys):
    pytest.importorskip("swift_f0", reason="needs swift-f0, of the extra video")
    from deadpan.cli import main

    studio, paths = labelled
    put(studio, f"{paths[0]}/0", text="This was corrected.")
    answer = studio.ask("POST", "/v1/datasets", b'{"name": "mine"}')
    made = answer.json
    assert (answer.status, made["clips"], made["note"]) == (201, 12, None)
    assert studio.get("/v1/datasets").json == {"datasets": ["mine"]}
    assert studio.ask("POST", "/v1/datasets", b'{"name": "mine"}').status == 409
    folder = studio.folder / "datasets" / "mine"
    with (folder / "labels.csv").open() as file:
        rows = [*csv.DictReader(file)]
    assert rows[0]["text"] == "This was corrected."
    assert len({row["group"] for row in rows}) == 4
    assert {f"{row['id']}.wav" for row in rows} == {x.name for x in (folder / "clips").iterdir()}

    extract, train = (shlex.split(command)[1:] for command in made["commands"])
    small = ["--model", "LFDNN", "--epochs", "1", "--out", str(folder / "run")]
    assert main([*extract, "--modalities", "audio", "--workers", "1"]) == 0
    assert main([*train, *small]) == 0
    assert main(["evaluate", str(folder / "run")]) == 0
    assert "MAE" in capsys.readouterr().out
