"""``deadpan studio`` on the command line."""

import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from deadpan.cli import main


def test_a_missing_extra_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "deadpan.studio.server", raising=False)
    assert main(["studio", str(tmp_path / "runs")]) == 2
    assert "needs uvicorn; run: pip install 'deadpan[serve,video]'" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


# Where the tests run in the background of a shell, they and their children ignore Ctrl-C.
HEEDING = """import signal, sys
from deadpan.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""


def test_the_command_prints_the_address_and_ends_on_ctrl_c(tmp_path):
    pytest.importorskip("uvicorn", reason="needs the extra serve")
    process = subprocess.Popen(
        [sys.executable, "-c", HEEDING, "studio", tmp_path / "runs", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    address = re.fullmatch(r"studio: (http://127.0.0.1:\d+/)\n", process.stdout.readline())[1]
    with urllib.request.urlopen(f"{address}v1/analyses") as answer:
        assert answer.read() == b'{"analyses":[],"largest":2000000000}'
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert err == "Ctrl-C ends it\ndeadpan: interrupted\n"


def test_what_cannot_be_served_is_refused(tmp_path, start_studio, capsys):
    studio = start_studio(tmp_path / "runs")

    def refused(*arguments):
        assert main(["studio", *map(str, arguments)]) == 2
        return capsys.readouterr().err

    (tmp_path / "file").touch()
    assert "is a file, wanted a folder" in refused(tmp_path / "file")
    taken = refused(tmp_path / "other", "--port", studio.port)
    assert f"127.0.0.1, port {studio.port}: cannot be listened at" in taken
    assert "another 'deadpan studio' works there" in refused(tmp_path / "runs", "--port", 0)
    assert "wanted a port up to 65535" in refused(tmp_path / "other", "--port", 70_000)
    assert "no run here" in refused(tmp_path / "other", "--run", tmp_path / "none")
