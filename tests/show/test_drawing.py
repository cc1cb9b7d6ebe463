import re
import warnings

import matplotlib
import pytest

from deadpan.show.drawing import kind_looks, modality_looks, series_looks, to_svg

HOSTILE = "<script>alert(1)</script> $\\frac{ --> ]]> & 笑"


def labelled(figure):
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], label=HOSTILE)
    axes.set_xlabel(HOSTILE)
    figure.legend()


def test_the_same_bytes_again_whatever_the_user_s_style():
    first = to_svg("a", labelled)
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "svg.hashsalt": "x"}):
        assert to_svg("a", labelled) == first


def test_nothing_of_the_data_gets_into_the_markup():
    svg = to_svg("a", labelled)
    assert svg.startswith("<svg")
    for absent in ("script", "frac", "<text", "<!--", "<metadata", "http", "]]>"):
        assert absent not in svg


def test_the_user_s_settings_and_warnings_are_left_alone():
    before = dict(matplotlib.rcParams)
    filters = list(warnings.filters)
    to_svg("a", labelled)
    assert dict(matplotlib.rcParams) == before
    assert warnings.filters == filters


def test_two_figures_share_no_id_and_keep_their_references():
    first, second = to_svg("a", labelled), to_svg("b", labelled)
    ids = [set(re.findall(r'\sid="([^"]+)"', svg)) for svg in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', first))
    assert {name for pair in used for name in pair if name} <= ids[0]


def test_modalities_keep_their_look_and_differ_without_colour():
    every = modality_looks(["text", "audio", "vision", "eeg", "gaze"])
    assert modality_looks(["vision"])["vision"] == every["vision"]
    assert modality_looks(["gaze", "eeg"]) == {m: every[m] for m in ("gaze", "eeg")}
    for aspect in ("colour", "line", "marker"):
        assert len({getattr(look, aspect) for look in every.values()}) == 5


def test_seven_series_differ_without_colour():
    looks = series_looks([f"system {i}" for i in range(7)])
    for aspect in ("colour", "line", "marker"):
        assert len({getattr(look, aspect) for look in looks.values()}) == 7


@pytest.mark.parametrize("looks_of", [modality_looks, series_looks])
@pytest.mark.parametrize("names", [[f"m{i}" for i in range(12)], []])
def test_more_names_than_looks_and_none(looks_of, names):
    assert list(looks_of(names)) == names


def test_congruent_clips_lie_below_the_incongruent():
    assert list(kind_looks(["sarcasm", "congruent", "", "irony"])) == [
        *("congruent", "", "irony", "sarcasm")
    ]
