"""README's commands run as written, on a fresh clone; it names files that are there."""

import re
import shlex

import pytest
import yaml

from deadpan.cli import main
from deadpan.data import load

from .documents import ROOT, commands

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_commands_of_the_house():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    shown = re.findall(r"^\$ make (\S+)", README, re.MULTILINE)
    assert shown == ["demo", "demo-video", "test"]
    assert set(shown) <= set(targets)
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_files_named_exist():
    for path in re.findall(r"`((?:src|configs|docs|studies|benchmarks)/[\w/.]+)`", README):
        assert (ROOT / path).exists(), path


DOCUMENTS = ["README.md", "CONTRIBUTING.md", "studies/README.md", "benchmarks/README.md"]
DOCUMENTS += [str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))]
PLACEHOLDERS = {"FILE", "STORE", "RUN", "GRID.yaml", "NAME", "ID", "COMMAND", "VIDEO"}


def spans(document):
    """Commands of a document that its text names, outside of the blocks that are run above."""
    text = (ROOT / document).read_text(encoding="utf-8")
    code = re.findall(r"`((?:[A-Z_]+=\S+ )?(?:deadpan|python) [^`]+)`", text)
    return [shlex.split(" ".join(span.split())) for span in code]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_in_the_text_name_what_a_clone_has(document):
    """Scripts, configurations and data sets that are there; else a word in capitals."""
    for command in spans(document):
        words = [word for word in command if "=" not in word.split("--")[0]]
        program, first, *rest = words
        if program == "python" and first != "-m":
            assert (ROOT / first).is_file(), command
        assert "../shared" not in " ".join(command), command
        for path in rest:
            if path.startswith(("configs/", "studies/")):
                assert (ROOT / path).is_file(), command
        if "--data" in rest:
            data = rest[rest.index("--data") + 1]
            assert data in {"controlled", *PLACEHOLDERS}, command
        grid = rest[0] if rest and first == "benchmark" else ""
        if grid.startswith(("configs/", "studies/")):
            names = rest[rest.index("--only") + 1].split(",") if "--only" in rest else None
            sources = yaml.safe_load((ROOT / grid).read_text())["data"]
            chosen = [sources[name]["data"] for name in names or sources]
            nearby = (ROOT / document).read_text().partition(" ".join(words))[0][-400:]
            generated = all(source == "controlled" for source in chosen)
            assert generated or "with the official files" in nearby, command


CONFIGS = [*sorted((ROOT / "configs").glob("*.yaml")), *sorted(ROOT.glob("studies/*/*.yaml"))]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_opens_with_its_command(path):
    """As it runs on a fresh clone, or behind the word that it needs files."""
    name = path.relative_to(ROOT).as_posix()
    first = path.read_text(encoding="utf-8").splitlines()[0]
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    sources = {source["data"] for source in content.get("data", {}).values()}
    fresh = sources == {"controlled"}
    known = r"# (With (?:your files?|\.\./shared/data): )?((?:deadpan|python) .*)"
    needs, command = re.fullmatch(known, first).groups()
    assert (needs is None) == fresh
    own = [script.relative_to(ROOT).as_posix() for script in path.parent.glob("*.py")]
    assert any(each in command for each in [name, *own])


def test_the_commands_run_on_a_fresh_clone(tmp_path, monkeypatch, capsys):
    """As shown, but for one epoch on fewer clips; those that need a file of yours are parsed in
    test_docs."""
    monkeypatch.chdir(tmp_path)
    settings = {"seeds": [1], "settings": {"epochs": 1}}
    grid = yaml.safe_load((ROOT / "configs/small_grid.yaml").read_text())
    grid["data"]["controlled"]["data_options"]["clips"] = 40
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/small_grid.yaml").write_text(yaml.safe_dump(grid | settings))
    demo = ["train", "--data=controlled", "--data_options.clips=60", "--epochs=1"]
    assert main([*demo, "--out=runs/demo"]) == main(["evaluate", "runs/demo"]) == 0
    named = "clip01628"  # of the whole demo; here a clip of the small one stands for it
    narrow = dict.fromkeys(("text_width", "audio_width", "vision_width"), 4)
    assert any(clip.id == named for clip in load("controlled", **narrow)["test"])
    small = load("controlled", clips=60)["test"][0].id
    fresh = [command for command in commands(README) if {"talk.mp4", "mydata"}.isdisjoint(command)]
    assert [command[0] for command in fresh] == ["explain", "benchmark"]
    for command in fresh:
        replaced = [small if word == named else word for word in command]
        assert main(replaced) == 0, (command, capsys.readouterr().err)
    for page in ("runs/demo/explain/explain.html", "runs/small-grid/tables.html"):
        assert (tmp_path / page).stat().st_size > 5_000
