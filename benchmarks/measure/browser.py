"""Headless Chromium, driven with selenium: Debian's packages chromium and chromium-driver."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

_PROGRAMS = {"browser": ("chromium", "chromium-browser", "google-chrome"), "driver": ("chromedriver",)}
_ARGUMENTS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
              "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage")
_LOCAL = ("file:", "data:", "about:", "blob:", "chrome:")


def programs() -> dict[str, str]:
    """The paths of what is installed of browser and driver."""
    found = {what: next(filter(None, map(shutil.which, names)), None) for what, names in _PROGRAMS.items()}
    return {what: path for what, path in found.items() if path}


class Browser:
    """One browser window."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def show(self, width: int, height: int, *, dark: bool = False) -> None:
        """Give the window a size in CSS pixels and a colour scheme; below 600 pixels it is a phone."""
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1,
                                                                           "mobile": width < 600})
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})

    def open(self, page: Path) -> None:
        """Load a page anew and wait until it is drawn, which what depends on sizes is a frame later; what was said and asked for before is
        forgotten."""
        self.driver.get("about:blank")
        self.said()
        self.requests()
        self.driver.get(page.as_uri())
        self.driver.execute_async_script(  # type: ignore[no-untyped-call]
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));")

    def run(self, script: str) -> object:
        """Run a script as the body of a function and return its result."""
        return self.driver.execute_script(script)  # type: ignore[no-untyped-call]

    def said(self) -> list[str]:
        """What the console has shown since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def requests(self) -> list[str]:
        """The addresses that were asked for since this was last called, other than those on this machine."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]  # type: ignore[no-untyped-call]
        asked = [message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith(_LOCAL)]


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser with a profile of its own, closed at the end."""
    found = programs()
    options = ChromeOptions()
    options.binary_location = found["browser"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for argument in (*_ARGUMENTS, f"--user-data-dir={profile}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = Chrome(options=options, service=ChromeService(found["driver"]))
        try:
            yield Browser(driver)
        finally:
            driver.quit()
