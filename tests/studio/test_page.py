"""The studio's page in Chromium: what a user does, by mouse and by keyboard alone."""

import base64
import json

import pytest

from ..reports.test_timeline_page import browser, film  # noqa: F401 - a fixture
from .test_runs import finished_run

MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    pytest.importorskip("av", reason="needs PyAV, of the extra video")
    path = tmp_path_factory.mktemp("media") / "a.webm"
    return film(path, video="libvpx", audio="libopus").read_bytes()


@pytest.fixture(scope="module")
def studio(start_studio, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page") / "runs"
    for name in ("b2", "a10", MARKUP.replace("/", "")):
        finished_run(folder / name)
        (folder / name / "report.html").write_text("<title>report</title>")
    return start_studio(folder)


@pytest.fixture
def page(browser, studio):  # noqa: F811 - the fixture
    """The page of the studio, whose console stays empty and which asks nobody else."""
    browser.size(1280)
    browser.open(studio.address)
    until(browser, "document.querySelectorAll('#runs tbody tr').length === 3")
    yield browser
    assert browser.complaints == []
    assert all(url.startswith(studio.address) for url in browser.requests)


def until(browser, condition):  # noqa: F811
    """Wait in the page until something holds."""
    browser.run(
        "new Promise(done => { const look = () => "
        f"({condition}) ? done() : setTimeout(look, 20); look(); }})"
    )


def names(browser):  # noqa: F811
    return browser.run(
        "[...document.querySelectorAll('#runs tbody label')].map(each => each.textContent.trim())"
    )


def drop(browser, name, content):  # noqa: F811
    browser.run(
        f"(() => {{ const bytes = Uint8Array.from(atob('{base64.b64encode(content).decode()}'),"
        " each => each.charCodeAt(0)); const data = new DataTransfer();"
        f" data.items.add(new File([bytes], {json.dumps(name)}));"
        " dispatchEvent(new DragEvent('drop', {dataTransfer: data, cancelable: true})); })()"
    )


def tab_to(browser, condition):  # noqa: F811
    """Press Tab until the focus is on an element of which something holds."""
    for _ in range(200):
        if browser.run(f"(it => !!({condition}))(document.activeElement)"):
            return
        browser.press("Tab")
    raise AssertionError(f"Tab does not lead there: {condition}")


def test_runs_are_sorted_opened_and_compared_by_the_keyboard(page, studio):
    tab_to(page, "it.textContent === 'Run' && it.tagName === 'BUTTON'")
    page.press("Enter")
    assert names(page) == ["<img src=x onerror=alert(1)>", "a10", "b2"]  # as text
    page.press("Enter")
    assert names(page) == ["b2", "a10", "<img src=x onerror=alert(1)>"]
    state = "document.querySelector('#runs th').getAttribute('aria-sort')"
    assert page.run(state) == "descending"
    for _ in range(2):
        tab_to(page, "it.type === 'checkbox' && !it.checked")
        page.press(" ")
    until(page, "document.querySelectorAll('#curves path').length === 2")
    heads = "[...document.querySelectorAll('#compared thead th')].map(each => each.textContent)"
    assert page.run(heads) == ["Test split", "b2", "a10"]
    rows = page.run("[...document.querySelectorAll('#compared tbody th')].map(x => x.textContent)")
    assert {"Data", "MAE", "Corr"} <= {*rows}
    shown = page.run("document.querySelector('#curves svg').getAttribute('aria-label')")
    assert shown.startswith("validation loss over 3 epochs, from ")
    tab_to(page, "it.tagName === 'A' && it.textContent === 'report'")
    link = page.run("document.activeElement.href")
    page.press("Enter")
    page.wait_for_load()  # scripts are forbidden there, even those of a test
    assert page.requests[-1] == link
    assert studio.get(link.removeprefix(studio.address[:-1])).body == b"<title>report</title>"


def test_a_recording_is_dropped_followed_corrected_and_labelled(page, studio, recording):
    go = studio.folder.parent / "go"
    drop(page, f"slow {MARKUP}.webm", recording)
    until(page, "document.querySelector('#analyses progress')?.value === 0.5")
    assert page.run("document.querySelector('#analyses .status').textContent") == "50 % read"
    go.touch()
    until(page, "document.querySelectorAll('#utterances textarea').length === 3")
    go.unlink()
    assert page.run("document.getElementById('analysis-title').textContent").startswith("slow <img")
    until(page, "document.getElementById('player').readyState > 0")

    page.run("document.querySelectorAll('.seek')[2].click()")
    until(page, "document.querySelector('#utterances .current')?.dataset.number === '2'")
    assert page.run("document.getElementById('player').currentTime") == 3

    tab_to(page, "it.tagName === 'TEXTAREA'")
    page.run("document.activeElement.select()")
    for letter in "No <b>.":
        page.press(letter)
    tab_to(page, "it.tagName === 'SELECT' && it.closest('#utterances')")
    for _ in range(3):
        page.press("ArrowDown")
    chosen = "document.querySelector('#utterances select').value === '-2'"
    until(page, f"{chosen} && document.querySelector('.said').textContent === 'saved'")
    identity = studio.get("/v1/analyses").json["analyses"][0]["id"]

    def saved():
        first = studio.get(f"/v1/analyses/{identity}/utterances").json["utterances"][0]
        return first["text"], first["label"]

    assert saved() == ("No <b>.", -2.0)

    tab_to(page, "it.name === 'name'")
    for letter in "mine":
        page.press(letter)
    page.press("Enter")
    until(page, "document.querySelector('#dataset-result pre')")
    assert "No <b>." in (studio.folder / "datasets" / "mine" / "labels.csv").read_text()
    commands = page.run("document.querySelector('#dataset-result pre').textContent")
    assert commands.startswith("deadpan extract ")

    tab_to(page, "it.tagName === 'SUMMARY'")
    page.press("Enter")
    inside = "document.querySelector('iframe')?.contentDocument"
    until(page, f"{inside}?.getElementById('transcript') && {inside}.readyState === 'complete'")


def test_what_is_refused_is_said(page):
    drop(page, "notes.mp4", b"no recording")
    until(page, "document.getElementById('message').textContent.includes('begins like no')")
    complaints = [each for each in page.complaints if "415" in each]
    assert complaints  # the browser itself notes the answer
    page.complaints[:] = [each for each in page.complaints if each not in complaints]


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_window(page, studio, width):
    page.size(width)
    name = f"{width} {'wide ' * 10}{'w' * 60}.wav"
    assert studio.end_of(studio.send(name).json["id"])["state"] == "done"
    page.open(studio.address)
    until(page, "document.querySelectorAll('#runs tbody tr').length === 3")
    until(page, f"document.querySelector('[aria-label=\"Open {name}\"]')")
    page.run(f"document.querySelector('[aria-label=\"Open {name}\"]').click()")
    until(page, "!document.getElementById('analysis').hidden")
    page.run("document.querySelectorAll('#runs input').forEach(each => each.click())")
    until(page, "document.querySelectorAll('#curves path').length === 2")
    assert page.run("document.documentElement.scrollWidth") == width
