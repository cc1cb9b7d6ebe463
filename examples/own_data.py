"""Own data in five minutes: a folder of feature files and a CSV, trained on as it is.

Writes such a folder, with a made-up voice and a made-up face that smiles where the label is above
0, and trains on it. Splits are made by speaker. About ten seconds.

    python examples/own_data.py [--clips 300] [--epochs 10]
"""

import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np

import deadpan


def write(folder: Path, clips: int) -> None:
    """labels.csv with id, label and speaker; audio/ID.npy and face/ID.csv, a row per step."""
    random = np.random.default_rng(0)
    for modality in ("audio", "face"):
        (folder / modality).mkdir(parents=True)
    with (folder / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "label", "speaker"])
        for index in range(clips):
            label = random.uniform(-3, 3)
            rows.writerow([f"clip{index}", f"{label:.2f}", f"speaker{index % 12}"])
            audio = random.normal(label / 3, size=(random.integers(20, 40), 8))
            np.save(folder / "audio" / f"clip{index}.npy", audio.astype(np.float32))
            smile = random.normal(label > 0, size=random.integers(5, 10))
            lines = [f"{step / 5},{(step + 1) / 5},{value}" for step, value in enumerate(smile)]
            text = "\n".join(["start,end,smile", *lines])
            (folder / "face" / f"clip{index}.csv").write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=10)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "mydata"
        write(folder, chosen.clips)
        run = deadpan.train(folder, epochs=chosen.epochs, out=Path(home) / "run")
        for row in deadpan.evaluate(run.path)["rows"]:
            print(f"{row['system']:<12} Corr {row['metrics']['corr']:.3f}")


if __name__ == "__main__":
    main()
