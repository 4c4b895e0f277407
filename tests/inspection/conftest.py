"""A headless Chromium, driven over its DevTools protocol through a pair of pipes."""

import json
import os
import select
import shutil
import subprocess
import time

import pytest

_KEYS = {"Escape": 27, "End": 35, "ArrowRight": 39}
_LIMIT = 60  # seconds, for a machine that does much else
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Chromium:
    """A browser with one page.

    Parameters
    ----------
    program : str
    profile : str
        An empty folder.
    """

    def __init__(self, program, profile):
        to_browser, self._writer = os.pipe()
        self._reader, from_browser = os.pipe()
        # The protocol is on the file descriptors 3 and 4.
        arguments = (
            'exec "$0" --headless --no-sandbox --disable-gpu --no-first-run '
            # It asks nobody for anything that the page does not.
            "--disable-background-networking --disable-component-update "
            "--disable-sync --disable-quic "
            '--remote-debugging-pipe --user-data-dir="$1" about:blank '
            f"3<&{to_browser} 4>&{from_browser}"
        )
        self._process = subprocess.Popen(
            ["bash", "-c", arguments, program, profile],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._rest, self._number, self._session = b"", 0, None
        self.events = []
        """What the page reported since it was opened."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def open(self, path):
        """Open a file as a user does who clicks on it, and wait until it is loaded."""
        self.events.clear()
        self._call("Page.navigate", url=path.as_uri())
        end = time.monotonic() + _LIMIT
        while "Page.loadEventFired" not in [event["method"] for event in self.events]:
            self._receive(end)

    def run(self, script):
        """Evaluate an expression in the page and return its value."""
        answer = self._call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key):
        """Press and let go of a key."""
        for kind in ("keyDown", "keyUp"):
            self._call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=_KEYS[key],
            )

    def call(self, method, **parameters):
        """Call any other method of the protocol."""
        return self._call(method, **parameters)

    def errors(self):
        """Return what the console shows as errors or warnings, and exceptions."""
        bad = []
        for event in self.events:
            name, content = event["method"], event.get("params", {})
            if name == "Runtime.exceptionThrown":
                bad.append(content["exceptionDetails"])
            elif name == "Log.entryAdded":
                bad.append(content["entry"])
            elif name == "Runtime.consoleAPICalled":
                bad.append(content)
        return bad

    def fetched(self):
        """Return the addresses that the page asked for, other than those it holds."""
        urls = [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in urls if not url.startswith("data:")]

    def close(self):
        """End the browser."""
        self._process.terminate()
        self._process.wait(_LIMIT)
        os.close(self._reader)
        os.close(self._writer)

    def _call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._writer, data) :]
        end = time.monotonic() + _LIMIT
        while True:
            answer = self._receive(end)
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def _receive(self, end):
        """Wait for the next message; keep it if it is an event."""
        while b"\0" not in self._rest:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._reader], [], [], left)[0]:
                raise TimeoutError("Chromium does not answer")
            chunk = os.read(self._reader, 1 << 20)
            if not chunk:
                raise RuntimeError(f"Chromium ended ({self._process.poll()})")
            self._rest += chunk
        message, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(message)
        if "method" in message:
            self.events.append(message)
        return message


@pytest.fixture(scope="session")
def chromium(request, tmp_path_factory):
    """Return a headless Chromium; without one on the PATH its tests are skipped."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        reason = f"none of {', '.join(_NAMES)} is on the PATH"
        if request.config.getoption("nothing_left_out"):
            pytest.fail(f"--nothing-left-out, and {reason}")
        pytest.skip(reason)
    browser = Chromium(program, str(tmp_path_factory.mktemp("chromium")))
    yield browser
    browser.close()
