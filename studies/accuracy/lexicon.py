"""Compare VADER's lexicon with models of rated sentences, on MOSI's official test text.

    python studies/accuracy/lexicon.py

The models read 50 numbers a word, as a user's own recording has them (GloVe 6B), and learn from
10,605 rated sentences of film reviews (see materials.py, which makes both); of MOSI they never read
more than the test text. Writes lexicon.csv, a row for each system and seed, and lexicon.md.
Finished runs are skipped.
"""

import csv
import re
import statistics
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.parquet
from grid_study import HERE
from materials import OUT, SHARED, TABLE
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

import deadpan
from deadpan.data.formats.word_vectors import tokenize
from deadpan.files import write_atomically, write_csv
from deadpan.metrics.regression import pearson_correlation
from deadpan.training.opened import RunDirectory

SEEDS = (1, 2, 3, 4, 5)
SYSTEMS: dict[str, dict[str, Any]] = {"LF-LSTM": {"model": "LFLSTM"}}
"""The best of three on held-out rated sentences, by hand, seed 1: Corr .676; recommended .644,
AttentionPool .639."""
RUNS = HERE.parents[1] / "runs" / "lexicon"
MOSI = RUNS / "mosi_test.csv"
VECTORS = RUNS / "glove.txt"
CONTRACTION = re.compile(r"(.+)(n't|'(?:s|re|ve|ll|d|m))")


def mosi_test() -> list[dict[str, str]]:
    """The rows of MOSI's test split; its transcripts are in capitals, as nobody writes."""
    with (SHARED / "mosi" / "label.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["mode"] == "test"]
    return [row | {"text": row["text"].lower()} for row in rows]


def write_vectors() -> None:
    """The vectors of every word of both texts; GloVe has the parts of "don't", and not the word."""
    (glove,) = {file.path.parent for file in deadpan.fetch_components("glove-6b-50d", out=OUT)}
    words = pyarrow.parquet.read_table(glove / "glove_6B_index.parquet")["index"].to_pylist()
    index = {word: row for row, word in enumerate(words)}
    vectors = np.load(glove / "glove_6B_50d_emb.npy", mmap_mode="r")
    with TABLE.open(newline="", encoding="utf-8") as file:
        texts = [row["text"] for row in (*csv.DictReader(file), *mosi_test())]
    lines = []
    for word in sorted({word for text in texts for word in tokenize(text)}):
        parts = [word]
        if word not in index and (match := CONTRACTION.fullmatch(word)):
            parts = [*match.groups()]
        if all(part in index for part in parts):
            vector = np.mean([vectors[index[part]] for part in parts], axis=0)
            lines.append(f"{word} {' '.join(f'{x:.5g}' for x in vector)}\n")
    write_atomically(VECTORS, "".join(lines).encode())


def rows_of(labels: np.ndarray) -> Iterator[dict[str, Any]]:
    """Correlations of each system and seed, on held-out rated sentences and on MOSI's test text."""
    vader = SentimentIntensityAnalyzer()
    scores = np.array([vader.polarity_scores(row["text"])["compound"] for row in mosi_test()])
    yield {"system": "VADER", "seed": "", "rated": "", "mosi": pearson_correlation(scores, labels)}
    for name, settings in SYSTEMS.items():
        for seed in SEEDS:
            path = RUNS / f"{name}-{seed}"
            if not path.exists():
                deadpan.train(
                    TABLE,
                    out=path,
                    seed=seed,
                    epochs=10,
                    loss="distribution",
                    data_options={"vectors": str(VECTORS)},
                    **settings,
                )
            run = RunDirectory(path)
            scored = deadpan.predict(run.path, MOSI, vectors=str(VECTORS))
            scores = np.array([row["prediction_sentiment"] for row in scored])
            history = run.epochs()
            yield {
                "system": name,
                "seed": seed,
                "rated": float(history.valid_metric("corr")[history.best_epoch - 1]),
                "mosi": pearson_correlation(scores, labels),
                "commit": run.environment().commit_name,
            }


def main() -> None:
    RUNS.mkdir(parents=True, exist_ok=True)
    write_csv(MOSI, [{k: row[k] for k in ("text", "label", "mode")} for row in mosi_test()])
    write_vectors()
    rows = list(rows_of(np.array([float(row["label"]) for row in mosi_test()])))
    lines = [
        "| System | Seeds | Rated sentences, validation | MOSI, test |",
        "|---|---:|---:|---:|",
    ]
    for name in dict.fromkeys(row["system"] for row in rows):
        own = [row for row in rows if row["system"] == name]
        cells = []
        for key in ("rated", "mosi"):
            values = [row[key] for row in own if row[key] != ""]
            spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.3f}{spread}" if values else "")
        lines.append(f"| {name} | {len(own) if own[0]['seed'] else ''} | {' | '.join(cells)} |")
    text = (
        "# A lexicon or a model of rated sentences\n\n"
        "`python studies/accuracy/lexicon.py`; each run's seed and commit are in lexicon.csv. "
        "Correlation with the labels (mean ± standard deviation over seeds). No model was trained "
        "or chosen on MOSI.\n\n" + "\n".join(lines) + "\n"
    )
    write_csv(HERE / "lexicon.csv", rows)
    write_atomically(HERE / "lexicon.md", text.encode())
    print(text)


if __name__ == "__main__":
    main()
