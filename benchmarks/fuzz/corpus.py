"""A small sound file of every format deadpan reads or writes, from one seed, for mutants.

``python benchmarks/fuzz/corpus.py FOLDER`` writes them, to look at.
"""

import csv
import io
import json
import pickle
import re
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

CLIPS = 9
WIDTHS = {"text": 6, "audio": 4, "vision": 3}
STEPS = {"text": 5, "audio": 12, "vision": 9}


@dataclass(frozen=True)
class Sample:
    """A sound source: a file or a folder, its options (files, and others), and what it is for."""

    name: str
    path: str
    options: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str | bool] = field(default_factory=dict)
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
        for write_format in (
            *(mult, mmsa, misa, mfn, csd, dialogues, contextual, cim, ur_funny, mustard, mertools),
            *(table, own, own_tables, store, run),
        )
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


def videos(clips):
    """The clips as three videos of three utterances, each utterance one vector per modality."""
    return {f"video{v}": [clips[i] for i in range(v, CLIPS, 3)] for v in range(3)}


def dialogues(folder, clips, labels):
    parts = videos(clips)

    def by_video(value):
        return {
            video: [value(video, i, clip) for i, clip in enumerate(x)] for video, x in parts.items()
        }

    content = (
        by_video(lambda video, i, _: f"{video}_F{i}"),
        by_video(lambda *_: "F"),
        by_video(lambda _, i, __: i),
        *(by_video(lambda _, __, clip, m=m: clip[m].mean(axis=0)) for m in WIDTHS),
        by_video(lambda *_: "some words"),
        {"video0", "video1"},
        ["video2"],
    )
    (folder / "dialogues.pkl").write_bytes(pickle.dumps(content, protocol=2))
    yield Sample("conv-emotion pickle", "dialogues.pkl")


def padded_videos(clips, modality):
    """[video, utterance, width], the last utterance of the second video being padding."""
    array = np.array(
        [[x[modality].mean(axis=0) for x in video] for video in videos(clips).values()]
    )
    array[1, 2] = 0
    return array


def contextual(folder, clips, labels):
    (folder / "contextual").mkdir(exist_ok=True)
    classes = (labels.reshape(3, 3) > 0) * 1.0
    for modality, name in {"text": "text", "audio": "audio", "vision": "video"}.items():
        x = padded_videos(clips, modality)
        content = (x[:2], classes[:2], x[2:], classes[2:], 3, [3, 2], [3])
        path = folder / "contextual" / f"{name}.pickle"
        path.write_bytes(pickle.dumps(content, protocol=2))
    yield Sample("bc-LSTM folder", "contextual")
    yield Sample("bc-LSTM pickle", "contextual/audio.pickle")


def cim(folder, clips, labels):
    (folder / "cim").mkdir(exist_ok=True)
    for modality, name in {"text": "text", "audio": "audio", "vision": "video"}.items():
        x, y = padded_videos(clips, modality), labels.reshape(3, 3, 1)
        content = {}
        for i, split in enumerate(("train", "valid", "test")):
            content |= {
                f"{split}_data": x[i : i + 1],
                f"{split}_length": np.array([2 if i == 1 else 3]),
                f"{split}SentiLabel": y[i : i + 1],
                f"{split}EmoLabel": np.abs(y[i : i + 1]).repeat(6, axis=2),
                f"{split}_idName": np.array([f"video{i}"]),
            }
        np.savez_compressed(folder / "cim" / f"{name}.npz", **content)
    yield Sample("CIM folder", "cim", settings={"label": "emotions"})
    yield Sample("CIM file", "cim/text.npz")


def ur_funny(folder, clips, labels):
    home = folder / "ur_funny"
    home.mkdir(exist_ok=True)

    def features(modality):
        return {
            i: {
                "punchline_features": clip[modality].tolist(),
                "context_features": [clip[modality].tolist()],
            }
            for i, clip in enumerate(clips)
        }

    content = {
        "data_folds": {
            name: list(rows)
            for name, rows in zip(("train", "dev", "test"), thirds().values(), strict=True)
        },
        "humor_label_sdk": {i: int(x > 0) for i, x in enumerate(labels)},
        "covarep_features_sdk": features("audio"),
        "openface_features_sdk": features("vision"),
        "word_embedding_list": clips[0]["text"].tolist() * 3,
        "language_sdk": {
            i: {
                "punchline_embedding_indexes": [0, 1],
                "context_embedding_indexes": [[1], [0, 2]],
                "punchline_sentence": "two words",
            }
            for i, _ in enumerate(clips)
        },
    }
    for name, value in content.items():
        (home / f"{name}.pkl").write_bytes(pickle.dumps(value))
    yield Sample("UR-FUNNY folder", "ur_funny", settings={"context": True})


def mustard(folder, clips, labels):
    import h5py

    home = folder / "mustard"
    (home / "features" / "utterances_final").mkdir(parents=True, exist_ok=True)
    entries = {
        f"1_{i}": {
            "utterance": "Oh, great!",
            "speaker": f"S{i % 4}",
            "show": "BBT",
            "sarcasm": x > 0,
        }
        for i, x in enumerate(labels.tolist())
    }
    (home / "sarcasm_data.json").write_text(json.dumps(entries))
    audio = {f"1_{i}": clip["audio"].T for i, clip in enumerate(clips)}
    (home / "audio_features.p").write_bytes(pickle.dumps(audio, protocol=2))
    folds = [(np.arange(6), np.arange(6, CLIPS))]
    (home / "split_indices.p").write_bytes(pickle.dumps(folds, protocol=2))
    with h5py.File(home / "features" / "utterances_final" / "resnet_pool5.hdf5", "w") as file:
        for i, clip in enumerate(clips):
            file[f"1_{i}"] = clip["vision"].astype(np.float32)
    lines = []
    for clip in clips:
        tokens = [
            {"token": "x", "layers": [{"values": step.tolist()} for _ in range(2)]}
            for step in clip["text"]
        ]
        lines.append(json.dumps({"features": tokens}))
    (home / "bert-output.jsonl").write_text("\n".join(lines))
    yield Sample("MUStARD folder", "mustard", settings={"fold": "0"})


def mertools(folder, clips, labels):
    home = folder / "mertools"
    corpora = {
        f"{split}_corpus": {
            f"sample_{i}": {"emo": ("happy", "sad")[i % 2], "val": np.float64(labels[i])}
            for i in rows
        }
        for split, rows in zip(("train", "val", "test"), thirds().values(), strict=True)
    }
    for modality, name in {"text": "bert-FRA", "audio": "wavlm-UTT", "vision": "manet-FRA"}.items():
        (home / "features" / name).mkdir(parents=True, exist_ok=True)
        for i, clip in enumerate(clips):
            x = clip[modality].mean(axis=0) if name.endswith("UTT") else clip[modality]
            np.save(home / "features" / name / f"sample_{i}.npy", x)
    np.savez_compressed(home / "label-6way.npz", **corpora)
    yield Sample("MERTools folder", "mertools")


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
    import torch

    home = folder / "own"
    for modality in ("audio", "face", "gaze", "openface", "npz", "tensors"):
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
            frames = [
                f"{k}, 0, {k / 25}, 0.9, {k % 2}, {x[0]}" for k, x in enumerate(clip["vision"])
            ]
            frames.insert(0, "frame, face_id, timestamp, confidence, success, AU01_r")
            (home / "openface" / f"clip{i}.csv").write_text("\n".join(frames))
            arrays = {"x": clip["audio"], "times": np.arange(len(clip["audio"])) / 100}
            np.savez_compressed(home / "npz" / f"clip{i}.npz", mask=arrays["times"] < 1, **arrays)
            torch.save(torch.from_numpy(clip["text"]), home / "tensors" / f"clip{i}.pt")
    yield Sample("own folder", "own")


TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def without_times(archive):
    """A workbook that does not say when it was made: each run of the fuzzer has the same one."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            content = TIME.sub(b"2000-01-01T00:00:00Z", old.read(name))
            new.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def own_tables(folder, clips, labels):
    """The same clips beside a table of every kind but CSV."""
    import openpyxl
    import pyarrow
    import pyarrow.parquet

    columns = ["id", "label", "text"]
    rows = [[f"clip{i}", labels[i], f"words of {i}"] for i, _ in enumerate(clips)]
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    for kind in ("tsv", "xlsx", "parquet", "json", "jsonl"):
        home = folder / f"own_{kind}"
        (home / "audio").mkdir(parents=True, exist_ok=True)
        for i, clip in enumerate(clips[:3]):
            np.save(home / "audio" / f"clip{i}.npy", clip["audio"].astype(np.float32))
        path = home / f"labels.{kind}"
        if kind == "tsv":
            path.write_text("".join("\t".join(map(str, row)) + "\n" for row in (columns, *rows)))
        elif kind == "xlsx":
            book = openpyxl.Workbook()
            for row in (columns, *rows):
                book.active.append(row)
            book.save(path)
            path.write_bytes(without_times(path.read_bytes()))
        elif kind == "parquet":
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), path)
        elif kind == "json":
            path.write_text(json.dumps(records))
        else:
            path.write_text("".join(json.dumps(record) + "\n" for record in records))
        yield Sample(f"own folder, {kind}", home.name)


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
