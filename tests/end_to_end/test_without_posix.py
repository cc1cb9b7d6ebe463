import subprocess
import sys
from pathlib import Path


def test_every_module_is_imported_and_a_run_trained_without_what_only_posix_has(tmp_path):
    script = Path(__file__).with_name("without_posix.py")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    files = done.stdout.splitlines()[-1].split()[1:]
    assert {"model.safetensors", "scores.json", "report.html"} <= {*files}
    assert ".lock" not in files
    assert (tmp_path / "predictions.csv").is_file()
