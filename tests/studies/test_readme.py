"""README's tables are what the studies' files say."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_readme_shows_what_the_studies_say():
    script = runpy.run_path(str(ROOT / "studies" / "readme.py"))
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert sorted(script["marked"](text)) == sorted(script["TABLES"])
    assert text == script["filled"](text), "run `python studies/readme.py`"
