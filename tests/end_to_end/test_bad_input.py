"""What users get wrong: each one line on stderr, exit status 2, and no half-written run."""

import errno
import os
import pickle
import shutil
import subprocess

import numpy as np
import pytest

from deadpan import files
from deadpan.cli import main

SMALL = ["--model.width=8", "--model.heads=2", "--model.layers=1", "--epochs=2"]
GENERATED = ["--data", "controlled", "--data_options.clips", "20"]
WIDTHS = {"text": 4, "audio": 3, "vision": 2}


def split(count, video, **changes):
    """A sound split of a pickle in MulT's layout, with these keys changed."""
    steps = np.random.default_rng(len(video)).uniform(0.5, 1, (count, 5, max(WIDTHS.values())))
    table = {name: steps[..., :width].astype(np.float32) for name, width in WIDTHS.items()}
    table["labels"] = np.linspace(-3, 3, count).reshape(count, 1, 1)
    table["id"] = np.array([f"{video}_{index}" for index in range(count)])
    return table | changes


def splits(**changes):
    """A sound file's content, with splits replaced."""
    return {
        "train": split(12, "a"),
        "valid": split(4, "bb"),
        "test": split(4, "ccc"),
        **changes,
    }


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "data.pkl"
        path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
        return path

    return write


@pytest.fixture
def refusal(capsys, tmp_path):
    """The line with which a training is refused; nothing may be left of the run."""

    def refusal(*arguments, run=tmp_path / "run"):
        before = sorted(tmp_path.iterdir())
        assert main(["train", *map(str, arguments), "--out", str(run)]) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.startswith("deadpan: error: ")
        assert shown.err.count("\n") == 1
        assert sorted(tmp_path.iterdir()) == before
        return shown.err

    return refusal


def test_a_path_that_is_not_there(refusal, tmp_path):
    assert "no/such/file.pkl" in refusal("--data", tmp_path / "no/such/file.pkl")


def test_a_mistyped_data_set(refusal):
    assert "did you mean 'controlled'?" in refusal("--data", "contolled")


def test_a_directory(refusal, tmp_path):
    assert f"{tmp_path}: is an empty folder" in refusal("--data", tmp_path)


def test_an_empty_file(refusal, write):
    assert "is empty" in refusal("--data", write(b""))


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_truncated_pickle(refusal, write, share):
    whole = pickle.dumps(splits())
    assert "data.pkl" in refusal("--data", write(whole[: int(share * len(whole))]))


class Malicious:
    """Unpickled, it would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_pickle_that_tries_to_run_code(refusal, write, tmp_path):
    victim = tmp_path / "victim"
    line = refusal("--data", write(splits(test=Malicious(victim))))
    assert "system" in line
    assert not victim.exists()


def test_labels_that_are_nan(refusal, write):
    labels = np.zeros((4, 1, 1))
    labels[2] = np.nan
    line = refusal("--data", write(splits(valid=split(4, "bb", labels=labels))))
    assert "split 'valid': 1 labels are NaN (first: bb_2)" in line


def test_lengths_that_do_not_match(refusal, write):
    text = np.ones((11, 5, 4), np.float32)
    line = refusal("--data", write(splits(train=split(12, "a", text=text))))
    assert "'text' has 11 clips, 'labels' 12" in line


def test_a_data_set_without_clips_to_train_on(refusal, write):
    assert "split 'train' has no clips" in refusal("--data", write(splits(train=split(0, "a"))))


def features(value):
    """Twelve clips of which one has this value in its voice, three times."""
    table = split(12, "a")
    table["audio"][3, 1] = value
    return table


@pytest.mark.parametrize(("value", "name"), [(-np.inf, "-inf"), (np.inf, "+inf"), (np.nan, "NaN")])
def test_features_that_are_no_numbers_are_repaired_counted_and_shown(
    write, tmp_path, capsys, value, name
):
    path, run = write(splits(train=features(value))), tmp_path / "run"
    assert main(["train", "--data", str(path), *SMALL, "--out", str(run)]) == 0
    told = f"repaired 3 times: audio: {name} set to 0"
    assert f"warning: {told}\n" in capsys.readouterr().err
    assert main(["data", "inspect", str(path)]) == 0
    assert told in capsys.readouterr().out


def test_splits_that_share_a_video_are_warned_of(write, tmp_path, capsys):
    path, run = write(splits(test=split(4, "a"))), tmp_path / "run"
    assert main(["train", "--data", str(path), *SMALL, "--out", str(run)]) == 0
    assert "warning: video 'a' is in both train and test" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model", "HTCMG"], "unknown model 'HTCMG'; did you mean 'HCTMG'?"),
        (["--epoch", "3"], "unknown option '--epoch'; did you mean '--epochs'?"),
        (["--model.layer", "3"], "unknown option '--model.layer'; did you mean '--model.layers'?"),
        (["--data_options.carier=audio"], "'carier'; did you mean 'carrier'?"),
        (["--data_options.carrier", "smell"], "must be one of text, audio, vision; got 'smell'"),
        (["--modalities", "[txt]"], "unknown modality 'txt'; did you mean 'text'?"),
        (["--epochs", "many"], "--epochs: got 'many', wanted a whole number"),
        (["--normalization", "robus"], "--normalization: got 'robus', wanted one of 'robust'"),
        (["--model.heads", "3"], "heads must divide"),
        (["--accelerator", "abacus"], "try --accelerator cpu"),
    ],
)
def test_names_and_values_that_do_not_fit(refusal, arguments, told):
    assert told in refusal(*GENERATED, *arguments)


def test_a_run_that_exists(refusal, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    assert f"{run}: exists already" in refusal(*GENERATED, run=run)
    assert not list(run.iterdir())


def fill_disk_after(monkeypatch, count):
    """Let this many files be written, then report a full disk."""
    written, sync = [], os.fsync

    def fsync(descriptor):
        written.append(descriptor)
        if len(written) > count:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(files.os, "fsync", fsync)


def test_a_disk_that_is_full_from_the_start(refusal, monkeypatch):
    fill_disk_after(monkeypatch, 0)
    assert "free some space and run the command again" in refusal(*GENERATED, *SMALL)


def test_a_disk_that_fills_up_and_is_freed(monkeypatch, tmp_path, capsys):
    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        fill_disk_after(patched, 6)  # in the second epoch
        assert main(["train", *GENERATED, *SMALL, "--out", str(run)]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "the disk is full; free some space and go on with: " in line
    assert line.endswith(f"deadpan train --resume --out {run}")
    assert not list(run.glob(".*"))
    assert main(["train", "--resume", "--out", str(run)]) == 0
    assert "going on after epoch 1" in capsys.readouterr().err


@pytest.fixture
def megabyte(tmp_path):
    """A real file system of one megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a file system")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_file_system_that_is_really_full(megabyte, capsys):
    run = megabyte / "run"
    # 540,000 parameters do not fit in a megabyte.
    assert main(["train", *GENERATED, "--epochs", "1", "--out", str(run)]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "the disk is full" in line
    assert line.endswith(f"deadpan train --resume --out {run}")
    resize = ["mount", "-o", "remount,size=64m", megabyte]
    subprocess.run(resize, check=True)
    assert main(["train", "--resume", "--out", str(run)]) == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission_to_write(refusal, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    assert "no permission" in refusal(*GENERATED, run=closed / "run")


def test_no_permission_even_for_root(monkeypatch, refusal):
    def mkdir(self, *arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.mkdir", mkdir)
    assert "no permission" in refusal(*GENERATED)


def test_a_place_where_nothing_can_be_made(refusal):
    assert "/proc/none" in refusal(*GENERATED, run="/proc/none/run")


def test_a_file_where_a_directory_should_be(refusal, tmp_path):
    (tmp_path / "file").touch()
    assert f"{tmp_path / 'file'}" in refusal(*GENERATED, run=tmp_path / "file" / "run")


COMMANDS = (["evaluate"], ["report"], ["predict", *GENERATED])


@pytest.fixture(params=COMMANDS, ids=lambda command: command[0])
def reading(request, capsys):
    """The line with which a command that reads a run refuses this one."""

    def reading(run):
        before = sorted(run.iterdir()) if run.is_dir() else []
        command, *options = request.param
        assert main([command, str(run), *options]) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.count("\n") == 1
        assert (sorted(run.iterdir()) if run.is_dir() else []) == before
        return shown.err.removeprefix("deadpan: error: ")

    return reading


def test_a_run_that_is_not_there(reading, tmp_path):
    assert "no run here (does not exist)" in reading(tmp_path / "run")


def test_a_directory_of_something_else(reading, tmp_path):
    assert "no run here (has no config.yaml)" in reading(tmp_path)
    (tmp_path / "config.yaml").write_text("site_name: docs\n")
    (tmp_path / "model.safetensors").write_bytes(b"x" * 100)
    assert str(tmp_path) in reading(tmp_path)
    (tmp_path / "config.yaml").write_text("data: controlled\nepochs: many\n")
    assert str(tmp_path) in reading(tmp_path)


def test_a_file_instead_of_a_run(reading, tmp_path):
    path = tmp_path / "file"
    path.touch()
    assert "is a file; a run is a directory" in reading(path)


def test_a_run_that_has_not_finished(reading, tmp_path, monkeypatch, capsys):
    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        fill_disk_after(patched, 6)
        main(["train", *GENERATED, *SMALL, "--out", str(run)])
    capsys.readouterr()
    assert f"go on with 'deadpan train --resume --out {run}'" in reading(run)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A finished run; nobody changes it."""
    run = tmp_path_factory.mktemp("bad_input") / "run"
    assert main(["train", *GENERATED, *SMALL, "--out", str(run)]) == 0
    return run


@pytest.fixture
def finished(trained, tmp_path, capsys):
    """A copy of the finished run, to be damaged."""
    capsys.readouterr()
    return shutil.copytree(trained, tmp_path / "run")


def test_a_run_whose_weights_are_damaged(reading, finished):
    whole = (finished / "model.safetensors").read_bytes()
    (finished / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "model.safetensors: damaged" in reading(finished)


def test_predicting_from_data_without_a_common_modality(write, tmp_path, capsys):
    run = tmp_path / "run"
    arguments = [*GENERATED, *SMALL, "--modalities", "[text]", "--out", str(run)]
    assert main(["train", *arguments]) == 0
    capsys.readouterr()
    path = write(
        splits(
            **{
                name: {k: v for k, v in table.items() if k != "text"}
                for name, table in splits().items()
            }
        )
    )
    assert main(["predict", str(run), "--data", str(path)]) == 2
    assert "was trained on text; give data with one of these" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("environment.json", "{}"),
        ("environment.json", "[]"),
        ("environment.json", "{"),
        ("config.yaml", "data: controlled\nmodel_options: {width: 16}\n"),  # 5 heads
        ("config.yaml", "data: controlled\nmodel_options: {width: 20}\n"),
    ],
)
def test_a_run_whose_files_do_not_fit_each_other(reading, finished, name, text):
    (finished / name).write_text(text)
    assert str(finished) in reading(finished)
