"""A page in headless Chromium, over the DevTools protocol."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
START_S = 30.0


def find_browser() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One page of 1280 × 800; its profile is in `folder`. Aim writes only the rows of a table that are in sight."""

    def __init__(self, program: str, *, folder: Path) -> None:
        from websockets.sync.client import connect  # comes with Aim

        options = ["--headless", "--disable-gpu", "--remote-debugging-port=0", "--window-size=1280,800"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")  # Chromium has none for root
        self._process = subprocess.Popen(
            [program, *options, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._opened = ExitStack()
        self._page = self._opened.enter_context(connect(self._address(folder / "DevToolsActivePort"), max_size=None))
        self._n_calls = 0

    def open(self, address: str) -> None:
        self._call("Page.navigate", url=address)

    def wait_for(self, *texts: str, timeout_s: float = 60.0) -> str:
        """The text of the page once it holds all of these."""
        deadline = time.monotonic() + timeout_s
        while not all(text in (shown := self.text()) for text in texts):
            assert time.monotonic() < deadline, f"not on the page: {[text for text in texts if text not in shown]}"
            time.sleep(0.2)
        return shown

    def text(self) -> str:
        return str(self.value("document.body ? document.body.innerText : ''"))

    def value(self, script: str) -> Any:
        """What a script comes to; None while a page is being loaded."""
        told = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return told.get("result", {}).get("value")

    def scroll_down(self) -> None:
        """To the end of everything on the page."""
        high = "[...document.querySelectorAll('*')].filter(part => part.scrollHeight > part.clientHeight + 20)"
        self.value(f"{high}.forEach(part => {{ part.scrollTop = 1e6 }})")

    def close(self) -> None:
        self._call("Browser.close")
        self._opened.close()
        self._process.wait(START_S)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._n_calls += 1
        self._page.send(json.dumps({"id": self._n_calls, "method": method, "params": parameters}))
        while (answer := json.loads(self._page.recv(timeout=START_S))).get("id") != self._n_calls:
            pass
        found: dict[str, Any] = answer.get("result", {})
        return found

    def _address(self, told: Path) -> str:
        """The web socket of its page; the port is in a file that it writes."""
        deadline = time.monotonic() + START_S
        while not (told.exists() and told.read_text().count("\n")):
            assert time.monotonic() < deadline, "the browser did not start"
            time.sleep(0.1)
        with urllib.request.urlopen(f"http://127.0.0.1:{told.read_text().split()[0]}/json") as answer:
            return str(next(page["webSocketDebuggerUrl"] for page in json.load(answer) if page["type"] == "page"))
