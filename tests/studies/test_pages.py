"""The pages of studies/ and benchmarks/: every file that they name is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for room in ("studies", "benchmarks") for path in (ROOT / room).rglob("*.md"))
SCRIPTS = re.compile(r"(?:studies|benchmarks)/[\w/]+\.(?:py|yaml)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_commands_name_files(page):
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (page.parent / link).exists(), link
    for script in SCRIPTS.findall(text):
        assert (ROOT / script).is_file(), script


def test_every_study_and_every_table_is_listed():
    studies = (ROOT / "studies/README.md").read_text(encoding="utf-8")
    for folder in (path for path in (ROOT / "studies").iterdir() if path.is_dir()):
        assert f"({folder.name}" in studies, folder.name
    for page in (ROOT / "studies/accuracy").glob("*.md"):
        assert f"(accuracy/{page.name})" in studies, page.name
    benchmarks = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    tables = list((ROOT / "benchmarks/results").glob("*.md"))
    assert len(tables) > 5
    for table in tables:
        assert f"(results/{table.name})" in benchmarks, table.name
