"""What recording attention costs while nobody records, and how long a long clip's heatmap takes.

Recording off is measured against the same forward pass without the tests of ``recorders``, of
HCT-MG at MOSI's sizes on clips of 50/375/500 steps: both in turn, in an order that alternates, so
that what the machine does meanwhile meets both alike.

    python benchmarks/explain.py [--rounds 101] [--clips 8] [--out benchmarks/results]
"""

import argparse
import inspect
import json
import statistics
import textwrap
import time
from pathlib import Path

import numpy as np
import torch
from workloads.reporting import about

from deadpan.analysis.attention import attend
from deadpan.analysis.crossmodal import Axis, CrossmodalMap, crossmodal_map, crossmodal_path
from deadpan.data.dataset import Clip
from deadpan.layers.attention import Attention, record_attention
from deadpan.layers.transformer import Encoder, EncoderLayer
from deadpan.models import HCTMG
from deadpan.reports.clip_figures import heatmap
from deadpan.show.drawing import picture
from deadpan.types import AUDIO, TEXT, VISION, Batch

STEPS = {TEXT: 50, AUDIO: 375, VISION: 500}
WIDTHS = {TEXT: 300, AUDIO: 5, VISION: 20}
TESTS = {
    (EncoderLayer, "forward"): [(" and not self.attention.recorders", "")],
    (Encoder, "pooled"): [(" or self._is_recorded()", "")],
    (Attention, "forward"): [(" or self.recorders", ""), ("if self.recorders:", "if False:")],
}
"""Every place that asks whether somebody records, and what stands there if nobody could."""


def batch_of(clips: int) -> Batch:
    torch.manual_seed(0)
    return Batch(
        ids=tuple(map(str, range(clips))),
        sequences={m: torch.randn(clips, n, WIDTHS[m]) for m, n in STEPS.items()},
        masks={m: torch.ones(clips, n, dtype=torch.bool) for m, n in STEPS.items()},
        labels=torch.zeros(clips, 1),
    )


def without_the_tests() -> dict[tuple[type, str], object]:
    """Methods as they would be if there were nothing to record."""
    made = {}
    for (kind, name), tests in TESTS.items():
        source = textwrap.dedent(inspect.getsource(getattr(kind, name)))
        for test, instead in tests:
            assert test in source, f"{kind.__name__}.{name} has changed; adapt this benchmark"
            source = source.replace(test, instead)
        space: dict = {}
        exec(source, vars(inspect.getmodule(kind)), space)  # our own source, less a test
        made[kind, name] = space[name]
    return made


def install(methods: dict[tuple[type, str], object]) -> None:
    for (kind, name), method in methods.items():
        setattr(kind, name, method)


def seconds(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def recording_cost(rounds: int, clips: int) -> dict[str, float]:
    model, batch = HCTMG(widths=WIDTHS, outputs=1).eval(), batch_of(clips)
    methods = {
        "hooked": {(kind, name): getattr(kind, name) for kind, name in TESTS},
        "plain": without_the_tests(),
    }

    @torch.no_grad()
    def run(which: str) -> float:
        install(methods[which])
        return seconds(lambda: model(batch))

    run("hooked"), run("plain")  # noqa: B018 - to warm up
    pairs = []
    for turn in range(rounds):
        order = ("hooked", "plain") if turn % 2 else ("plain", "hooked")
        took = {which: run(which) for which in order}
        pairs.append((took["hooked"], took["plain"]))
    install(methods["hooked"])

    @torch.no_grad()
    def recorded() -> None:
        with record_attention(model):
            model(batch)

    ratios = [a / b for a, b in pairs]
    return {
        "off_ms": 1e3 * statistics.median(a for a, _ in pairs),
        "without_hook_ms": 1e3 * statistics.median(b for _, b in pairs),
        "off_to_without": statistics.median(ratios),
        "off_to_without_quartiles": statistics.quantiles(ratios, n=4)[::2],
        "off_to_without_fastest": min(a for a, _ in pairs) / min(b for _, b in pairs),
        "on_ms": 1e3 * seconds(recorded),
    }


def heatmap_seconds() -> dict[str, float]:
    """Vision, 500 steps, attending to audio, 375 steps; and 500 words to 375 frames."""
    random = np.random.default_rng(0)
    clip = Clip(
        id="long",
        sequences={
            m: random.standard_normal((n, WIDTHS[m])).astype(np.float32) for m, n in STEPS.items()
        },
        label=np.zeros(1, dtype=np.float32),
    )
    model = HCTMG(widths=WIDTHS, outputs=1, primary=TEXT).eval()
    found: dict[str, float] = {}
    start = time.perf_counter()
    path = crossmodal_path(model, source=AUDIO, target=VISION)
    weights = crossmodal_map(attend(model, clip), path).weights
    found["map_s"] = time.perf_counter() - start
    for name, words in (("frames_s", ()), ("words_s", tuple(f"word{i}" for i in range(500)))):
        source = Axis(name=AUDIO, words=(), edges=np.arange(376) / 12.5, unit="seconds")
        target = Axis(name=VISION, words=words, edges=np.arange(501) / 15, unit="seconds")
        drawn = CrossmodalMap(source=source, target=target, weights=weights)

        def draw(drawn=drawn) -> None:
            size, _, paint = heatmap(drawn)
            picture("long", paint, size)

        found[name] = min(seconds(draw) for _ in range(3))
    return found


def page(figures: dict, command: str) -> str:
    cost, drawn = figures["recording"], figures["heatmap"]
    low, high = cost["off_to_without_quartiles"]
    return "\n".join(
        [
            "# Recording attention, and drawing it",
            "",
            f"`{command}`; {figures['threads']} threads, {figures['machine']}, "
            f"commit {figures['commit']}.",
            "",
            f"| forward pass of {figures['clips']} clips of 50/375/500 steps (HCT-MG) | |",
            "|---|---|",
            f"| recording off | {cost['off_ms']:.0f} ms |",
            f"| without the tests | {cost['without_hook_ms']:.0f} ms |",
            f"| ratio, median of {figures['rounds']} pairs (quartiles) | "
            f"{cost['off_to_without']:.3f} ({low:.3f}, {high:.3f}) |",
            f"| ratio of the fastest | {cost['off_to_without_fastest']:.3f} |",
            f"| recording on | {cost['on_ms']:.0f} ms |",
            "",
            "| heatmap of a clip, 500 x 375, PNG of 300 dpi and SVG | |",
            "|---|---|",
            f"| weights, from the clip | {drawn['map_s']:.2f} s |",
            f"| drawn, 500 frames | {drawn['frames_s']:.2f} s |",
            f"| drawn, 500 words | {drawn['words_s']:.2f} s |",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=101)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--out", type=Path, help="a folder for explain.md and explain.json")
    chosen = parser.parse_args()
    figures = {
        "clips": chosen.clips,
        "rounds": chosen.rounds,
        "threads": torch.get_num_threads(),
        **about(),
        "heatmap": heatmap_seconds(),
        "recording": recording_cost(chosen.rounds, chosen.clips),
    }
    told = page(figures, "python benchmarks/explain.py")
    print(told)
    if chosen.out:
        (chosen.out / "explain.md").write_text(told)
        (chosen.out / "explain.json").write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
