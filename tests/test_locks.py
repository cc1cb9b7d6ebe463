import os
import shutil
import signal

import pytest

import deadpan
from deadpan import DeadpanError
from deadpan.locks import LOCK, alone, beside

from .held import held_elsewhere
from .training.tiny import StopAt, Stopped, run_contents, train


def contents(folder):
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_one_holds_a_lock_and_the_other_is_told(tmp_path):
    place = tmp_path / "file"
    for lock, name in ((tmp_path / LOCK, tmp_path), (beside(place), place)):
        with (
            held_elsewhere(lock),
            pytest.raises(DeadpanError, match=f"{name}: another 'deadpan' works there; wait"),
            alone(lock),
        ):
            pass
        with alone(lock), alone(lock):  # who holds it may take it again
            assert lock.exists()
        assert list(tmp_path.iterdir()) == []


def test_a_lock_is_waited_for_after_a_word(tmp_path):
    lock, said = tmp_path / LOCK, []
    with held_elsewhere(lock) as leave, alone(lock, busy=lambda: (said.append("busy"), leave())):
        assert said == ["busy"]
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    hears, tells = os.pipe()
    if not (child := os.fork()):
        with alone(tmp_path / LOCK):
            os.write(tells, b"held")
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.read(hears, 99) == b"held"
    os.waitpid(child, 0)
    with alone(tmp_path / LOCK):
        pass


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    train(out)
    return out


def test_two_that_train_into_one_place(tmp_path):
    out = tmp_path / "run"
    with held_elsewhere(beside(out)), pytest.raises(DeadpanError, match="another 'deadpan'"):
        train(out)
    assert list(tmp_path.iterdir()) == []
    refusals = []

    class Second:
        """Comes while the first trains."""

        def step(self, epoch, step, steps, loss):
            if not refusals:
                for resume in (False, True):
                    with pytest.raises(DeadpanError) as caught:
                        in_thread(lambda resume=resume: train(out, resume=resume))
                    refusals.append(str(caught.value))

        def epoch(self, row):
            pass

    before = train(tmp_path / "alone")
    run = train(out, watch=Second())
    assert "exists already" in refusals[0]
    assert "another 'deadpan' works there" in refusals[1]
    assert run_contents(run.path) == run_contents(before.path)


def in_thread(work):
    """Do something in a thread, which to a lock is as good as another process."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def test_a_run_that_another_trains_is_not_cleaned(tmp_path):
    out = tmp_path / "run"
    with pytest.raises(Stopped):
        train(out, watch=StopAt(epoch=1))
    (out / ".epochs.csv.1.tmp").touch()
    before = contents(out)
    with held_elsewhere(out / LOCK), pytest.raises(DeadpanError, match="another 'deadpan'"):
        train(out, resume=True)
    assert contents(out) == before


def test_two_that_write_the_same_output(tmp_path, whole):
    out = shutil.copytree(whole, tmp_path / "run")
    uses = {
        out / LOCK: [lambda: deadpan.evaluate(out), lambda: deadpan.report(out)],
        out / "explain" / LOCK: [lambda: deadpan.explain(out)],
        beside(out / "model.onnx"): [lambda: deadpan.export(out)],
        beside(out / "clips"): [lambda: deadpan.convert("controlled", out / "clips", clips=10)],
    }
    (out / "explain").mkdir()
    before = contents(tmp_path)
    for lock, commands in uses.items():
        for command in commands:
            with held_elsewhere(lock):
                with pytest.raises(DeadpanError, match="another 'deadpan' works there"):
                    command()
                assert {*contents(tmp_path)} == {*before, lock}
    deadpan.evaluate(out)
    with held_elsewhere(out / LOCK):  # what is only read needs no lock
        deadpan.evaluate(out)
        deadpan.predict(out, "controlled", clips=10, text_width=8, audio_width=6, vision_width=5)
        train(out, resume=True)
