import re
import subprocess
import sys
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import pytest

import deadpan.data.corpora
from deadpan.data.corpora import CORPORA, find_corpus, read_corpus
from deadpan.data.corpora.corpus import WITH_FOLDS, standard_folds
from deadpan.data.dataset import TaskName
from deadpan.errors import DataError, DeadpanError
from deadpan.types import SPLITS

ALONE = """
import sys

def refuse(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        raise SystemExit(f"the network was asked: {event} {arguments}")

sys.addaudithook(refuse)
from deadpan.cli import main
import deadpan.data.fetching.fetch
import deadpan.data.corpora.corpus

for arguments in [], ["MOSI"], ["--json"], ["--csv", sys.argv[1]]:
    assert main(["data", "list", *arguments]) == 0
assert "urllib3" not in sys.modules
"""

each = pytest.mark.parametrize("corpus", CORPORA.values(), ids=CORPORA)


def test_the_nine_are_there():
    assert list(CORPORA) == (
        "MOSI MOSEI IEMOCAP UR-FUNNY MUStARD CH-SIMS MELD ICT-MMMO POM".split()
    )
    assert all(name == corpus.name for name, corpus in CORPORA.items())


@each
def test_statistics_agree_with_each_other(corpus):
    assert corpus.task in get_args(TaskName)
    assert corpus.labels
    if corpus.splits:
        assert list(corpus.splits) == list(SPLITS)
        assert sum(corpus.splits.values()) == corpus.clips
    if corpus.label_range:
        assert corpus.label_range[0] < corpus.label_range[1]
    if corpus.task == "regression":
        assert (corpus.labels, abs(corpus.label_range[0])) == (
            ("sentiment",),
            corpus.label_range[1],
        )


@each
def test_everything_is_told_in_sentences(corpus):
    for text in (corpus.about, corpus.licence, corpus.citation, corpus.layout, *corpus.traps):
        assert text == text.strip()
        assert text.endswith(".")
        assert "  " not in text
    assert len(corpus.traps) >= 3


@each
def test_files_have_plain_names_and_web_addresses(corpus):
    for source in corpus.sources:
        parts = urlsplit(source.url)
        assert parts.scheme in ("http", "https")
        assert "." in parts.hostname
        assert re.fullmatch(r"[\w.-]+", source.file)
        assert not source.file.endswith(".part")
        assert source.note
        assert source.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", source.sha256)
    assert not set(corpus.files()) & set(corpus.files_by_hand())


@each
def test_there_is_a_way_to_each(corpus):
    assert corpus.sources or corpus.how_to_get


def test_what_needs_a_form_has_no_source():
    assert CORPORA["IEMOCAP"].sources == ()
    assert "sail.usc.edu" in CORPORA["IEMOCAP"].how_to_get


@pytest.mark.parametrize("name", WITH_FOLDS)
def test_videos_are_those_of_the_standard_folds(name):
    assert CORPORA[name].videos == sum(map(len, standard_folds(name).values()))


def test_majority_rows_are_as_told():
    test = {"Happy": 85.6, "Sad": 79.4, "Angry": 75.8, "Neutral": 59.2}
    for absent, f1 in zip(test.values(), (79.0, 70.3, 65.4, 44.0), strict=True):
        share = absent / 100  # the weighted F1 of a constant answer
        assert 100 * share * 2 * share / (1 + share) == pytest.approx(f1, abs=0.1)
    assert sum(100 - absent for absent in test.values()) == pytest.approx(100)
    neutral = 1256 / CORPORA["MELD"].splits["test"]
    assert 100 * neutral == pytest.approx(48.1, abs=0.05)
    assert 100 * neutral * 2 * neutral / (1 + neutral) == pytest.approx(31.3, abs=0.05)


def test_a_name_is_found_whatever_its_capitals():
    assert find_corpus("mustard") is CORPORA["MUStARD"]
    with pytest.raises(DataError, match="unknown data set 'MOSSI'; did you mean 'MOSI'"):
        find_corpus("MOSSI")


TINY = """
name: TINY
title: Tiny
about: Few.
task: scores
labels: [a, b]
label_range: [0, 1]
language: English
clips: 3
videos: null
hours: 1
licence: None.
citation: None.
traps: [$TRAP, Small.]
layout: None.
sources:
  - {url: "$PAGE/a.csv", file: a.csv, note: all}
"""


def test_a_file_of_facts_is_read(tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY)
    corpus = read_corpus(file, {"PAGE": "https://x.org", "TRAP": "Beware."})
    assert (corpus.labels, corpus.label_range, corpus.hours) == (("a", "b"), (0.0, 1.0), 1.0)
    assert (corpus.traps, corpus.splits) == (("Beware.", "Small."), {})
    assert corpus.files()["a.csv"][0].url == "https://x.org/a.csv"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hours:", "hour:", "unknown key 'hour'; did you mean 'hours'"),
        ("clips: 3\n", "", "has no 'clips'"),
        ("clips: 3", "clips: many", "clips wants a whole number; got 'many'"),
        (
            "note: all",
            "note: all, sice: 3",
            r"sources\[0\]: unknown key 'sice'; did you mean 'size'",
        ),
        (", note: all", "", r"sources\[0\]: has no 'note'"),
        ("about: Few.", "about: For $5.", r"tiny.yaml: names no shared text .*; write \$\$"),
        ("sources:\n", "source:\n", "unknown key 'source'; did you mean 'sources'"),
    ],
)
def test_a_file_of_facts_with_an_error_is_refused(tmp_path, old, new, message):
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY.replace(old, new))
    with pytest.raises(DeadpanError, match=message):
        read_corpus(file, {"PAGE": "https://x.org", "TRAP": "Beware."})


def test_every_file_of_facts_is_shown():
    folder = Path(deadpan.data.corpora.__file__).parent
    assert len(CORPORA) == len(list(folder.glob("*.yaml"))) - 1  # less shared.yaml


def test_the_network_is_asked_for_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path / "list.csv")],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, f"{tmp_path / 'list.csv'}: 9 data sets\n")
    assert "MOSEI" in done.stdout
