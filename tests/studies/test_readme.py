"""The tables of README and of the pages are what the studies' files say."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_documents_show_what_the_studies_say():
    script = runpy.run_path(str(ROOT / "studies" / "readme.py"))
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in script["DOCUMENTS"]]
    marked = [name for text in texts for name in script["marked"](text)]
    assert sorted(marked) == sorted(script["TABLES"])
    for text in texts:
        assert text == script["filled"](text), "run `python studies/readme.py`"
