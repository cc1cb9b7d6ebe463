"""What the site has a reader type: every command is one that deadpan takes, tutorials run whole.

Tutorials run on fewer clips and for one epoch. What needs a recording, an encoder or a network is
parsed by the command line itself, up to the call of the function behind it.
"""

import contextlib
import dataclasses
import functools
import io
import json
import pickle
import re
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml

import deadpan
from deadpan import api
from deadpan.benchmarking.grid import GridData, GridFile, GridSystem
from deadpan.benchmarking.search import Search
from deadpan.catalogue import read_catalogue
from deadpan.cli import COMMANDS, main
from deadpan.data import load, loading
from deadpan.reports.timeline import timeline_files
from deadpan.tasks import make_task
from deadpan.training.settings import Settings

from ..conftest import skip_or_fail
from ..extraction.made_up import made_up
from ..show.browser import Browser, find_browser
from .documents import ROOT, blocks, commands, typed

DOCS = ROOT / "docs"
README = "../README.md"
PAGES = [README, *(path.relative_to(DOCS).as_posix() for path in sorted(DOCS.rglob("*.md")))]
CLIPS = 60


def read(page):
    return (DOCS / page).read_text(encoding="utf-8")


class Called(Exception):
    """A command was parsed, and would now run."""


@pytest.fixture
def parse(tmp_path, monkeypatch, capsys):
    """Parse a command as the command line does; it ends where its function is called."""

    def stopping(function):
        @functools.wraps(function)
        def stop(*_, **__):
            raise Called

        return stop

    for command in COMMANDS.values():
        monkeypatch.setattr(api, command.function, stopping(getattr(api, command.function)))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")

    def run(arguments):
        given = dict(zip(arguments, arguments[1:], strict=False))
        if (config := given.get("--config", "")).endswith(".yaml") and not Path(config).exists():
            Path(config).write_text("epochs: 1\n")
        if "--resume" in arguments and arguments[0] == "train":
            run = Path(given["--out"])
            run.mkdir(parents=True, exist_ok=True)
            (run / "config.yaml").write_text(yaml.safe_dump(Settings(data="FILE").to_dict()))
        try:
            status = main(arguments)
        except Called:
            status = 0
        assert status == 0, (arguments, capsys.readouterr().err)

    return run


def test_a_wrong_option_would_be_seen(parse):
    for wrong in (["train", "--data", "FILE", "--epoch", "3"], ["explain", "RUN", "--clips", "a"]):
        with pytest.raises(AssertionError, match="unknown option"):
            parse(wrong)


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_extra_is_named():
    extras = set(project()["optional-dependencies"]) - {"dev"}
    assert {extra for extra in extras if f"`{extra}`" not in read("install.md")} == set()


@pytest.mark.parametrize("page", [page for page in PAGES if typed(read(page))])
def test_every_command_is_one(page, parse):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for _, name, body in blocks(read(page)):
        if name:
            Path(name).write_text(body)
    for program, *rest in typed(read(page)):
        if program == "deadpan":
            parse(rest)
        elif program == "make":
            assert rest[0] in targets
        elif program == "pip":
            extras = re.search(r"\[(.+)\]", " ".join(rest))[1].split(",")
            assert rest[0] == "install"
            assert set(extras) <= set(project()["optional-dependencies"])
        elif program == "python":
            script = (ROOT / "examples" / Path(rest[0]).name).read_text()
            in_clone = page == README and rest[0].startswith("examples/")
            assert in_clone or f"insert: examples/{rest[0]}" in read(page)
            assert all(option in script for option in rest if option.startswith("--"))
        else:
            assert [program, *rest] == ["source", ".venv/bin/activate"]


@pytest.fixture(scope="module")
def options():
    """Every option that some command has, and the prefix of those that go by names."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        for name in COMMANDS:
            main([*name.split(), "--help"])
    found = set(re.findall(r"--\w[\w.]*\w", text.getvalue()))
    models = read_catalogue().values()
    return found | {f"--model.{x.name}" for model in models for x in model.hyperparameters}


@pytest.mark.parametrize("page", PAGES)
def test_options_in_the_text_are_options(page, parse, options):
    """Of commands that are named in a sentence or a table, and of options by themselves."""
    text = re.sub(r"```.*?```", "", read(page), flags=re.DOTALL)
    for span in re.findall(r"`deadpan ([^`]+)`", text):
        name = next((name for name in COMMANDS if span.startswith(name)), None)
        assert name or span.startswith("COMMAND"), span
        if name and "--" in span and "NAME" not in span and "TABLE" not in span:
            parse(span.split())
    for option in re.findall(r"`(--[\w.]+)", text):
        of_names = option.startswith(("--data_options.", "--layer_blocks."))
        assert of_names or option in options | {"--model.hidden", "--model"}, option


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    """As GitHub reads them; those of the site are held by ``make docs``."""
    for link in re.findall(r"\]\(([^)#\s]+)", read(page)):
        assert link.startswith("https://") or (DOCS / page).parent.joinpath(link).exists(), link


@pytest.fixture
def small(tmp_path, monkeypatch):
    """An empty folder in which controlled has few clips and training takes one epoch."""
    generate, train = loading.DATASETS["controlled"], api.train

    @functools.wraps(generate)
    def few(**options):
        widths = dict.fromkeys(("text_width", "audio_width", "vision_width"), 6)
        return generate(**{**widths, "clips": CLIPS, **options})

    @functools.wraps(train)
    def short(*arguments, **settings):
        return train(*arguments, **({"epochs": 1} if not settings.get("resume") else {}) | settings)

    monkeypatch.setitem(loading.DATASETS, "controlled", few)
    monkeypatch.setattr(api, "DEMO", {"epochs": 1})
    monkeypatch.setattr(api, "train", short)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shorter(name, text):
    """A file of YAML with one epoch and few clips."""
    values = yaml.safe_load(text)
    values["settings"]["epochs"], values["seeds"] = 1, [1]
    values["data"]["controlled"]["data_options"]["clips"] = CLIPS
    del values["systems"]["LF-LSTM"]
    Path(name).write_text(yaml.safe_dump(values, sort_keys=False))


def follow(page, capsys, *, start=""):
    """Do what a page says, from a heading to its end."""
    clip, names = load("controlled")["test"][0].id, {}
    for language, title, body in blocks(read(page).partition(start)[2] if start else read(page)):
        if language == "yaml":
            shorter(title, body)
        elif language == "python":
            exec(body.replace("epochs=20", "epochs=1"), names)
        else:
            for command in commands(f"```console\n{body}```"):
                command = [clip if word == "clip01628" else word for word in command]
                if command[0] == "train" and "--resume" not in command:
                    command += ["--epochs", "1"]
                assert main(command) == 0, (command, capsys.readouterr().err)


def test_first_run_and_the_files_of_a_run(small, capsys):
    follow("tutorials/first_run.md", capsys)
    assert (small / "controlled.html").stat().st_size > 5_000
    run, page = small / "runs/first", read("runs.md")
    names = {path.name + "/" * path.is_dir() for path in run.iterdir()} - {"run.lock", ".lock"}
    assert {name for name in names if f"`{name}`" not in page} == set()
    for file in ("epochs.csv", "gate.csv", "predictions.csv"):
        for column in (run / file).read_text().splitlines()[0].split(","):
            general = re.sub("^valid_(?!loss).*", "valid_METRIC", column)
            general = general.replace("_sentiment", "_NAME")
            assert f"`{general}`" in page or column in ("text", "audio", "vision"), column
    for key in json.loads((run / "scores.json").read_text()):
        assert re.search(rf"`{key}(\[\])?`", page), key


def test_own_features(small, capsys):
    follow("tutorials/own_features.md", capsys)
    predictions = (small / "predictions.csv").read_text()
    assert predictions.count("\n") == 201
    assert "low_sentiment" in predictions
    assert (small / "runs/mydata/explain/explain.html").exists()


def test_corpus(small, capsys):
    """On a small file of the format that the page names, for one epoch."""
    (small / "configs").symlink_to(ROOT / "configs")
    for name in ("mosi_data_noalign.pkl", "other.pkl"):
        mult_pickle(small / name)
    follow("tutorials/corpus.md", capsys, start="## Check it")
    run = small / "runs/mosi"
    assert (run / "report.html").stat().st_size > 10_000
    assert (run / "explain/explain.html").stat().st_size > 10_000
    assert (run / "model.onnx").stat().st_size > 1_000_000
    assert (small / "predictions.csv").read_text().count("\n") > 10
    assert (small / "mosi.safetensors").stat().st_size > 10_000


def mult_pickle(path):
    """Clips of noise, as MulT's file of MOSI holds them."""
    random = np.random.default_rng(0)
    data = {}
    for split, count in (("train", 24), ("valid", 8), ("test", 8)):
        data[split] = {
            "text": random.normal(size=(count, 12, 300)).astype(np.float32),
            "audio": random.normal(size=(count, 20, 5)).astype(np.float32),
            "vision": random.normal(size=(count, 30, 20)).astype(np.float32),
            "labels": random.uniform(-3, 3, (count, 1, 1)).astype(np.float32),
            "id": [[f"{split}{i}", "0.0", "1.0"] for i in range(count)],
        }
    path.write_bytes(pickle.dumps(data))


def test_explain_page(small, capsys):
    follow("tutorials/explain_page.md", capsys)
    page = read("tutorials/explain_page.md")
    for file in (small / "runs/demo/explain").glob("*.csv"):
        assert f"`{file.name}`" in page


def test_compare(small, capsys):
    follow("tutorials/compare.md", capsys)
    assert (small / "runs/grid/tables.html").stat().st_size > 5_000


def test_own_model(small, monkeypatch, capsys):
    page = read("tutorials/own_model.md")
    (example,) = re.findall(r"<!-- insert: (\S+) -->", page)
    shutil.copy(ROOT / example, small)
    monkeypatch.syspath_prepend(small)
    follow("tutorials/own_model.md", capsys)


def test_scripts_of_other_pages(small, capsys):
    folder = small / "runs/talk-timeline"
    folder.mkdir(parents=True)
    (small / "talk.mp4").touch()
    csv_file = timeline_files(made_up(), small / "talk.mp4", folder)["timeline.csv"]
    (folder / "timeline.csv").write_bytes(csv_file)
    done = {"first_run", "own_features", "corpus", "explain_page", "compare", "own_model"}
    for page in PAGES:
        for language, _, body in blocks(read(page)) if Path(page).stem not in done else []:
            if language == "python":
                exec(body, {})
    assert "a smile" in capsys.readouterr().out


def test_keys_of_grids_and_metrics_are_documented():
    page = read("settings.md")
    fields = {
        field.name
        for kind in (GridFile, GridData, GridSystem, Search)
        for field in dataclasses.fields(kind)
    }
    assert {name for name in fields if not re.search(rf"`([\w:]+ )*{name}`", page)} == set()
    documented = read("runs.md").lower()
    for task in ("regression", "scores", "classes", "emotions"):
        labels = ("name",) if task == "regression" else ("name", "other", "third")
        keys = {column.key for column in make_task(task, labels).columns}
        keys = {key for key in keys if "other" not in key and "third" not in key}
        assert {key for key in keys if f"`{key}`" not in documented} == set()


@pytest.fixture(scope="module")
def site():
    folder = ROOT / "build" / "site"
    return folder if folder.is_dir() else skip_or_fail("needs the site; run: make docs")


def test_the_reference_has_every_public_name(site):
    page = (site / "python.html").read_text(encoding="utf-8")
    assert {name for name in deadpan.__all__ if f'id="deadpan.{name}"' not in page} == set()
    assert "<!-- insert" not in "".join(
        path.read_text(encoding="utf-8") for path in site.rglob("*.html")
    )


def test_the_site_is_read_and_searched_without_a_network(site, tmp_path):
    program = find_browser()
    if program is None:
        pytest.skip("needs Chromium; on Debian: apt-get install chromium")
    try:
        browser = Browser(program, tmp_path / "profile")
    except BrokenPipeError:  # as Ubuntu's stub, where the browser is a snap
        pytest.skip(f"{program} does not start")
    try:
        for page in ("index.html", "tutorials/own_features.html", "models.html"):
            for width in (1280, 400):
                browser.size(width)
                browser.open((site / page).as_uri())
                assert browser.run("document.documentElement.scrollWidth") == width, (page, width)
                assert browser.complaints == []
                assert all(url.startswith("file:") for url in browser.requests)
        found = browser.run(
            """new Promise((done) => {
                const field = document.querySelector("input[data-md-component=search-query]");
                const results = document.querySelector(".md-search-result__list");
                new MutationObserver(() => results.querySelector("a")
                    && done(results.querySelector("a").href))
                    .observe(results, {childList: true, subtree: true});
                field.focus();
                field.value = "incongruity";
                field.dispatchEvent(new Event("keyup", {bubbles: true}));
            })"""
        )
        assert found.startswith(site.as_uri())
        assert browser.complaints == []
        assert all(url.startswith("file:") for url in browser.requests)
    finally:
        browser.close()
