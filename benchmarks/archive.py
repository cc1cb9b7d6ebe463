"""What an archive of 10,000 hours of recordings needs: processor time, storage, files.

Measures the bytes and files that ``deadpan extract`` leaves of an hour, on clips of 4 s as
``recordings.py`` makes them, and multiplies; processor time is that of results/recordings.json.

    python benchmarks/archive.py [--clips 15] [--out benchmarks/results/archive]

Reads ../shared/media and the components that ``make test`` fetches.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from recordings import CLIP_SECONDS, COMPONENTS, FACE, extracted, make_recordings
from workloads.reporting import about, keep, table

from deadpan.recordings.run import cache_folder

HERE = Path(__file__).parent
RECORDINGS = HERE / "results" / "recordings.json"
HOURS, SHARD_HOURS = 10_000, 100
CASES = {
    "60 clips of 4 s, extract": "all of `open-1`",
    "60 clips of 4 s, extract without recognition": "voice and face alone",
}
"""Cases of recordings.json, and what they are called here."""


def left_of(clips: int) -> dict[str, float]:
    """Bytes and files that the extraction of an hour of clips leaves."""
    hours = clips * CLIP_SECONDS / 3600
    with tempfile.TemporaryDirectory() as folder:
        recordings, out = Path(folder) / "clips", Path(folder) / "all.safetensors"
        recordings.mkdir()
        paths = [recordings / f"clip{k}.mp4" for k in range(clips)]
        make_recordings(dict.fromkeys(paths, CLIP_SECONDS))
        extracted(recordings, clips, out, "")
        cache = [path for path in cache_folder(out).iterdir() if path.is_file()]
        return {
            "store_bytes": out.stat().st_size / hours,
            "cache_bytes": sum(path.stat().st_size for path in cache) / hours,
            "cache_files": len(cache) / hours,
            "recordings_bytes": sum(path.stat().st_size for path in paths) / hours,
        }


def text(facts: dict[str, Any]) -> str:
    """The results as Markdown; docs/archive.md shows the tables."""
    measured, left = facts["recordings"], facts["left"]
    cost = []
    for case, what in CASES.items():
        used = measured["cpu_per_second"][case]
        days = used * HOURS / 24
        cost.append(
            (
                what,
                f"{used:.3f}",
                f"{used * HOURS:,.0f}",
                f"{days:,.0f}",
                *(f"{days / count:,.1f}" for count in (16, 64, 256)),
            )
        )
    names = {
        "store": "store, which is trained on",
        "cache": "cache, which may be removed once the store is written",
        "recordings": "recordings as made here: 640x360, H.264",
    }
    storage = [
        (
            name,
            f"{left[f'{key}_bytes'] / 1e6:,.1f}",
            f"{left[f'{key}_bytes'] * SHARD_HOURS / 1e9:,.1f}",
            f"{left[f'{key}_bytes'] * HOURS / 1e9:,.0f}",
        )
        for key, name in names.items()
    ]
    files = left["cache_files"]
    storage.append(
        (
            "files in the cache, of clips of 4 s",
            f"{files:,.0f}",
            f"{files * SHARD_HOURS:,.0f}",
            f"{files * HOURS:,.0f}",
        )
    )
    return "\n".join(
        [
            "# An archive of 10,000 hours",
            "",
            f"Storage: {facts['clips']} clips of {CLIP_SECONDS} s, one face, speech throughout; "
            f"{facts['machine']}; commit {facts['commit']}. `python benchmarks/archive.py --clips "
            f"{facts['clips']}`. Processor time: [recordings](recordings.md), "
            f"{measured['machine']}, load {measured['load']}, commit {measured['commit']}.",
            "",
            "<!-- part: cost -->",
            *table(
                (
                    "what is measured",
                    "core hours an hour",
                    f"core hours, {HOURS:,} h",
                    "days on 1 core",
                    "16 cores",
                    "64 cores",
                    "256 cores",
                ),
                cost,
            ),
            "<!-- end -->",
            "",
            "<!-- part: storage -->",
            *table(
                ("", "MB an hour", f"GB a shard of {SHARD_HOURS} h", f"GB, {HOURS:,} h"),
                storage[:-1],
            ),
            "<!-- end -->",
            "",
            "<!-- part: files -->",
            *table(
                ("", "an hour", f"a shard of {SHARD_HOURS} h", f"{HOURS:,} h"),
                storage[-1:],
            ),
            "<!-- end -->",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=15)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if not FACE.exists() or not COMPONENTS.exists():
        print(f"needs {FACE} and {COMPONENTS}, which are not there: nothing was measured")
        return
    measured = json.loads(RECORDINGS.read_text(encoding="utf-8"))
    facts = {
        **about(),
        "clips": arguments.clips,
        "hours": HOURS,
        "left": left_of(arguments.clips),
        "recordings": {
            **{name: measured[name] for name in ("machine", "load", "commit")},
            "cpu_per_second": {
                row["case"]: row["cpu_per_second"]
                for row in measured["cases"]
                if row["case"] in CASES
            },
        },
    }
    shown = text(facts)
    print(shown)
    keep(arguments.out, facts, shown)


if __name__ == "__main__":
    main()
