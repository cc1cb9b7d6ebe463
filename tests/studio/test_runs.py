"""Runs as the API lists them."""

import math

import pytest

pytest.importorskip("starlette", reason="needs the extra serve")

from deadpan.studio.runs import RunList, run_details, run_epochs, run_id, shown_file

from ..training.fake_run import fake_run


def finished_run(path):
    fake_run(path, epochs=3, batches=2, clips=20)
    (path / "model.safetensors").touch()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    finished_run(folder / "first")
    fake_run(folder / "grid" / "data" / "second", "emotions", epochs=2, batches=2, clips=20)
    fake_run(folder / "analyses" / "no run", epochs=2, batches=2, clips=20)
    (folder / "first" / "report.html").write_text("a report")
    (folder / "first" / "explain").mkdir()
    (folder / "first" / "explain" / "explain.html").write_text("an explanation")
    return folder


def test_runs_are_listed_at_every_depth(folder):
    rows = RunList(folder, frozenset(("analyses",))).rows()
    assert [row["name"] for row in rows] == ["first", "grid/data/second"]
    first = rows[0]
    assert first["id"] == run_id("first")
    assert (first["state"], first["model"], first["epochs"]) == ("scored", "HCT-MG", 3)
    assert first["pages"] == ["report.html", "explain/explain.html"]
    assert {column["title"] for column in first["scores"]} >= {"MAE", "Corr"}
    assert all(math.isfinite(column["value"]) for column in first["scores"])


def test_a_run_is_read_again_when_it_has_changed(tmp_path):
    finished_run(tmp_path / "run")
    runs = RunList(tmp_path, frozenset())
    (before,) = runs.rows()
    assert runs.rows() == [before]
    (tmp_path / "run" / "scores.json").unlink()
    (after,) = runs.rows()
    assert (before["state"], after["state"], after["scores"]) == ("scored", "finished", [])
    (tmp_path / "run" / "config.yaml").write_text("epochs: [")
    (broken,) = runs.rows()
    assert broken["state"] == "broken"
    assert "is not valid YAML" in broken["error"]


def test_a_run_by_its_id(folder):
    runs = RunList(folder, frozenset())
    path = runs.path(run_id("grid/data/second"))
    assert path == folder / "grid" / "data" / "second"
    assert runs.path("0" * 16) is None
    details = run_details(path)
    assert details["settings"]["model"] == "HCTMG"
    widths = {len(row["values"]) for row in details["scores"]["rows"]}
    assert widths == {len(details["scores"]["columns"])}
    epochs = run_epochs(path)
    assert epochs["epochs"] == [1, 2]
    assert len(epochs["valid_loss"]) == 2


def test_only_listed_files_are_shown(folder):
    first = folder / "first"
    assert shown_file(first, ("explain", "explain.html")) == first / "explain" / "explain.html"
    assert shown_file(first, ("report.html",)) == first / "report.html"
    for names in (
        ("..", "first", "report.html"),
        ("explain", "..", "report.html"),
        ("explain",),
        ("report.html", "report.html"),
        ("model.safetensors",),
        ("/etc/passwd",),
        ("",),
        ("nothing.html",),
    ):
        assert shown_file(first, names) is None


def test_the_api_gives_runs_and_their_pages(start_studio, folder):
    studio = start_studio(folder)
    rows = studio.get("/v1/runs").json["runs"]
    where = f"/v1/runs/{rows[0]['id']}"
    assert studio.get(where).json["command"]
    assert studio.get(f"{where}/epochs").json["epochs"] == [1, 2, 3]
    page = studio.get(f"{where}/files/explain/explain.html")
    assert page.body == b"an explanation"
    assert page.headers["content-security-policy"].startswith("sandbox")
    assert studio.get(f"{where}/files/report.html").body == b"a report"
    assert studio.get(f"{where}/files/..%2f..%2freport.html").status == 404
    assert studio.get("/v1/runs/" + "0" * 16).status == 404
    (folder / "tables.html").write_text("tables")
    assert studio.get("/v1/pages").json == {"pages": ["tables.html"]}
    assert studio.get("/v1/pages/tables.html").body == b"tables"
