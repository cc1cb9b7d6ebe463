import pytest
import torch

from deadpan.errors import DeadpanError
from deadpan.models import MODELS
from deadpan.training import memory
from deadpan.training import run as training
from deadpan.training.memory import free_memory, too_much_memory, without_memory

from ..contracts.small import WIDTHS
from ..test_threads import system
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


@pytest.mark.parametrize(("ema", "wanted"), [(0.0, "122,000,019.1"), (0.9, "170,800,026.7")])
def test_a_model_that_cannot_fit_is_refused_before_anything_is_written(tmp_path, ema, wanted):
    options = {"width": 5_000_000, "heads": 1, "layers": 1, "head_blocks": 1}
    with pytest.raises(DeadpanError) as caught:
        train(tmp_path / "run", model_options=options, ema=ema)
    assert f"wants {wanted} GB of memory, and " in str(caught.value)
    assert " GB are free; choose smaller sizes" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_where_the_system_does_not_say_what_is_free_nothing_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    train(tmp_path / "run", epochs=1)


def test_a_process_has_some_memory():
    assert free_memory() is None or free_memory() > 0


GROUP_1 = {
    "memory.limit_in_bytes": "9000",
    "memory.usage_in_bytes": "7000",
    "memory.stat": "cache 900\ntotal_inactive_file 500\n",
}
GROUP_2 = {
    "memory.max": "9000",
    "memory.current": "7000",
    "memory.stat": "anon 6\ninactive_file 500\n",
}


@pytest.mark.parametrize(
    ("cgroup", "folder", "files", "free"),
    [
        ("0::/\n", "", GROUP_2, 2500),
        ("0::/a/b\n", "a", GROUP_2, 2500),  # the limit of a group above
        ("0::/a\n", "a", GROUP_2 | {"memory.max": "max"}, 102_400),
        ("0::/a\n", "a", GROUP_2 | {"memory.current": "9900"}, 0),
        ("4:memory:/a/b\n", "memory/a/b", GROUP_1, 2500),
        ("4:memory:/a/b\n", "memory", GROUP_1, 2500),  # in the container the group is the root
        ("4:cpu:/a/b\n", "memory", GROUP_1, 102_400),
        ("0::/\n", "", {"memory.max": "nonsense"}, 102_400),
    ],
)
def test_what_a_container_has_left_is_free(tmp_path, cgroup, folder, files, free):
    root = system(tmp_path, cgroup, **{"proc/meminfo": "MemFree: 9 kB\nMemAvailable: 100 kB\n"})
    system(root, cgroup, **{f"sys/fs/cgroup/{folder}/{name}": x for name, x in files.items()})
    assert free_memory(root) == free


def test_data_that_finds_no_memory_is_not_blamed_on_the_batch(tmp_path, monkeypatch):
    def full(settings):
        raise MemoryError("9 GB")

    monkeypatch.setattr(training, "load_data", full)
    with pytest.raises(DeadpanError, match=r"^controlled: not enough memory to load it \(9 GB\); "):
        train(tmp_path / "run")


def test_more_processes_than_processors_are_refused_before_the_data_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "processors", lambda: 3)
    monkeypatch.setattr(training, "load_data", None)
    with pytest.raises(DeadpanError, match="devices must be at most 3 .*; got 4"):
        train(tmp_path / "run", devices=4)
    assert list(tmp_path.iterdir()) == []


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
