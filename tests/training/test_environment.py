import dataclasses
import subprocess

import torch
from lightning_fabric import Fabric

from deadpan.data.dataset import fingerprint
from deadpan.data.generated.controlled import controlled
from deadpan.models import LFDNN
from deadpan.tasks import make_task
from deadpan.training import environment as module
from deadpan.training.environment import commit, data_facts, this_environment

from .test_opened import ENVIRONMENT


def test_a_run_knows_what_it_was_made_with(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/deadpan", "train", "--seed", "1"])
    dataset = controlled(clips=20)
    task = make_task(dataset.task, dataset.labels)
    model = LFDNN(widths=dataset.widths, outputs=task.outputs)
    facts = this_environment(model, task, data_facts(dataset), Fabric(accelerator="cpu"))
    assert facts.command == "deadpan train --seed 1"
    assert facts.torch == torch.__version__
    assert facts.parameters == sum(p.numel() for p in model.parameters())
    assert (facts.task, facts.labels) == ("regression", ("sentiment",))
    assert facts.modalities == ("text", "audio", "vision")
    assert facts.dataset.fingerprint == fingerprint(dataset)
    assert facts.commit_name.startswith(facts.commit or "unknown")
    assert facts.native == (not facts.kernels.startswith("torch: "))


def test_of_two_environments_in_which_torch_computes_the_reason_is_no_change():
    chosen, not_compiled = (
        dataclasses.replace(ENVIRONMENT, native=False, kernels=f"torch: {why}")
        for why in ("DEADPAN_NATIVE=0", "not compiled")
    )
    avx2, avx512 = (
        dataclasses.replace(ENVIRONMENT, native=True, kernels=name) for name in ("avx2", "avx512")
    )
    assert chosen.changes(not_compiled) == []
    assert avx2.changes(avx512) == ["kernels avx512 (was avx2)"]
    assert avx2.changes(chosen) == ["native False (was True)"]
    assert dataclasses.replace(avx2, kernels="unknown").changes(avx512) == []


def test_other_code_is_a_change_where_it_is_known():
    clean, dirty = (
        dataclasses.replace(ENVIRONMENT, commit="12ab", dirty=dirty) for dirty in (False, True)
    )
    installed = dataclasses.replace(ENVIRONMENT, commit=None, dirty=None)
    assert clean.changes(dirty) == ["commit 12ab+ (was 12ab)"]
    assert clean.changes(clean) == installed.changes(clean) == []


def test_an_extra_is_there_or_names_its_command(monkeypatch):
    monkeypatch.setattr(
        module, "requires", lambda _: ["torch>=2", "a>=1; extra == 'x'", 'b; extra == "y-z"']
    )

    def version_of(name):
        if name == "b":
            raise module.PackageNotFoundError
        return "1.5"

    monkeypatch.setattr(module, "version", version_of)
    extras = module.installation()["extras"]
    assert extras == {"x": "a 1.5", "y-z": "pip install 'deadpan[y-z]'"}


def git(folder, *arguments):
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def committed(folder, name="environment.py"):
    """A repository that holds a file of that name."""
    identity = ["-c", "user.name=x", "-c", "user.email=x@y.z", "-c", "commit.gpgsign=false"]
    (folder / name).write_text("")
    git(folder, "init", "-q")
    git(folder, "add", name)
    git(folder, *identity, "commit", "-qm", "first")
    return folder


def test_in_its_repository_the_commit_is_known(tmp_path, monkeypatch):
    package = tmp_path / "deadpan"
    (package / "training").mkdir(parents=True)
    committed(tmp_path, "deadpan/training/environment.py")
    monkeypatch.setattr(module, "__file__", str(package / "training" / "environment.py"))
    assert len(commit()["commit"]) == 12
    (tmp_path / "table.csv").write_text("outside the package, so no part of what ran")
    assert commit()["dirty"] is False
    (package / "metrics.py").write_text("changed")
    assert commit()["dirty"] is True


def test_installed_inside_another_repository_no_commit_is_borrowed(tmp_path, monkeypatch):
    site = committed(tmp_path, "other.py") / "site-packages"
    site.mkdir()
    (site / "environment.py").write_text("")
    monkeypatch.setattr(module, "__file__", str(site / "environment.py"))
    assert commit() == {"commit": None, "dirty": None}


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert commit() == {"commit": None, "dirty": None}
