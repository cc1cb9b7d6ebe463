"""Chromium without a window, driven over the pipe of its DevTools protocol, without a package."""

import base64
import collections
import json
import os
import select
import shutil
import subprocess
import sys

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",  # tests run as root in containers, and open no page but ours
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--mute-audio",
    "--hide-scrollbars",
]
SILENCE = 120  # seconds after which a browser that says nothing is taken for hung
# The browser reads commands from descriptor 3 and answers on 4.
START = (
    "import fcntl, os, sys; "
    "reads, writes = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3]); "
    "os.dup2(reads, 3); os.dup2(writes, 4); os.execvp(sys.argv[3], sys.argv[3:])"
)
CODES = {" ": "Space", "Enter": "Enter", "Tab": "Tab"}


def find_browser():
    """Path of a Chromium; None where there is none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Browser:
    """A tab; what it logs, throws and requests is kept.

    Attributes:
        complaints: what stood in the console, and errors that no script caught.
        requests: URLs, without data URIs.
    """

    def __init__(self, program, profile):
        commands, answers = os.pipe(), os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, str(commands[0]), str(answers[1]), program, *FLAGS]
            + [f"--user-data-dir={profile}", "about:blank"],
            pass_fds=[commands[0], answers[1]],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands[0])
        os.close(answers[1])
        self._commands, self._answers = (
            os.fdopen(commands[1], "wb", buffering=0),
            os.fdopen(answers[0], "rb", buffering=0),
        )
        self._left, self._number, self._session = b"", 0, None
        self._events = collections.deque()
        self.complaints, self.requests = [], []
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self):
        """Open a tab, and listen to what happens in it."""
        tab = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=tab, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self):
        self._commands.close()
        self._answers.close()
        self._process.terminate()
        self._process.wait()

    def call(self, method, **parameters):
        """What a command answers."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        while (answer := self._message()).get("id") != self._number:
            self._note(answer)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def _message(self):
        while b"\0" not in self._left:
            assert select.select([self._answers], [], [], SILENCE)[0], "the browser hangs"
            part = os.read(self._answers.fileno(), 1 << 20)
            if not part:
                raise BrokenPipeError("the browser has ended")
            self._left += part
        message, _, self._left = self._left.partition(b"\0")
        return json.loads(message)

    def _note(self, event):
        method, how = event.get("method"), event.get("params", {})
        self._events.append(method)
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(how["exceptionDetails"]))
        if method == "Runtime.consoleAPICalled":
            self.complaints.append(json.dumps(how["args"]))
        if method == "Log.entryAdded":
            self.complaints.append(how["entry"]["text"])
        if method == "Network.requestWillBeSent":
            url = how["request"]["url"]
            if not url.startswith("data:"):
                self.requests.append(url)

    def open(self, url):
        """Load a page until its load event."""
        self._events.clear()
        self.complaints.clear()
        self.requests.clear()
        if "loaderId" not in self.call("Page.navigate", url=url):
            self.call("Page.reload")  # another fragment of the page that is open
        self.wait_for_load()

    def wait_for_load(self):
        """Wait for the load event of a page, after ``open`` or what navigated since."""
        while "Page.loadEventFired" not in self._events:
            self._note(self._message())
        self._events.clear()

    def run(self, script):
        """Value of an expression; a promise is waited for."""
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key, *, shift=False):
        """A key, down and up."""
        how = {"key": key, "code": CODES.get(key, key), "modifiers": 8 * shift}
        text = {" ": " ", "Enter": "\r"}.get(key, key if len(key) == 1 else "")
        number = {"Enter": 13, "Tab": 9, " ": 32}.get(key, 0)
        how["windowsVirtualKeyCode"] = number
        down = {"text": text} if text else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **how, **down)
        self.call("Input.dispatchKeyEvent", type="keyUp", **how)

    def click(self, x, y):
        """The left button, down and up, at a point of the view."""
        how = {"x": x, "y": y, "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", buttons=1, **how)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", **how)

    def size(self, width, height=800):
        """Size of the view in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def media(self, *, scheme="light", kind="screen"):
        """Colour scheme (light, dark), and screen or print."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=kind, features=features)

    def screenshot(self):
        """The whole page as PNG."""
        content = self.call("Page.getLayoutMetrics")["cssContentSize"]
        whole = {**content, "scale": 1}
        image = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=whole)
        return base64.b64decode(image["data"])

    def pdf(self):
        """The page as it is printed."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])
