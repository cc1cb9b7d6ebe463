"""What the studio takes: junk, strangers, slow clients, 50 clients for two minutes, a kill.

The studio reads nothing here: ``tests/studio/stand_in.py`` pretends, so that the server is measured
and not the models. It listens on loopback.
"""

import argparse
import contextlib
import http.client
import os
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "src")]

from workloads.reporting import about, keep  # noqa: E402

from tests.studio.conftest import WAV, Studio  # noqa: E402

MISSING = "0" * 16
CUT_OFF = "cut off while sending"


def memory(studio):
    """Resident MB of the server."""
    status = Path(f"/proc/{studio.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1000


def status(studio, *arguments, **headers):
    try:
        return studio.ask(*arguments, **headers).status
    except (ConnectionError, http.client.HTTPException, TimeoutError):
        return 0  # it was cut off


def count(values):
    return ", ".join(f"{n or CUT_OFF}: {values.count(n):,}" for n in sorted({*values}))


def junk(studio, uploads):
    """Random bytes, archives, pages and truncated recordings."""
    draw = random.Random(0)
    starts = [b"", b"PK\x03\x04", b"\x1f\x8b\x08", b"<html>", b"RIFF", b"OggS", b"\x1a\x45\xdf\xa3"]
    return [
        status(
            studio,
            "POST",
            "/v1/analyses?name=%3Cscript%3E..%2F..%2Fx.mp4",
            draw.choice(starts) + draw.randbytes(draw.choice([0, 1, 100, 10_000, 3_000_000])),
        )
        for _ in range(uploads)
    ]


def strangers(studio):
    """Requests that must be refused, each with the statuses that do."""
    host = f"127.0.0.1:{studio.port}"
    one = f"/v1/analyses/{MISSING}"
    cases = {
        "wrong host": (("GET", "/v1/runs"), {"Host": "evil.example"}, {421}),
        "another site writes": (("DELETE", one), {"Origin": "http://evil.example"}, {403}),
        "a page without origin writes": (("DELETE", one), {"Origin": "null"}, {403}),
        "another site reads": (("GET", "/v1/runs"), {"Sec-Fetch-Site": "cross-site"}, {403}),
        "headers of 20 kB": (("GET", "/"), {"X": "a" * 20_000}, {400, 431}),
        "headers of 1 MB": (("GET", "/"), {"X": "a" * 1_000_000}, {0, 400, 431}),
        "traversal": (("GET", "/v1/pages/..%2f..%2fetc%2fpasswd"), {"Host": host}, {404}),
        "traversal by dots": (("GET", "/v1/analyses/../../etc/passwd"), {"Host": host}, {404}),
        "traversal in static": (("GET", "/static/..%2fapp.py"), {"Host": host}, {404}),
    }
    rows = {}
    for name, (arguments, headers, wanted) in cases.items():
        got = status(studio, *arguments, **headers)
        rows[name] = {"status": got, "refused": got in wanted}
    return rows


def slow(studio, clients, seconds):
    """Clients that send a byte of their headers every second; others are served meanwhile."""
    sockets = [socket.create_connection(("127.0.0.1", studio.port)) for _ in range(clients)]
    took = []
    end = time.monotonic() + seconds
    text = b"GET /v1/analyses HTTP/1.1\r\nX: "
    position = 0
    while time.monotonic() < end:
        for each in sockets:
            with contextlib.suppress(OSError):  # the server has closed it
                each.send(text[position % len(text) : position % len(text) + 1])
        position += 1
        begin = time.monotonic()
        studio.get("/v1/analyses")
        took.append(time.monotonic() - begin)
        time.sleep(1)
    closed = 0
    for each in sockets:
        each.settimeout(1)
        try:
            closed += each.recv(1) == b""
        except ConnectionError:
            closed += 1
        except TimeoutError:
            pass
        each.close()
    return {"clients": clients, "closed": closed, "slowest_answer_ms": 1000 * max(took)}


def load(studio, clients, seconds):
    """Clients that ask without a pause; one in twenty sends a recording."""
    end = time.monotonic() + seconds
    results = []

    def client(seed):
        draw, own = random.Random(seed), []
        while time.monotonic() < end:
            kind = "send" if draw.random() < 0.05 else "ask"
            begin = time.monotonic()
            if kind == "send":
                got = status(studio, "POST", f"/v1/analyses?name={seed}.wav", WAV)
            else:
                path = draw.choice(["/v1/analyses", "/v1/openapi.json", "/", "/v1/datasets"])
                got = status(studio, "GET", path)
            own.append((kind, got, 1000 * (time.monotonic() - begin)))
        results.extend(own)

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = [took for kind, _, took in results if kind == "ask"]
    taken = sum(kind == "send" and got == 202 for kind, got, _ in results)
    for each in studio.get("/v1/analyses").json["analyses"]:
        studio.end_of(each["id"])
    states = [each["state"] for each in studio.get("/v1/analyses").json["analyses"]]
    return {
        "clients": clients,
        "seconds": seconds,
        "requests": len(results),
        "asked": count([got for kind, got, _ in results if kind == "ask"]),
        "sent": count([got for kind, got, _ in results if kind == "send"]),
        "p50_ms": statistics.median(asked),
        "p95_ms": statistics.quantiles(asked, n=20)[-1],
        "slowest_ms": max(asked),
        "taken": taken,
        "done": states.count("done"),
    }


def killed(folder):
    """A server that is killed in the middle of a job has it again."""
    studio = Studio(folder)
    identity = studio.send("slow.wav").json["id"]
    for _, analysis in studio.events(identity):
        if analysis["progress"] == 0.5:
            break
    studio.kill()
    (folder.parent / "go").touch()
    again = Studio(folder)
    state = again.end_of(identity)["state"]
    again.stop()
    return {"state_after_restart": state}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--slow", type=int, default=100)
    parser.add_argument("--out", type=Path, help="write OUT.md and OUT.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio(Path(folder) / "runs", "--waiting", "8")
        studio.get("/v1/analyses")
        results = {
            "load_average": os.getloadavg()[0],
            "memory_mb": {"start": memory(studio)},
        }
        answers = junk(studio, options.uploads)
        results["junk"] = {"uploads": options.uploads, "answers": count(answers)}
        results["memory_mb"]["after junk"] = memory(studio)
        results["strangers"] = strangers(studio)
        results["slow"] = slow(studio, options.slow, 20)
        for each in studio.get("/v1/analyses").json["analyses"]:
            studio.ask("DELETE", f"/v1/analyses/{each['id']}")
        results["load"] = load(studio, options.clients, options.seconds)
        results["memory_mb"]["after load"] = memory(studio)
        results["alive"] = studio.get("/v1/analyses").status == 200
        studio.stop()
    with tempfile.TemporaryDirectory() as folder:
        results["kill"] = killed(Path(folder) / "runs")
    results |= about()
    keep(options.out, results, page(results))
    print(page(results))


def page(results):
    load_, slow_, memory_ = results["load"], results["slow"], results["memory_mb"]
    rows = [
        ("junk", f"{results['junk']['uploads']:,} uploads; answers {results['junk']['answers']}"),
        *(
            (name, f"{each['status'] or CUT_OFF}: {'' if each['refused'] else 'NOT '}refused")
            for name, each in results["strangers"].items()
        ),
        (
            f"{slow_['clients']} clients of one byte a second",
            f"{slow_['closed']} closed by the server; the slowest answer to another client took "
            f"{slow_['slowest_answer_ms']:.0f} ms",
        ),
        (
            f"{load_['clients']} clients for {load_['seconds']:.0f} s",
            f"{load_['requests']:,} requests; p50 {load_['p50_ms']:.0f} ms, p95 "
            f"{load_['p95_ms']:.0f} ms, slowest {load_['slowest_ms']:.0f} ms",
        ),
        ("answers to questions", load_["asked"]),
        ("answers to recordings", load_["sent"]),
        ("recordings taken, and done in the end", f"{load_['taken']}, {load_['done']}"),
        ("memory of the server", ", ".join(f"{k} {x:.0f} MB" for k, x in memory_.items())),
        (
            "kill -9 in the middle of a job",
            f"after a restart: {results['kill']['state_after_restart']}",
        ),
        ("server alive at the end", "yes" if results["alive"] else "NO"),
    ]
    return "\n".join(
        [
            "# The studio under abuse",
            "",
            "On loopback; clients and server share the machine. Reading is a stand-in, and each",
            "request has a connection of its own.",
            "",
            "| what | what came of it |",
            "|---|---|",
            *(f"| {name} | {text} |" for name, text in rows),
            "",
            f"Load average {results['load_average']:.1f} before. Made by "
            "`python benchmarks/studio.py`,",
            f"{results['machine']}, commit {results['commit']}.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
