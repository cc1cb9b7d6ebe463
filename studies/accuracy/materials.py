"""Make what ``options.yaml`` reads: an encoder, and its states of the texts.

    python studies/accuracy/materials.py [NAME ...]

The encoder and the rated sentences are components of deadpan (``deadpan components list``). They
are put under runs/materials/ with the tables and the stores. What is there is not made again;
encoding goes on where it stopped.
"""

import argparse
import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import deadpan

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "runs" / "materials"
SHARED = ROOT.parent / "shared" / "data"

MPNET = "all-mpnet-base-v2"
TABLE, ENCODED = OUT / "movies.csv", OUT / "movies.safetensors"
"""The rated sentences, and the encoder's states of them."""
POOL = {"model": "AttentionPool", "loss": "distribution", "ema": 0.98, "schedule": "onecycle"}
VECTORS = {
    "data_options": {"vectors": str(SHARED / "mosi" / "glove.840B.300d.mosi-vocabulary.txt")}
}
LARGEST_RATING = 4
"""Of the raters' scale, which is laid on that of the labels, [-3, 3]."""
CONTEXT = 2
"""Utterances of MELD that are read before each; studies/README.md says why not more."""


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def movies() -> None:
    """10,605 sentences of film reviews (Hutto and Gilbert 2014), each the mean of 20 raters."""
    (rated,) = deadpan.fetch_components("rated-sentences", out=OUT)
    rows = []
    for index, line in enumerate(rated.path.read_text(encoding="latin-1").splitlines()):
        number, rating, sentence = line.split("\t", 2)
        # A table has three splits; one in twenty tells when to stop, another is never read.
        split = {0: "test", 10: "valid"}.get(index % 20, "train")
        label = round(float(rating) * 3 / LARGEST_RATING, 4)
        rows.append({"id": f"movie{number}", "text": sentence, "label": label, "mode": split})
    write_table(TABLE, rows)


def meld(column: str) -> None:
    """MELD's three files as one table; a group is a dialogue, whose utterances are in order."""
    rows = []
    for name, split in (("train", "train"), ("dev", "valid"), ("test", "test")):
        path = SHARED / "meld" / f"{name}_sent_emo.csv"
        with path.open(newline="", encoding="utf-8") as file:
            rows += [
                {
                    "id": f"{name}_{row['Dialogue_ID']}_{row['Utterance_ID']}",
                    "text": row["Utterance"],
                    "label": row[column],
                    "group": f"{name}_{row['Dialogue_ID']}",
                    "mode": split,
                }
                for row in csv.DictReader(file)
            ]
    write_table(OUT / f"meld_{column.lower()}.csv", rows)


def encoded(source: Path, name: str, *, context: int = 0) -> None:
    encoder = str(OUT / MPNET)
    deadpan.encode(source, out=OUT / name, encoder=encoder, layers="6-9", context=context)


def rated_first(data: Path, name: str, **settings: Any) -> None:
    """A run on the rated sentences, from which others start; after more epochs it overfits them."""
    deadpan.train(data, out=OUT / name, seed=1, epochs=4, **settings)


MATERIALS: dict[str, Callable[[], None]] = {
    MPNET: lambda: deadpan.fetch_components(MPNET, out=OUT),
    "movies.csv": movies,
    "meld_emotion.csv": lambda: meld("Emotion"),
    "meld_sentiment.csv": lambda: meld("Sentiment"),
    "mosi.safetensors": lambda: encoded(SHARED / "mosi" / "label.csv", "mosi.safetensors"),
    "movies.safetensors": lambda: encoded(TABLE, "movies.safetensors"),
    "meld_emotion.safetensors": lambda: encoded(
        OUT / "meld_emotion.csv", "meld_emotion.safetensors"
    ),
    "meld_emotion_context.safetensors": lambda: encoded(
        OUT / "meld_emotion.csv", "meld_emotion_context.safetensors", context=CONTEXT
    ),
    "meld_sentiment.safetensors": lambda: encoded(
        OUT / "meld_sentiment.csv", "meld_sentiment.safetensors"
    ),
    "movies-recommended": lambda: rated_first(ENCODED, "movies-recommended", config="recommended"),
    "movies-attentionpool": lambda: rated_first(ENCODED, "movies-attentionpool", **POOL),
    "movies-glove-recommended": lambda: rated_first(
        TABLE, "movies-glove-recommended", config="recommended", **VECTORS
    ),
    "movies-glove-attentionpool": lambda: rated_first(
        TABLE, "movies-glove-attentionpool", **POOL, **VECTORS
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MATERIALS))
    OUT.mkdir(parents=True, exist_ok=True)
    for name in parser.parse_args().names or MATERIALS:
        if not (OUT / name).exists():
            print(f"making {OUT / name}", flush=True)
            MATERIALS[name]()


if __name__ == "__main__":
    main()
