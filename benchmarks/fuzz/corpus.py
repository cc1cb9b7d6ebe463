"""A small sound file of every format deadpan reads or writes, from one seed, for mutants.

``python benchmarks/fuzz/corpus.py FOLDER`` writes them, to look at.
"""

import csv
import json
import pickle
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

CLIPS = 9
WIDTHS = {"text": 6, "audio": 4, "vision": 3}
STEPS = {"text": 5, "audio": 12, "vision": 9}


@dataclass(frozen=True)
class Sample:
    """A sound source: a file or a folder, the options it is loaded with, and what it is for."""

    name: str
    path: str
    options: dict[str, str] = field(default_factory=dict)
    use: str = "data"


def write(folder: Path) -> list[Sample]:
    """Every sample, below ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    clips = [
        {m: random.normal(size=(int(random.integers(1, STEPS[m])), w)) for m, w in WIDTHS.items()}
        for _ in range(CLIPS)
    ]
    labels = random.uniform(-3, 3, CLIPS).round(2)
    return [
        sample
        for write_format in (mult, mmsa, misa, mfn, csd, table, own, store, run)
        for sample in write_format(folder, clips, labels)
    ]


def thirds():
    """The clips of each split."""
    return {name: range(i, CLIPS, 3) for i, name in enumerate(("train", "valid", "test"))}


def padded(clips, modality, side):
    array = np.zeros((len(clips), STEPS[modality], WIDTHS[modality]), np.float32)
    for row, clip in zip(array, clips, strict=True):
        x = clip[modality]
        row[len(row) - len(x) :] = x if side == "left" else row[len(row) - len(x) :]
        if side == "right":
            row[: len(x)] = x
    return array


def mult(folder, clips, labels):
    for protocol in (0, 2, 4, 5):
        content = {
            split: {
                **{m: padded([clips[i] for i in rows], m, "left") for m in WIDTHS},
                "labels": labels[rows].reshape(-1, 1, 1),
                "id": np.array([[f"video{i}_1"] for i in rows], dtype=object),
            }
            for split, rows in thirds().items()
        }
        path = folder / f"mult{protocol}.pkl"
        path.write_bytes(pickle.dumps(content, protocol=protocol))
        yield Sample(f"MulT pickle, protocol {protocol}", path.name)


def mmsa(folder, clips, labels):
    content = {
        split: {
            **{m: padded([clips[i] for i in rows], m, "right") for m in WIDTHS},
            "raw_text": [f"words of {i}" for i in rows],
            "text_bert": np.ones((len(rows), 3, STEPS["text"]), np.float32),
            "id": [f"video{i}$_$1" for i in rows],
            "audio_lengths": [len(clips[i]["audio"]) for i in rows],
            "vision_lengths": [len(clips[i]["vision"]) for i in rows],
            "regression_labels": labels[rows],
            "classification_labels": np.sign(labels[rows]),
            "annotations": ["Positive"] * len(rows),
        }
        for split, rows in thirds().items()
    }
    (folder / "mmsa.pkl").write_bytes(pickle.dumps(content))
    yield Sample("MMSA pickle", "mmsa.pkl")


def misa(folder, clips, labels):
    (folder / "misa").mkdir(exist_ok=True)
    for split, rows in zip(("train", "dev", "test"), thirds().values(), strict=True):
        entries = []
        for i in rows:
            x = clips[i]["audio"]
            words = [f"word{k}" for k in range(len(x))]
            features = (np.arange(len(x)), np.ones((len(x), 3)), x, words)
            entries.append((features, np.array([[labels[i]]]), f"video{i}[0]"))
        (folder / "misa" / f"{split}.pkl").write_bytes(pickle.dumps(entries))
    yield Sample("MISA folder", "misa")
    yield Sample("MISA list", "misa/train.pkl")


def mfn(folder, clips, labels):
    import h5py

    (folder / "mfn").mkdir(exist_ok=True)
    for split, rows in thirds().items():
        names = {"text": "text_{}_emb.h5", "audio": "audio_{}.h5", "vision": "video_{}.h5"}
        for modality, name in names.items():
            with h5py.File(folder / "mfn" / name.format(split), "w") as file:
                file["d1"] = padded([clips[i] for i in rows], modality, "left")
        with h5py.File(folder / "mfn" / f"y_{split}.h5", "w") as file:
            file["d1"] = labels[rows]
    yield Sample("MFN folder", "mfn")


def csd(folder, clips, labels):
    import h5py

    (folder / "csd").mkdir(exist_ok=True)
    streams = {"glove_vectors": "text", "COVAREP": "audio", "FACET_4.2": "vision"}
    for name, modality in {**streams, "Opinion Segment Labels": ""}.items():
        with h5py.File(folder / "csd" / f"{name}.csd", "w") as file:
            root = file.create_group(name)
            for i, clip in enumerate(clips):
                x = clip[modality] if modality else labels[i].reshape(1, 1)
                edges = np.linspace(0, 4, len(x) + 1)
                video = root.create_group(f"data/video{i}")
                kind = {"compression": "gzip"} if modality == "audio" else {}
                video.create_dataset("features", data=x, **kind)
                video["intervals"] = np.stack([edges[:-1], edges[1:]], axis=1)
            for key in ("root name", "description", "version"):
                text = np.array([json.dumps(name)], dtype=object)
                root.create_dataset(f"metadata/{key}", data=text, dtype=h5py.string_dtype())
    yield Sample("CMU-SDK folder", "csd")


def table(folder, clips, labels):
    words = [f"word{k}" for k in range(5)]
    vectors = "".join(f"{w} {' '.join(['0.5'] * 6)}\n" for w in words)
    (folder / "vectors.txt").write_text(vectors)
    with (folder / "label.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["video_id", "clip_id", "text", "label", "mode"])
        for i, _ in enumerate(clips):
            mode = ("train", "valid", "test")[i % 3]
            rows.writerow([f"video{i}", 1, f"Word1, word2 and WORD{i}", labels[i], mode])
    yield Sample("MMSA table", "label.csv", {"vectors": "vectors.txt"})


def own(folder, clips, labels):
    import pyarrow
    import pyarrow.parquet

    home = folder / "own"
    for modality in ("audio", "face", "gaze"):
        (home / modality).mkdir(parents=True, exist_ok=True)
    with (home / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "label", "speaker"])
        for i, clip in enumerate(clips):
            rows.writerow([f"clip{i}", ("calm", "angry")[int(labels[i] > 0)], f"speaker{i % 4}"])
            np.save(home / "audio" / f"clip{i}.npy", clip["audio"].astype(np.float32))
            lines = ["a,b,c"] + [",".join(map(repr, step)) for step in clip["vision"].tolist()]
            (home / "face" / f"clip{i}.csv").write_text("\n".join(lines))
            columns = {f"f{k}": column for k, column in enumerate(clip["text"].T)}
            pyarrow.parquet.write_table(pyarrow.table(columns), home / "gaze" / f"clip{i}.parquet")
    yield Sample("own folder", "own")


def store(folder, clips, labels):
    import deadpan

    out = folder / "store.safetensors"
    if not out.exists():
        deadpan.convert(str(folder / "mult4.pkl"), out)
    yield Sample("store", out.name)


def run(folder, clips, labels):
    import deadpan

    out = folder / "run"
    if not out.exists():
        deadpan.train(
            "controlled",
            data_options={"clips": 16, "text_width": 4, "audio_width": 4, "vision_width": 4},
            model_options={"width": 4, "heads": 2, "layers": 1, "head_blocks": 1},
            epochs=2,
            batch_size=4,
            out=out,
        )
        deadpan.evaluate(out)
        deadpan.export(out, out=folder / "model.onnx")
    yield Sample("run", out.name, use="run")
    yield Sample("ONNX file", "model.onnx", use="predict")


if __name__ == "__main__":
    for made in write(Path(sys.argv[1] if len(sys.argv) > 1 else "corpus")):
        print(made)
