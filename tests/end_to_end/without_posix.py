"""Imports every module and trains a run where Python has nothing that only POSIX has.

``python without_posix.py FOLDER``: prints the names of the files of the run.
"""

import importlib
import os
import pkgutil
import signal
import sys
import warnings
from pathlib import Path

MODULES = ("fcntl", "grp", "posix_ipc", "pty", "pwd", "resource", "syslog", "termios", "tty")
CALLS = (
    "chown fchmod fork forkpty getegid geteuid getgid getloadavg getpgid getuid killpg mkfifo "
    "openpty sched_getaffinity setsid statvfs wait4"
).split()
SIGNALS = ("SIGHUP", "SIGKILL", "SIGALRM", "alarm", "setitimer", "pthread_sigmask")


def take_away():
    """Let the imports fail and the calls be absent, as on Windows."""
    sys.modules.update(dict.fromkeys(MODULES))
    for module, names in ((os, CALLS), (signal, SIGNALS)):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)


def main(folder):
    warnings.filterwarnings("ignore", "only soft file lock is available")
    import deadpan
    from deadpan.cli import main as command

    for module in pkgutil.walk_packages(deadpan.__path__, "deadpan."):
        if module.name != "deadpan.layers.native.kernels":  # the compiled C, which is no module
            importlib.import_module(module.name)
    run = folder / "run"
    clips = ["controlled", "--data_options.clips=10", "--data_options.text_width=4"]
    for arguments in (
        ["train", "--data", *clips, "--model=LFDNN", "--epochs=1", f"--out={run}"],
        ["evaluate", str(run)],
        ["predict", str(run), "--data", *clips, f"--csv={folder / 'predictions.csv'}"],
        ["report", str(run)],
    ):
        if status := command(arguments):
            sys.exit(status)
    print("FILES", *sorted(path.name for path in run.iterdir()))


if __name__ == "__main__":
    take_away()
    main(Path(sys.argv[1]))
