"""HCT-MG in use: torch beside ONNX, one clip and many, on one core and two; and what it weighs.

MOSI's shapes (text 300, audio 5, vision 20 features). One clip of 12/53/63 steps, as people speak,
and of 50/375/500, as the field pads; batches of ragged clips of speech-like lengths. Each figure is
the median over rounds, in which all systems take turns; a figure of a round is the mean of many
calls. "Predictor" includes its checks and padding, "session" is onnxruntime alone. Memory and
import times are those of fresh processes. What int8 costs is measured on a model trained on
``controlled``.

    python benchmarks/inference.py [--repeats 7] [--seconds 0.1] [--epochs 6] [--clips 1000]
        [--run RUN] [--out benchmarks/results/inference]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from workloads.epochs import make_clips
from workloads.official import CORPORA, SPREAD
from workloads.reporting import about, keep, table

import deadpan
from deadpan.data.batching import collate
from deadpan.data.dataset import Clip
from deadpan.data.normalization import Normalizer
from deadpan.exporting.run import deviations, export_bytes, onnx_predict
from deadpan.models import HCTMG
from deadpan.serving.predictor import Predictor
from deadpan.training.run import keep_freed_memory

MOSI = CORPORA["mosi"]
SPEECH = {"text": 12, "audio": 53, "vision": 63}
SIZES = (1, 8, 32, 128, 512)
PLAIN = Normalizer(centers={}, scales={})
FACTS = {"version": 1, "task": "regression", "labels": ["s"], "median_of_group_first": []}
WANTED = {
    "one clip, onnxruntime, ms": 1.0,
    "one clip, torch, ms": 3.0,
    "50/375/500, onnxruntime, ms": 8.0,
    "memory over Python, clips of speech, MB": 60.0,
    "memory over Python, after 50/375/500, MB": 60.0,
    "import, s": 0.3,
    "file, MB": 2.5,
    "int8 file, MB": 0.8,
}

FRESH = """
import sys, time
def memory():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(x for x in lines if x.startswith("VmRSS")).split()[1]) * 1024 / 1e6
bare, start = memory(), time.perf_counter()
from deadpan.serving.predictor import Predictor
own = time.perf_counter() - start
import onnxruntime
imported = time.perf_counter() - start
predictor = Predictor(sys.argv[1])
loaded = time.perf_counter() - start
import numpy as np
def clip(*steps):
    names = zip(("text", "audio", "vision"), steps)
    return {m: np.ones((n, predictor.widths[m]), np.float32) for m, n in names}
predictor([clip(12, 53, 63)])
first, short = time.perf_counter() - start, memory()
for _ in range(20):
    predictor([clip(12, 53, 63)] * 64)
many = memory()
predictor([clip(50, 375, 500)])
assert "torch" not in sys.modules
import json
print(json.dumps({"module": own, "import": imported, "load": loaded - imported,
    "first": first - loaded, "python": bare, "one clip": short - bare,
    "batches": many - bare, "longest": memory() - bare}))
"""


def torch_call(model: HCTMG, clips: list[Clip], threads: int) -> Callable[[], object]:
    def run() -> None:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            model(batch)

    batch = collate(clips, MOSI.widths)
    return run


def session_call(predictor: Predictor, clips: list[Clip]) -> Callable[[], object]:
    feeds = predictor._padded([clip.sequences for clip in clips])
    return lambda: predictor._session.run(["prediction"], feeds)


def timed(calls: dict[str, Callable[[], object]], repeats: int, seconds: float) -> dict[str, float]:
    """Median milliseconds of a call; everything takes turns, a turn is about ``seconds`` long."""
    counts: dict[str, int] = {}
    for name, call in calls.items():
        call()
        start = time.perf_counter()
        call()
        counts[name] = max(1, round(seconds / (time.perf_counter() - start)))
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            call()  # the caches were the others'
            start = time.perf_counter()
            for _ in range(counts[name]):
                call()
            found[name].append(1000 * (time.perf_counter() - start) / counts[name])
    return {name: statistics.median(values) for name, values in found.items()}


def one_clip(
    model: HCTMG, predictors: dict[str, Predictor], repeats: int, seconds: float
) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for kind, steps in (("12/53/63", SPEECH), ("50/375/500", MOSI.steps)):
        clips = make_clips(1, steps, MOSI.widths)
        calls = {"torch, 1 thread": torch_call(model, clips, 1)}
        for name, predictor in predictors.items():
            calls[f"session, {name}"] = session_call(predictor, clips)
        first = next(iter(predictors.values()))
        calls["predictor, fp32, 1 thread"] = lambda f=first, c=clips: f([c[0].sequences])
        told[kind] = timed(calls, repeats, seconds)
    return told


def batches(
    model: HCTMG, predictors: dict[str, Predictor], repeats: int, seconds: float
) -> dict[str, Any]:
    """Milliseconds per clip."""
    told: dict[str, Any] = {}
    for size in SIZES:
        clips = make_clips(size, SPEECH, MOSI.widths, spread=SPREAD)
        sequences = [clip.sequences for clip in clips]
        calls = {"torch, 1 thread": torch_call(model, clips, 1)}
        for name, predictor in predictors.items():
            calls[f"predictor, {name}"] = lambda p=predictor, s=sequences: p(s)
        told[str(size)] = {k: x / size for k, x in timed(calls, repeats, seconds).items()}
    return told


def fresh(file: Path, repeats: int) -> dict[str, float]:
    """Medians over processes of their own."""
    command = [sys.executable, "-c", FRESH, str(file)]
    runs = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(repeats)
    ]
    return {key: round(statistics.median(run[key] for run in runs), 3) for key in runs[0]}


def cost_of_int8(folder: Path, run: Path | None, epochs: int, clips: int) -> dict[str, Any]:
    """Scores of a trained model on its validation and test clips, in float32 and in int8."""
    if not run:
        options = {"clips": clips}
        run = deadpan.train(
            "controlled", out=folder / "run", epochs=epochs, data_options=options
        ).path
    dataset = deadpan.load("controlled", clips=clips)
    held_out = [*dataset["valid"], *dataset["test"]]
    truth = np.stack([clip.label for clip in held_out])
    from deadpan.tasks import make_task

    task = make_task(dataset.task, dataset.labels)
    told: dict[str, Any] = {"epochs": epochs, "clips": clips, "held out": len(held_out)}
    outputs = {}
    for name, int8 in (("fp32", False), ("int8", True)):
        made = deadpan.export(run, int8=int8, out=folder / f"trained-{name}.onnx")
        outputs[name] = Predictor(made.path)([clip.sequences for clip in held_out]).outputs
        told[name] = task.metrics(outputs[name], truth)
    rows = deadpan.predict(run, "controlled", clips=clips)
    by_id = {row["id"]: row[f"prediction_{task.labels[0]}"] for row in rows}
    meant = np.array([by_id[clip.id] for clip in held_out])
    told["differs"] = {k: float(np.abs(x[:, 0] - meant).max()) for k, x in outputs.items()}
    told["mean differs"] = {k: float(np.abs(x[:, 0] - meant).mean()) for k, x in outputs.items()}
    return told


def measured(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    torch.manual_seed(0)
    model = HCTMG(widths=MOSI.widths, outputs=1).eval()
    facts = {**FACTS, "widths": model.widths, "outputs": 1}
    told: dict[str, Any] = {"about": about(), "repeats": chosen.repeats, "MB": {}, "deviation": {}}
    predictors: dict[str, Predictor] = {}
    for name, int8 in (("fp32", False), ("int8", True)):
        content = export_bytes(model, PLAIN, facts, int8=int8)
        differs, _ = deviations(onnx_predict(content), model, model.widths, PLAIN, clips=200)
        told["MB"][name], told["deviation"][name] = len(content) / 1e6, float(differs.max())
        file = folder / f"{name}.onnx"
        file.write_bytes(content)
        for threads in (1, 2):
            label = f"{name}, {threads} thread{'s' * (threads > 1)}"
            predictors[label] = Predictor(file, threads=threads)
    told["one clip"] = one_clip(model, predictors, chosen.repeats, chosen.seconds)
    told["per clip"] = batches(model, predictors, chosen.repeats, chosen.seconds)
    told["fresh process"] = {
        n: fresh(folder / f"{n}.onnx", chosen.repeats) for n in ("fp32", "int8")
    }
    told["int8"] = cost_of_int8(folder, chosen.run, chosen.epochs, chosen.clips)
    return told


def compared(told: dict[str, Any]) -> dict[str, float]:
    """What was wanted, by the names of ``WANTED``."""
    process = told["fresh process"]["fp32"]
    short, longest = told["one clip"].values()
    return {
        "one clip, onnxruntime, ms": short["session, fp32, 1 thread"],
        "one clip, torch, ms": short["torch, 1 thread"],
        "50/375/500, onnxruntime, ms": longest["session, fp32, 1 thread"],
        "memory over Python, clips of speech, MB": max(process["one clip"], process["batches"]),
        "memory over Python, after 50/375/500, MB": process["longest"],
        "import, s": process["import"],
        "file, MB": told["MB"]["fp32"],
        "int8 file, MB": told["MB"]["int8"],
    }


def page(told: dict[str, Any], command: str) -> str:
    got = compared(told)
    goals = [
        (name, f"{got[name]:.2f}", f"{most:g}", "yes" if got[name] <= most else "**no**")
        for name, most in WANTED.items()
    ]
    one = told["one clip"]
    single = [(name, *(f"{kind[name]:.2f}" for kind in one.values())) for name in one["12/53/63"]]
    sizes = told["per clip"]
    many = [(name, *(f"{sizes[n][name]:.3f}" for n in sizes)) for name in sizes["1"]]
    trained = told["int8"]
    scores = [
        (name, *(f"{trained[name][key]:.4f}" for key in ("mae", "corr", "acc7", "acc2_non0")),
         f"{trained['differs'][name]:.1e}", f"{trained['mean differs'][name]:.1e}")
        for name in ("fp32", "int8")
    ]  # fmt: skip
    fresh_rows = [
        (name, *(f"{process[k]:.2f}" for k in ("import", "load", "first")),
         *(f"{process[k]:.1f}" for k in ("one clip", "batches", "longest")))
        for name, process in told["fresh process"].items()
    ]  # fmt: skip
    lines = [
        "# Inference: HCT-MG at MOSI's widths",
        "",
        f"`{command}`, {told['about']['machine']}, commit {told['about']['commit']}; medians of "
        f"{told['repeats']} rounds in which all take turns.",
        "",
        *table(("", "measured", "at most", "met"), goals),
        "",
        "Milliseconds of one clip:",
        "",
        *table(("steps of text/audio/vision", *one), single),
        "",
        "Milliseconds per clip, ragged clips of speech-like lengths at once, checks and padding "
        "included (torch is given padded tensors):",
        "",
        *table(("clips at once", *sizes), many),
        "",
        "A fresh process: seconds to import numpy, onnxruntime and the predictor, to load the file "
        "and to predict for the first time; MB resident above bare Python "
        f"({told['fresh process']['fp32']['python']:.1f}) after one clip, after batches of 64, "
        "after one clip of 50/375/500:",
        "",
        *table(("", "import", "load", "first", "one clip", "batches", "longest"), fresh_rows),
        "",
        f"Files: {', '.join(f'{k} {x:.2f} MB' for k, x in told['MB'].items())}. Largest deviation "
        "from torch on 200 random ragged clips, untrained: "
        f"{', '.join(f'{k} {x:.1e}' for k, x in told['deviation'].items())}.",
        "",
        f"What int8 costs: HCT-MG after {trained['epochs']} epochs of `controlled` with "
        f"{trained['clips']} clips, on {trained['held out']} clips held out; differences are those "
        "from torch:",
        "",
        *table(("", "MAE", "Corr", "Acc-7", "Acc-2 non0", "largest", "mean"), scores),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--run", type=Path, help="that was trained so before")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    torch.set_flush_denormal(True)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        told = measured(Path(folder), chosen)
    text = page(told, f"python benchmarks/inference.py {' '.join(sys.argv[1:])}".strip())
    print(text)
    print(json.dumps(told))
    keep(chosen.out, told, text)


if __name__ == "__main__":
    main()
