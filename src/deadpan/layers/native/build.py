"""Compiler of the C in this folder, called when deadpan is installed and never when it computes.

``hatch_build.py`` calls it. After an edit of the C, ``make`` installs anew; so does running this
file: ``python src/deadpan/layers/native/build.py``. It imports nothing that an installation lacks.
"""

import hashlib
import os
import platform
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
LIBRARY = "kernels.so"
NOT_BUILT = "not_built.txt"
"""Holds the reason, where there is no library."""
SOURCES = ("encoder_layer.c", "gru.c")
INSTRUCTIONS = {
    "avx512": "-mavx512f -mavx512vl -mavx512dq -mavx512bw -mavx2 -mfma",
    "avx2": "-mavx2 -mfma",
    "baseline": "",
}
"""Sets of x86 instructions, best first, with the compiler's options; ``processor.c`` chooses. Other
processors have only the last one."""
FLAGS = "-std=gnu11 -O3 -fno-math-errno -fno-trapping-math -fPIC -Wno-psabi"
OPENMP = "-fopenmp" if sys.platform == "linux" else ""
"""Only Linux's torch brings GNU's OpenMP; elsewhere one thread computes."""
TIMEOUT = 120
"""Seconds that one call of the compiler may take; it takes about 3."""


def source_hash() -> str:
    """Hash of the sources and of this file; the library holds that of what it was built from."""
    texts = [path.read_bytes() for path in sorted(FOLDER.glob("*.[ch]")) + [FOLDER / "build.py"]]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]


def compile_library(folder: Path = FOLDER, *, options: Sequence[str] = ()) -> str | None:
    """Build the library in a folder; without one, write the reason there.

    Args:
        folder: receives ``LIBRARY`` or ``NOT_BUILT``; what was there of both is removed.
        options: further options of the compiler.

    Returns:
        None, or why there is no library.
    """
    library, reason = folder / LIBRARY, folder / NOT_BUILT
    fresh = folder / f"{LIBRARY}.{os.getpid()}"
    failure = None
    try:
        library.unlink(missing_ok=True)
        reason.unlink(missing_ok=True)
        fresh.write_bytes(_compiled(options))
        fresh.replace(library)  # whole or not at all
    except (OSError, ValueError) as error:
        failure = " ".join(str(error).split())
    if failure:
        try:
            fresh.unlink(missing_ok=True)
            reason.write_text(f"{failure}\n", encoding="utf-8")
        except OSError:
            pass  # what cannot be written to need not hold the reason
    return failure


def _compiled(options: Sequence[str]) -> bytes:
    """Compile every source for every set of instructions, and link them.

    Raises:
        ValueError: there is no compiler, or none that works.
    """
    text = os.environ.get("CC", "cc")
    try:
        compiler = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"CC={text} is no command: {error}") from error
    if not compiler:
        raise ValueError("CC is empty, wanted a C compiler")
    x86 = platform.machine().lower() in ("x86_64", "amd64", "i686")
    sets = INSTRUCTIONS if x86 else {"baseline": ""}
    with tempfile.TemporaryDirectory(prefix="deadpan-") as temporary:
        objects: list[str] = []

        def compile_source(name: str, *definitions: str) -> None:
            objects.append(str(Path(temporary, f"{len(objects)}.o")))
            call = [*compiler, *FLAGS.split(), *OPENMP.split(), *options, *definitions]
            _run([*call, "-c", str(FOLDER / name), "-o", objects[-1]])

        for name in SOURCES:
            for instructions, flags in sets.items():
                compile_source(name, *flags.split(), f"-DINSTRUCTIONS={instructions}")
        compile_source("processor.c", f'-DSOURCE_HASH="{source_hash()}"')
        # Linked without -fopenmp: a second OpenMP beside torch's would fight it for the cores.
        library = Path(temporary, LIBRARY)
        _run([*compiler, *options, "-shared", *objects, "-o", str(library), "-lm"])
        content = library.read_bytes() if library.is_file() else b""
    if source_hash().encode() not in content:
        raise ValueError(f"{compiler[0]} ended well and left no library of ours")
    return content


def _run(command: Sequence[str]) -> None:
    """Run a compiler, and end it with all that it started if it does not end by itself.

    Raises:
        ValueError: it cannot be run, fails or takes too long.
    """
    with tempfile.TemporaryFile() as output:  # no pipe: a child left behind would hold it open
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ValueError(f"no C compiler: {command[0]}: {error.strerror}") from error
        try:
            status = process.wait(TIMEOUT)
        except BaseException as error:
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise ValueError(f"{command[0]} did not end within {TIMEOUT} s") from error
            raise
        output.seek(0)
        lines = output.read().decode(errors="replace").splitlines()
    if status:
        errors = [line for line in lines if "error" in line.lower()] or lines or ["no message"]
        raise ValueError(f"{command[0]} failed with status {status}: {errors[0][:200]}")


if __name__ == "__main__":
    sys.exit(compile_library())
