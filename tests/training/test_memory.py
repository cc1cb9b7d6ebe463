import pytest
import torch

from deadpan.errors import DeadpanError
from deadpan.models import MODELS
from deadpan.training import memory
from deadpan.training import run as training
from deadpan.training.memory import free_memory, too_much_memory, without_memory

from ..contracts.small import WIDTHS
from .tiny import StopAt, Stopped, train


@pytest.mark.parametrize("kind", MODELS.values(), ids=MODELS)
def test_a_model_without_memory_has_the_shapes_of_one_with_it_and_draws_nothing(kind):
    before = torch.get_rng_state()
    with without_memory():
        model = kind(widths=WIDTHS, outputs=1)
    assert torch.equal(torch.get_rng_state(), before)
    shapes = {name: p.shape for name, p in kind(widths=WIDTHS, outputs=1).named_parameters()}
    assert {name: p.shape for name, p in model.named_parameters()} == shapes
    assert all(p.is_meta for p in model.parameters())


def test_a_model_that_cannot_fit_is_refused_before_anything_is_written(tmp_path):
    options = {"width": 5_000_000, "heads": 1, "layers": 1, "head_blocks": 1}
    with pytest.raises(DeadpanError) as caught:
        train(tmp_path / "run", model_options=options)
    assert "wants 122,000,019.1 GB of memory, and " in str(caught.value)
    assert " GB are free; choose smaller sizes" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_where_the_system_does_not_say_what_is_free_nothing_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    train(tmp_path / "run", epochs=1)


def test_a_process_has_some_memory():
    assert free_memory() is None or free_memory() > 0


def test_what_an_allocator_says_is_read_and_other_errors_are_not():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert "you tried to allocate 4611686018427387904 bytes" in too_much_memory(caught.value)
    assert too_much_memory(MemoryError()) == "memory is full"
    assert too_much_memory(torch.OutOfMemoryError("CUDA out\nof")) == "CUDA out"
    assert too_much_memory(RuntimeError("shapes")) is None


class Full(StopAt):
    def step(self, epoch, step, steps, loss):
        super().step(epoch, step, steps, loss)
        torch.empty(1 << 60)


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_step_that_finds_no_memory_leaves_what_can_go_on(tmp_path, epoch):
    out = tmp_path / "run"
    if epoch:
        with pytest.raises(Stopped):
            train(out, watch=StopAt(epoch=1))
    with pytest.raises(DeadpanError, match="run: not enough memory to train .*; choose a smaller"):
        train(out, watch=Full(), resume=bool(epoch))
    assert out.exists() == bool(epoch)


def test_another_error_keeps_its_traceback(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("shapes")

    monkeypatch.setattr(training, "fit", fail)
    with pytest.raises(RuntimeError, match="shapes"):
        train(tmp_path / "run")
    assert (tmp_path / "run").is_dir()
