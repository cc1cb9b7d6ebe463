import base64
import json
import os
import re

import numpy as np
import pytest

from deadpan.data.dataset import Clip, Dataset
from deadpan.data.health.inspection import inspect_dataset
from deadpan.errors import DeadpanError
from deadpan.reports.data import data_page, data_panels, write_data_report

from ..show.page import Page

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)> \" & $\\frac{"
LABELS = {
    "regression": ("sentiment",),
    "emotions": ("Happy", HOSTILE),
    "classes": ("joy", "愤怒", HOSTILE),
    "scores": ("warmth", HOSTILE, "a trait whose name is longer than a figure is wide"),
}


def label(task, index):
    if task == "regression":
        return [index % 7 - 3]
    if task == "emotions":
        return [index % 2, index % 3 == 0]
    return np.eye(3)[index % 3] * (1 if task == "classes" else 9.5)


def clip(task, split, index, times):
    steps = 2 + index % 4
    sequences = {"text": np.full((steps, 2), index, np.float32)}
    if index % 3:
        sequences[HOSTILE] = np.random.default_rng(index).random((5, 2), np.float32)
    ends = np.arange(1, steps + 1, dtype=np.float32)
    return Clip(
        id=f"{HOSTILE}{split}{index}",
        sequences=sequences,
        label=np.array(label(task, index), np.float32),
        group=HOSTILE,
        times={"text": np.stack([ends - 1, ends], axis=1)} if times else {},
    )


def facts_of(task, *, times=True, **counts):
    counts = counts or {"train": 12, "valid": 6, "test": 7}
    return inspect_dataset(
        Dataset(
            name=HOSTILE,
            task=task,
            labels=LABELS[task],
            widths={"text": 2, HOSTILE: 2},
            splits={s: [clip(task, s, i, times) for i in range(n)] for s, n in counts.items()},
            layout=HOSTILE,
            warnings=(f"keys that mean nothing here were ignored: {HOSTILE}",),
        )
    )


@pytest.fixture(scope="module", params=LABELS)
def facts(request):
    return facts_of(request.param)


@pytest.fixture(scope="module")
def html(facts):
    return data_page(facts)


def test_the_page_stands_alone_and_runs_nothing(html):
    found = Page(html)
    assert "http" not in html
    assert not {tag for tag, _ in found.elements} & {"script", "link", "img", "iframe", "object"}
    assert not any(name.startswith("on") for _, names in found.elements for name in names)
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert found.text.count(HOSTILE) >= 5


def test_the_numbers_are_in_the_page(html, facts):
    (link,) = [a["href"] for a in Page(html).all("a") if "download" in a]
    kind, _, content = link.partition(",")
    assert kind == "data:application/json;base64"
    assert json.loads(base64.b64decode(content)) == json.loads(json.dumps(facts))


def test_the_page_can_be_read_by_everyone(html):
    found = Page(html)
    assert found.all("html") == [{"lang": "en"}]
    assert any(meta.get("name") == "viewport" for meta in found.all("meta"))
    assert len(found.all("h1")) == len(found.all("title")) == 1
    figures = [a for a in found.all("div") if a.get("role") == "img"]
    # Labels, lengths in steps and in seconds, clips that lack a modality.
    assert len(figures) == len(found.all("figure")) == len(found.all("details")) == 4
    assert all(len(figure["aria-label"]) > 20 for figure in figures)


def test_every_finding_is_told(html, facts):
    text = " ".join(Page(html).text.split())
    assert len(facts["findings"]) > 2
    for finding in facts["findings"]:
        assert " ".join(f"{finding['gravity']}: {finding['sentence']}".split()) in text
    for metric in facts["baseline"]["metrics"]:
        assert metric["title"] in text


def test_the_same_facts_give_the_same_bytes(html, facts):
    assert data_page(facts) == html


def numbers(facts, title):
    panel = next(panel for panel in data_panels(facts) if panel.title == title)
    return panel, [dict(zip(panel.head, row, strict=True)) for row in panel.rows]


def test_the_numbers_behind_the_labels_of_sentiment():
    panel, rows = numbers(facts_of("regression"), "Labels")
    assert panel.finding == "The mean is −0.42 in train, −0.50 in valid, +0.00 in test."
    assert rows[0] == {
        "sentiment, rounded": "−3",
        "train clips": "2",
        "valid clips": "1",
        "test clips": "1",
    }
    assert sum(int(row["train clips"]) for row in rows) == 12


def test_the_numbers_behind_emotions_and_classes():
    panel, rows = numbers(facts_of("emotions"), "Emotions present")
    assert panel.finding.startswith("Most frequent: Happy, which is present in 50.0 % of the train")
    assert rows[1]["share of valid"] == "33.3 %"
    panel, rows = numbers(facts_of("classes"), "Classes")
    assert [row["class"] for row in rows] == list(LABELS["classes"])
    assert "2 = 愤怒" in panel.finding


def test_the_numbers_behind_scores():
    panel, rows = numbers(facts_of("scores"), "Labels")
    assert len(rows) == 3 * 7
    assert (rows[0]["label"], rows[0]["bin"]) == ("warmth", "0 to 1.357")
    assert [rows[i]["train clips"] for i in (0, 6)] == ["8", "4"]
    assert "a trait whose name is longer than a figure is wide" in panel.finding


def test_many_labels_are_drawn_in_part():
    names = tuple(f"trait {index}" for index in range(15))
    clips = [
        Clip(id=str(i), sequences={}, label=np.arange(15, dtype=np.float32) + i) for i in range(3)
    ]
    made = Dataset(name="x", task="scores", labels=names, widths={}, splits={"train": clips})
    panel, rows = numbers(inspect_dataset(made), "Labels")
    assert "Drawn are the first 12 of 15." in panel.finding
    assert len(rows) == 15 * 3  # a bin for each of three whole numbers


def test_sentiment_on_a_small_scale_has_bins_of_its_own():
    clips = [Clip(id=str(i), sequences={}, label=np.float32([i / 10])) for i in range(8)]
    made = Dataset(
        name="x", task="regression", labels=("sentiment",), widths={}, splits={"train": clips}
    )
    _, rows = numbers(inspect_dataset(made), "Labels")
    assert [rows[i]["bin"] for i in (0, 6)] == ["0 to 0.1", "0.6 to 0.7"]


def test_the_numbers_behind_lengths():
    panel, rows = numbers(facts_of("regression"), "Lengths in steps")
    assert panel.finding.startswith("Median: text 3, ")
    text = [row for row in rows if row["modality"] == "text"]
    assert [row["steps"] for row in text] == ["2", "3", "4", "5"]
    assert [row["clips"] for row in text] == ["7", "7", "6", "5"]
    panel, rows = numbers(facts_of("regression"), "Lengths in seconds")
    assert panel.finding == "The last step ends after at most 5.0 seconds."
    assert (rows[-1]["seconds"], rows[-1]["clips"]) == ("4.8 to 5.0", "5")


def test_the_numbers_behind_missing_modalities():
    panel, rows = numbers(facts_of("regression"), "Clips that lack a modality")
    assert panel.finding == f"Lacked: {HOSTILE} by 9 clips."
    assert [row["lacked in test"] for row in rows] == ["0.0 %", "42.9 %"]


def test_figures_are_there_where_there_is_something_to_see():
    made = facts_of("regression", times=False, train=2)
    made["modalities"] = {"text": made["modalities"]["text"]}
    assert [panel.title for panel in data_panels(made)] == ["Labels", "Lengths in steps"]


def test_a_data_set_without_clips_has_a_page():
    made = Dataset(
        name="x", task="regression", labels=("sentiment",), widths={"text": 2}, splits={}
    )
    text = Page(data_page(inspect_dataset(made))).text
    assert "no clip has text" in text
    assert "unknown" in text


def test_a_clean_data_set_is_said_to_be_clean():
    facts = facts_of("regression")
    html = data_page({**facts, "findings": [], "layout": ""})
    assert '<p class="verdict">Nothing to mend, nothing to warn of.</p>' in html
    assert 'class="notice' not in html


def test_an_earlier_page_is_replaced_whole(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("older")
    assert write_data_report(facts_of("regression"), page) == page
    assert re.fullmatch(r"\s*<!DOCTYPE html>.*</html>\s*", page.read_text(), re.DOTALL)
    assert list(tmp_path.iterdir()) == [page]


def test_a_page_that_cannot_be_written_leaves_the_earlier_one(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    page = tmp_path / "page.html"
    page.write_text("older")
    facts = facts_of("regression")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DeadpanError, match=r"page\.html: cannot be written \(No space left"):
        write_data_report(facts, page)
    assert page.read_text() == "older"
    assert list(tmp_path.iterdir()) == [page]


@pytest.mark.parametrize("name", [".", "no/page.html"])
def test_a_page_needs_a_file_in_a_folder(tmp_path, name):
    with pytest.raises(DeadpanError, match="not a file in a directory that exists"):
        write_data_report({}, tmp_path / name)
