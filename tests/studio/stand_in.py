"""A studio in a process of its own, whose reading of recordings needs no models.

Run as a script it serves a folder and prints its address. What it "reads" is the timeline made up
by hand; a recording's name tells how: one that begins with "slow" waits at half for a file ``go``
beside the studio's folder, "fault" and "crash" fail.
"""

import argparse
import dataclasses
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from deadpan.errors import DataError  # noqa: E402
from deadpan.reports.timeline import write_timeline  # noqa: E402
from deadpan.studio import app, server  # noqa: E402
from tests.extraction.made_up import made_up  # noqa: E402


def read_nothing(recordings, *, out, watch):
    """Write the made-up timeline of a recording, as ``deadpan.api.analyze`` would its own."""
    (recording,) = recordings
    watch.begin(4.0)
    watch.advance(2.0)
    if recording.name.startswith("slow"):
        while not (out.parents[2] / "go").exists():
            time.sleep(0.02)
    if recording.name.startswith("fault"):
        raise DataError(f"{recording}: nothing in it can be decoded")
    if recording.name.startswith("crash"):
        os._exit(3)
    timeline = made_up()
    facts = dataclasses.replace(timeline.recording, file=recording.name)
    folder = out / f"{recording.stem}-timeline"
    write_timeline(dataclasses.replace(timeline, recording=facts), recording, folder)


class Printed:
    def serving(self, address):
        print(address, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--token")
    parser.add_argument("--largest", type=int, default=2_000_000)
    parser.add_argument("--waiting", type=int, default=3)
    parser.add_argument("--patience", type=float)
    options = parser.parse_args()
    if options.patience:
        server.HEADER_SECONDS = app.PATIENCE = options.patience
    server.serve(
        options.folder,
        read_nothing,
        host=options.host,
        port=0,
        token=options.token,
        largest=options.largest,
        waiting=options.waiting,
        watch=Printed(),
    )
