import numpy as np
import pytest

from deadpan.data.dataset import Clip, Dataset, Padding
from deadpan.data.health.inspection import inspect_dataset
from deadpan.reports.data_tables import (
    findings_verdict,
    modality_columns,
    reading_notes,
    rows_of,
    split_columns,
)


@pytest.fixture(scope="module")
def facts():
    def clip(name, label, *, audio):
        sequences = {"text": np.float32([[1, 2], [3, 4]])}
        if audio:
            sequences["audio"] = np.float32([[0], [-1234.5], [2], [0]])[:audio]
        return Clip(id=name, sequences=sequences, label=np.float32([label]), group=name)

    clips = [clip("a", 1.0, audio=3), clip("b", -2.0, audio=4), clip("c", 0.25, audio=0)]
    return inspect_dataset(
        Dataset(
            name="x",
            task="regression",
            labels=("sentiment",),
            widths={"text": 2, "audio": 1},
            splits={"train": clips, "test": [clip("d", 0.0, audio=0)]},
            padding={"text": Padding(side="left", share=0.25)},
            unscaled={"text": "word vectors"},
            repairs={"audio: NaN set to 0": 2, "audio: -inf set to 0": 1000},
        )
    )


def test_splits(facts):
    columns = split_columns(facts)
    assert list(columns) == ["train", "test"]
    assert columns["train"] == {
        "clips": "3",
        "videos or speakers": "3",
        "text steps": "2",
        "audio steps": "4 (3–4)",
        "audio missing": "33.3 %",
        "label, mean ± dev.": "-0.25 ± 1.27",
    }
    assert "audio steps" not in columns["test"]
    assert rows_of(columns) == list(columns["train"])


def test_modalities(facts):
    columns = modality_columns(facts)
    text, audio = columns["text"], columns["audio"]
    assert text["padding in the file"] == "left, 25.0 %"
    assert (text["not finite, set to 0"], text["range of values"]) == ("0", "1 to 4")
    assert (text["distinct sequences"], text["steps"]) == ("1", "8")
    assert "cut beyond 5" not in text
    assert audio["clips that lack it"] == "50.0 %"
    assert "padding in the file" not in audio
    assert audio["not finite, set to 0"] == "2 NaN, 1,000 -inf"
    assert audio["range of values"] == "-1,234 to 2"
    assert audio["steps of zeros"] == "42.9 %"
    assert audio["scaled over 1000 times"] == "0"
    assert rows_of(columns)[:3] == [
        "features per step",
        "clips that lack it",
        "padding in the file",
    ]


def test_what_must_be_known_to_read_them(facts):
    assert list(reading_notes(facts))[1:] == [
        "--normalization scales audio; not text (word vectors); --unscaled decides"
    ]
    facts = {
        "modalities": {"audio": {"sample": {"every": 4, "steps": 1500}}},
        "recipes": {"text": {"shown": "mpnet, layers 6-9"}},
        "unscaled": {},
    }
    assert list(reading_notes(facts)) == [
        "--normalization scales every modality; --unscaled decides",
        "text: mpnet, layers 6-9",
        "audio: medians, and shares beyond and cut, are of one step in 4, 1,500 in all",
    ]


@pytest.mark.parametrize(
    ("gravities", "told"),
    [
        ([], "nothing to mend, nothing to warn of"),
        (["note"], "1 note"),
        (["serious", "serious", "note"], "2 serious findings and 1 note"),
        (["serious", "warning", "note", "note"], "1 serious finding, 1 warning and 2 notes"),
    ],
)
def test_the_verdict(gravities, told):
    assert findings_verdict({"findings": [{"gravity": gravity} for gravity in gravities]}) == told
