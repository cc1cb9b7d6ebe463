"""The page of a timeline in Chromium; what can be tested without one is in test_timeline.py."""

import dataclasses
import json
from fractions import Fraction

import numpy as np
import pytest

from deadpan import api
from deadpan.analysis.fused_timeline import AttentionMaps
from deadpan.reports import timeline as module
from deadpan.reports.attention_maps import utterance_heatmaps
from deadpan.reports.timeline import write_timeline

from ..cli.test_analyze import reading, write_film
from ..extraction.conftest import frames_of
from ..extraction.made_up import made_up
from ..show.browser import Browser, find_browser
from .test_clip_figures import crossmodal
from .test_timeline import hostile_timeline

av = pytest.importorskip("av", reason="needs PyAV, of the extra video")

SECONDS = 12
CURSOR = "document.querySelector('#lanes > .cursor')"
PLAYER = "document.getElementById('player')"
STARTS = "document.querySelector('.moments a')"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = find_browser()
    if program is None:
        pytest.skip("needs Chromium; on Debian: apt-get install chromium")
    try:
        browser = Browser(program, tmp_path_factory.mktemp("profile"))
    except BrokenPipeError:  # as Ubuntu's stub, where the browser is a snap
        pytest.skip(f"{program} does not start")
    yield browser
    browser.close()


def film(path, *, video, audio):
    """Twelve seconds of grey that grows lighter, and of a tone."""
    with av.open(str(path), "w") as file:
        pictures = file.add_stream(video, rate=5)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        pictures.codec_context.thread_count = 1
        sound = file.add_stream(audio, rate=48_000, layout="mono")
        for i in range(5 * SECONDS):
            image = np.full((48, 64, 3), 4 * i, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 5)
            file.mux(pictures.encode(frame))
            samples = np.sin(np.arange(9600) / 20)[None].astype(np.float32) / 10
            block = av.AudioFrame.from_ndarray(samples, format="flt", layout="mono")
            block.rate, block.pts, block.time_base = 48_000, 9600 * i, Fraction(1, 48_000)
            file.mux(sound.encode(block))
        file.mux(pictures.encode(None))
        file.mux(sound.encode(None))
    return path


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return film(tmp_path_factory.mktemp("media") / "talk.webm", video="libvpx", audio="libopus")


def long(timeline):
    """The timeline, of a recording of twelve seconds."""
    facts = dataclasses.replace(timeline.recording, duration=float(SECONDS))
    return dataclasses.replace(timeline, recording=facts)


@pytest.fixture(scope="module")
def address(recording):
    maps = utterance_heatmaps(AttentionMaps(by_utterance={1: (crossmodal(),)}, attended=3))
    out = recording.parent / "out"
    return write_timeline(long(made_up(run="a")), recording, out, maps).as_uri()


@pytest.fixture
def page(browser, address):
    """The page, opened anew in a wide window, its player ready; no complaint may come."""
    browser.size(1280)
    browser.open(address)
    ready(browser)
    yield browser
    assert browser.complaints == []
    assert browser.requests == [address]


def ready(browser):
    browser.run(
        f"new Promise(ready => {PLAYER}.readyState > 1 ? ready() : "
        f"{PLAYER}.addEventListener('loadeddata', ready))"
    )


def time_of(browser):
    return browser.run(f"{PLAYER}.currentTime")


def shown_time(browser, duration=SECONDS):
    """The time at the cursor, by its place over the first curve, which shows the window."""
    return browser.run(
        "(() => { const plot = document.querySelector('.plot').getBoundingClientRect(),"
        f" at = {CURSOR}.getBoundingClientRect(), all = document.getElementById('overview')"
        ".getBoundingClientRect(), part = document.getElementById('window')"
        ".getBoundingClientRect(); const share = (at.left - plot.left) / plot.width;"
        f" return {duration} * (part.left - all.left + share * part.width) / all.width; }})()"
    )


NEAR = 0.05  # seconds, about 4 pixels of 1,100


def place_of(browser, element, share=0.5):
    """A point in an element, scrolled into view: at a share of its width."""
    x, y = browser.run(
        f"(() => {{ const it = {element}; it.scrollIntoView({{block: 'center'}});"
        " const box = it.getBoundingClientRect();"
        f" return [box.left + {share} * box.width, box.top + box.height / 2]; }})()"
    )
    return x, y


def test_the_cursor_and_the_transcript_follow_the_player(page):
    for time, current in ((3.25, 2), (1.75, 1), (0.75, 0), (8.0, None)):
        page.run(
            f"new Promise(done => {{ {PLAYER}.addEventListener('seeked', done, {{once: true}});"
            f" {PLAYER}.currentTime = {time}; }})"
        )
        assert shown_time(page) == pytest.approx(time, abs=NEAR)
        marked = page.run(
            "[...document.querySelectorAll('.utterance')].findIndex(e => e.matches('.current'))"
        )
        assert marked == (-1 if current is None else current)
    assert page.run("document.getElementById('now').textContent") == "Nobody speaks at 0:08.0."


def test_values_at_the_cursor_are_shown(page):
    page.run("document.querySelector('.said [data-seek=\"0.500\"]').click()")
    outputs = page.run("[...document.querySelectorAll('.lane output')].map(e => e.textContent)")
    assert outputs[:4] == ["−0.5", "0.5", "−30", "−1.3"]
    assert page.run("document.querySelector('.said .spoken').textContent") == "terrible."
    assert "from words" in page.run("document.getElementById('now').textContent")


def test_a_click_on_a_curve_a_word_a_moment_and_the_overview_seeks(page):
    page.click(*place_of(page, "document.querySelector('.plot')", 0.25))
    assert time_of(page) == pytest.approx(3, abs=NEAR)
    assert shown_time(page) == pytest.approx(3, abs=NEAR)
    page.click(*place_of(page, "document.querySelector('.said [data-seek=\"0.500\"]')"))
    assert time_of(page) == pytest.approx(0.5, abs=1e-3)
    page.click(*place_of(page, "document.getElementById('overview')", 0.75))
    assert time_of(page) == pytest.approx(9, abs=NEAR)
    page.click(*place_of(page, STARTS))
    assert time_of(page) == 0


def test_keys_play_move_and_zoom(page):
    page.press("ArrowRight")
    assert time_of(page) == pytest.approx(5, abs=1e-3)
    page.press("ArrowLeft", shift=True)
    assert time_of(page) == pytest.approx(3, abs=1e-3)
    page.press("ArrowLeft")
    assert time_of(page) == 0
    page.press("ArrowRight", shift=True)
    assert time_of(page) == pytest.approx(1.5, abs=1e-3)
    page.press("+")
    assert page.run("document.getElementById('window').style.width") == "50%"
    page.press("-")
    assert page.run("document.getElementById('window').style.width") == "100%"
    page.run(
        f"window.plays = new Promise(done => {PLAYER}.addEventListener('timeupdate',"
        f" () => {{ if ({PLAYER}.currentTime > 2) done(); }}));"
        f"window.pauses = new Promise(done => {PLAYER}.addEventListener('pause', done)); 0"
    )
    page.press(" ")
    page.run("plays")
    page.press(" ")
    page.run("pauses")
    assert time_of(page) > 2
    assert shown_time(page) == pytest.approx(time_of(page), abs=NEAR)


def test_tab_reaches_the_moments_and_enter_seeks(page):
    page.press("ArrowRight")
    for _ in range(40):  # the player's own buttons come first
        page.press("Tab")
        if page.run("!!document.activeElement.closest('.moments')"):
            break
    assert page.run(f"document.activeElement === {STARTS}")
    page.press("Enter")
    assert time_of(page) == 0


def test_the_window_follows_the_time(page):
    page.press("+")
    page.press("ArrowRight")
    page.press("ArrowRight")
    assert shown_time(page) == pytest.approx(10, abs=NEAR)
    assert page.run("document.getElementById('window').style.left") == "50%"
    page.press("ArrowLeft")
    page.press("ArrowLeft")
    assert shown_time(page) == pytest.approx(0, abs=NEAR)
    assert page.run("document.getElementById('window').style.left") == "0%"


def test_a_heatmap_is_opened_by_keyboard_and_stands_once(page):
    page.press("ArrowRight", shift=True)
    assert time_of(page) == pytest.approx(1.5, abs=1e-3)
    page.run("document.querySelector('.maps summary').focus()")
    page.press(" ")
    shown = (
        "document.querySelector('.maps').open && document.querySelector('.maps svg').clientWidth"
    )
    assert page.run(shown) > 300
    assert page.run(f"{PLAYER}.paused")  # space opened it, and played nothing
    assert page.run("document.querySelectorAll('.maps').length") == 1
    assert "Who knows?" in page.run("document.getElementById('now').textContent")


def test_a_curve_is_drawn_where_it_was_measured(page):
    # Steps of .5 s at .125, .5, .75, .5, .25, a gap, 0: x in thousandths of 12 s, y in percent.
    assert page.run("document.querySelectorAll('.plot .sure')[0].getAttribute('d')") == (
        "M20.8 87.5h.1L62.5 50.0L104.2 25.0L145.8 50.0L187.5 75.0M312.5 100.0h.1"
    )
    # The voice is another's between the utterances of person 1, from 0 to 1 s.
    assert page.run("document.querySelectorAll('.plot .sure')[1].getAttribute('d')") == (
        "M20.8 16.7h.1L62.5 25.0"
    )
    assert page.run("document.querySelectorAll('.plot .faint')[1].getAttribute('d')").startswith(
        "M62.5 25.0L104.2 33.3"
    )
    assert page.run("document.querySelectorAll('.plot rect.moment').length") == 3
    interval = "document.querySelector('.plot .interval')"
    assert page.run(f"{interval}.getAttribute('y')") == "41.7"  # .5 of 3 to -3
    assert page.run(f"{interval}.getAttribute('height')") == "41.7"


def test_no_curve_needs_more_points_than_fit_the_screen(browser, recording, tmp_path):
    timeline = long(made_up())
    face = timeline.curves[0].sequence
    steps = 12 * 1000
    dense = dataclasses.replace(
        face,
        rate=1000.0,
        values=np.tile(np.float32([[0.25], [0.75]]), (steps // 2, 1)),
        present=np.ones(steps, bool),
        confidence=np.ones(steps, np.float32),
    )
    curves = (dataclasses.replace(timeline.curves[0], sequence=dense),)
    browser.open(
        write_timeline(dataclasses.replace(timeline, curves=curves), recording, tmp_path).as_uri()
    )
    drawn = browser.run("document.querySelector('.plot .sure').getAttribute('d')")
    assert 900 < drawn.count("L") <= 1001
    heights = {float(point.split()[1]) for point in drawn.replace("M", "").split("L")[1:]}
    assert heights == {25.0, 75.0}


@pytest.mark.parametrize("width", [400, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_page_is_read_without_scrolling_sideways(page, width, scheme):
    page.size(width)
    page.media(scheme=scheme)
    page.run("document.querySelector('.maps').open = true")
    assert page.run("document.documentElement.scrollWidth") <= width
    wide = page.run(
        "[...document.querySelectorAll('main, main *')]"
        ".filter(e => !e.closest('.track, .drawing svg') &&"
        f" e.getBoundingClientRect().right > {width} + .5).map(e => e.outerHTML.slice(0, 80))"
    )
    assert wide == []
    page.media()


def test_print_shows_the_whole_recording_and_every_utterance(page):
    page.press("+")
    page.run(
        "addEventListener('beforeprint', () => { window.printed ="
        " document.getElementById('window').style.width; })"
    )
    assert page.pdf().startswith(b"%PDF")
    assert page.run("printed") == "100%"
    assert page.run("document.getElementById('window').style.width") == "50%"
    page.media(kind="print")
    hidden = (
        "(() => { const box = document.getElementById('transcript');"
        " return box.scrollHeight - box.clientHeight; })()"
    )
    assert page.run(hidden) <= 0
    assert page.run(f"getComputedStyle({PLAYER}).display") == "none"
    page.media()


def test_hostile_texts_are_shown_and_do_nothing(browser, recording, tmp_path):
    address = write_timeline(long(hostile_timeline()), recording, tmp_path).as_uri()
    browser.open(address)
    ready(browser)
    browser.run("document.querySelector('.moments a').click()")
    assert browser.run("typeof hacked") == "undefined"
    assert browser.run("document.querySelectorAll('.curves img, main script + script').length") == 1
    assert "onerror=hacked" in browser.run("document.getElementById('now').textContent")
    browser.size(400)
    assert browser.run("document.documentElement.scrollWidth") <= 400
    assert (browser.complaints, browser.requests) == ([], [address])


def test_the_page_runs_no_other_script_and_requests_nothing(browser, address):
    browser.open(address)
    refused = browser.run(
        "fetch('http://127.0.0.1:9/').then(() => 'sent', error => error.constructor.name)"
    )
    assert refused == "TypeError"
    browser.run(
        "(() => { const script = document.createElement('script');"
        " script.textContent = 'window.hacked = 1'; document.body.append(script); })()"
    )
    assert browser.run("typeof hacked") == "undefined"
    assert browser.requests == [address]
    assert len([each for each in browser.complaints if "Content Security Policy" in each]) >= 2


@pytest.mark.parametrize(("audio", "plays"), [("libopus", True), (None, False)])
def test_a_film_that_the_browser_cannot_play(browser, tmp_path, audio, plays):
    path = tmp_path / "talk.mp4"
    if audio:
        film(path, video="mpeg4", audio=audio)
    else:
        path.write_bytes(b"nothing that plays")
    address = write_timeline(long(made_up()), path, tmp_path / "out").as_uri()
    browser.size(1280)
    browser.open(address)
    browser.run(
        "new Promise(done => { const note = document.getElementById('unplayable');"
        " if (!note.hidden) done();"
        " new MutationObserver(done).observe(note, {attributes: true}); })"
    )
    note = browser.run("document.getElementById('unplayable').textContent")
    assert ("the picture, only the sound" in note) == plays
    assert browser.run(f"{PLAYER}.hidden") != plays
    browser.click(*place_of(browser, "document.querySelector('.plot')", 0.25))
    assert shown_time(browser) == pytest.approx(3, abs=NEAR)
    browser.press("ArrowRight")
    assert shown_time(browser) == pytest.approx(8, abs=NEAR)
    browser.press(" ")
    assert browser.complaints == []


def test_a_linked_film_plays_and_a_time_in_the_address_is_sought(
    browser, recording, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "LARGEST_EMBEDDED", 0)
    address = write_timeline(long(made_up()), recording, tmp_path).as_uri()
    browser.open(f"{address}#t=3.2")
    ready(browser)
    assert time_of(browser) == pytest.approx(3.2, abs=1e-3)
    assert shown_time(browser) == pytest.approx(3.2, abs=NEAR)
    assert all(url.startswith("file:") for url in browser.requests)
    assert browser.complaints == []


@pytest.fixture(scope="module")
def real(component, shared, tmp_path_factory):
    """The page and the numbers of a real face under a real voice: 4.8 seconds."""
    for name in ("ai_edge_litert", "faster_whisper", "swift_f0", "vaderSentiment"):
        pytest.importorskip(name, reason="needs the extra video")
    home = [component(n) for n in ("face-landmarker", "silero-vad", "whisper-base")][0].parent
    folder = tmp_path_factory.mktemp("real")
    images = frames_of(shared, "pyfeat_WolfgangLanger_Pexels", 190, 262)
    path = folder / "reading.webm"
    write_film(path, images, reading(), pictures="libvpx", voice="libopus")
    (page,) = api.analyze([path], out=folder, components=home)
    return page.as_uri(), json.loads((page.parent / "timeline.json").read_text())


def test_a_real_recording_is_followed_sought_and_driven_by_keys(browser, real):
    address, timeline = real
    duration = timeline["recording"]["duration"]
    smile = next(each for each in timeline["curves"] if each["modality"] == "vision")
    word = next(w for w in timeline["utterances"][0]["words"] if "leisure" in w["text"])
    browser.size(1280)
    browser.open(address)
    ready(browser)
    assert browser.run(f"[{PLAYER}.videoWidth, {PLAYER}.videoHeight]") == [640, 360]

    def shows_its_time():
        """The cursor stands where the player is, and the smile is that of the step there."""
        browser.run(
            f"new Promise(done => {PLAYER}.seeking ? "
            f"{PLAYER}.addEventListener('seeked', done) : done())"
        )
        time = time_of(browser)
        assert shown_time(browser, duration) == pytest.approx(time, abs=NEAR)
        value = smile["values"][int(time * smile["rate"]) - smile["first"]]
        shown = browser.run("document.querySelector('.lane output').textContent")
        assert float(shown) == pytest.approx(value, abs=0.005)
        return time

    browser.click(*place_of(browser, "document.querySelector('.plot')", 0.26))
    assert shows_its_time() == pytest.approx(0.26 * duration, abs=NEAR)
    browser.run(f"document.querySelector('.said [data-seek=\"{word['start']:.3f}\"]').click()")
    assert shows_its_time() == pytest.approx(word["start"], abs=1e-3)
    assert "leisure" in browser.run("document.querySelector('.said .spoken').textContent")
    browser.run(
        f"window.later = new Promise(done => {PLAYER}.addEventListener('timeupdate', () =>"
        f" {{ if ({PLAYER}.currentTime > {word['end']} + .3) done(); }}));"
        f"window.pauses = new Promise(done => {PLAYER}.addEventListener('pause', done)); 0"
    )
    browser.press(" ")
    browser.run("later")
    browser.press(" ")
    browser.run("pauses")
    assert "leisure" not in browser.run("document.querySelector('.said .spoken').textContent")
    assert shows_its_time() > word["end"]
    browser.press("ArrowLeft")
    assert shows_its_time() == 0
    browser.size(400)
    assert browser.run("document.documentElement.scrollWidth") <= 400
    # The ends of each axis stand in one line and beside the curves: 62.21 semitones too.
    assert browser.run(
        "[...document.querySelectorAll('.scale span')].every(e =>"
        " e.clientHeight < 20 && e.scrollWidth <= e.parentNode.clientWidth)"
    )
    assert browser.pdf().startswith(b"%PDF")
    assert (browser.complaints, browser.requests) == ([], [address])
