import dataclasses
import json
from pathlib import Path

import pytest
from rich.console import Console

from deadpan.api import inspect
from deadpan.cli.data_tables import corpus_table, health_table
from deadpan.data.corpora import CORPORA, Source

SMALL = ["data", "inspect", "controlled", "--data_options.clips", "20"]


def shown(facts):
    """What a terminal of 80 columns shows, and each row of its tables by its first cell."""
    console = Console(width=80)
    with console.capture() as capture:
        console.print(health_table(facts))
    text = capture.get()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines()]
    return text, {row[0]: row[1:] for row in cells if len(row) > 1}


def test_data_is_inspected(deadpan):
    status, out, err = deadpan(*SMALL)
    assert (status, err) == (0, "")
    assert "label +3" in out
    assert max(map(len, out.splitlines())) <= 80
    status, out, err = deadpan(*SMALL, "--json")
    assert (status, err) == (0, "")
    assert json.loads(out) == inspect("controlled", clips=20)


def test_a_page_is_written_and_named(deadpan, tmp_path):
    page = tmp_path / "health.html"
    page.write_text("older")
    assert deadpan(*SMALL, "--html", page) == (0, f"{page}\n", "")
    assert "<html" in page.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["health.html"]


def test_a_page_goes_to_one_place_that_exists(refused, tmp_path):
    assert "give one of them" in refused(*SMALL, "--json", "--html", "x")
    for wrong in (tmp_path, tmp_path / "no" / "x.html"):
        # Before the data are read: these would be refused, too.
        line = refused("data", "inspect", "no such data", "--html", wrong)
        assert line == f"{wrong}: not a file in a directory that exists; give another --html"


def test_a_page_that_cannot_be_written_names_the_file(refused, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("deadpan.files.os.fsync", full)
    page = tmp_path / "x.html"
    assert refused(*SMALL, "--html", page).startswith(f"{page}: cannot be written (No space")
    assert not list(tmp_path.iterdir())


def test_the_health_of_the_controlled_corpus():
    text, rows = shown(inspect("controlled", clips=40))
    assert text.startswith("controlled\nregression of sentiment\n")
    assert rows["clips"] == ["24", "6", "10"]
    assert rows["features per step"] == ["300", "74", "35"]
    assert "nothing to mend, nothing to warn of" in text
    for told in ("label -3", "kind: congruent", "seconds", "vision steps"):
        assert told in rows
    assert "train mean, the same for every test clip: MAE" in text


def lines_of(corpus):
    console = Console(width=80)
    with console.capture() as capture:
        console.print(corpus_table(corpus, Path("data")))
    return capture.get().splitlines()


def test_sources_are_listed_with_the_path_that_fetch_writes():
    http, https = "http://a.invalid/x", "https://b.invalid/x"
    sources = (
        Source(url=http, file="a.pkl", note="", sha256="0" * 64),
        Source(url=https, file="a.pkl", note=""),
        Source(url=https, file="b.pkl", note=""),
        Source(url=https, file="c.pkl", note="", by_hand=True),
    )
    corpus = dataclasses.replace(CORPORA["MELD"], sources=sources)
    lines = lines_of(corpus)
    assert {"data/a.pkl", "data/unverified/b.pkl", "data/c.pkl"} <= {*lines}
    assert not any("--allow_http" in line for line in lines[lines.index("by hand") - 3 :])
    only = dataclasses.replace(corpus, sources=(*sources, Source(url=http, file="d", note="")))
    assert " fetch MELD --allow_http" in " ".join(lines_of(only))


def modality(**more):
    return {
        "width": 74,
        "clips": 900,
        "missing": 0.25,
        "padding": None,
        "mended": {"NaN": 0, "+inf": 2, "-inf": 1310},
        **more,
    }


FACTS = {
    "name": "[x]\x1b",
    "layout": "a pickle in MulT's layout",
    "task": "emotions",
    "labels": ["Happy"],
    "widths": {},
    "recipes": {},
    "unscaled": {},
    "unsplit": False,
    "splits": {
        "train": {
            "clips": 1200,
            "groups": 0,
            "labels": {"present": {"Happy": 0.5}},
            "modalities": {"audio": {"missing": 0.25}},
        },
        "valid": {"clips": 0},
        "test": {"clips": 0},
    },
    "modalities": {"audio": modality(), "vision": modality(mended={"NaN": 0})},
    "baseline": None,
    "findings": [
        {"gravity": "serious", "sentence": "train: no clips"},
        {"gravity": "warning", "sentence": "repaired 1,312 times: audio: -inf set to 0"},
        {"gravity": "warning", "sentence": "a sentence that is long " * 6},
    ],
}


def test_what_was_mended_and_what_to_know():
    text, rows = shown(FACTS)
    assert text.startswith("[x] , a pickle in MulT's layout\n")
    assert rows["clips"] == ["1,200"]
    assert rows["audio missing"] == ["25.0 %"]
    assert rows["Happy present"] == ["████ 50.0 %"]
    assert rows["not finite, set to 0"] == ["2 +inf, 1,310 -inf", "0"]
    assert "1 serious finding and 2 warnings\nserious: train: no clips" in text
    assert "warning: repaired 1,312 times: audio: -inf set to 0" in text
    assert "\x1b" not in text


HISTOGRAM = {"bins": ["0 to 0.5", "0.5 to 1"], "counts": [2, 4]}
WARMTH = {"mean": 0.5, "std": 0.25, "histogram": HISTOGRAM}


@pytest.mark.parametrize(
    ("labels", "row", "cells"),
    [
        ({"share": {"joy": 0.75, "anger": 0.25}}, "class joy", ["██████ 75.0 %"]),
        (
            {"values": {"warmth": WARMTH}},
            "warmth 0 to 0.5",
            ["████     2"],
        ),
    ],
)
def test_labels_of_other_tasks(labels, row, cells):
    splits = {**FACTS["splits"], "train": {**FACTS["splits"]["train"], "labels": labels}}
    _, rows = shown({**FACTS, "splits": splits})
    assert rows[row] == cells


def test_a_sample_is_told():
    sampled = {"sample": {"steps": 62500, "every": 32}}
    text, _ = shown({**FACTS, "modalities": {"audio": modality(**sampled)}})
    assert "audio: medians, and shares beyond and cut, are of one step in 32, 62,500" in text
