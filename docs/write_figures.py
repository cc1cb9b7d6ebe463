"""Makes the pictures of the site: runs the commands that the pages show, and photographs the pages.

Run at the root: python docs/write_figures.py [REPORT ...], some minutes on two cores. It needs
Chromium, and the components of ``make demo-video``. Runs that are there are not made again.
"""

import io
import shlex
import sys
import tempfile
from pathlib import Path

from PIL import Image

from deadpan.cli import main

DOCS = Path(__file__).resolve().parent
WIDTH = 1120

FIGURES = {
    "report": ("deadpan demo", "runs/demo/report.html", 1400),
    "explain": (
        "deadpan explain runs/demo --clip clip01628",
        "runs/demo/explain/explain.html",
        990,
    ),
    "data": ("deadpan data inspect controlled --html controlled.html", "controlled.html", 900),
    "tables": ("deadpan benchmark configs/small_grid.yaml", "runs/small_grid/tables.html", 560),
    "timeline": (
        "deadpan analyze tests/extraction/sense_and_sensibility.opus",
        "runs/sense_and_sensibility-timeline/timeline.html",
        1000,
    ),
}
"""Of each picture: the command, the page that it writes, and how many pixels of it are shown."""


def make(name: str) -> Path:
    """Run a figure's command where its page is not there yet."""
    command, page, _ = FIGURES[name]
    if not Path(page).is_file() and main(shlex.split(command)[1:]):
        sys.exit(f"{command}: failed")
    return Path(page).resolve()


def shoot(page: Path, height: int) -> bytes:
    """The upper part of a page as PNG, in few colours."""
    sys.path.insert(0, str(DOCS.parent / "tests" / "show"))
    from browser import Browser, find_browser

    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(find_browser() or "chromium", profile)
        try:
            browser.size(WIDTH, height)
            browser.media()
            browser.open(page.as_uri())
            image = Image.open(io.BytesIO(browser.screenshot()))
        finally:
            browser.close()
    shown = image.convert("RGB").crop((0, 0, WIDTH, min(height, image.height)))
    file = io.BytesIO()
    shown.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        file, "png", optimize=True
    )
    return file.getvalue()


if __name__ == "__main__":
    for figure in sys.argv[1:] or FIGURES:
        picture = DOCS / f"{figure}.png"
        picture.write_bytes(shoot(make(figure), FIGURES[figure][2]))
