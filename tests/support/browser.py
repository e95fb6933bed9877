"""A real browser without a window: Chromium, driven by chromedriver (`apt-get install chromium chromium-driver`)."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class Browser:
    """A page in Chromium."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, page: Path, width: int = 1280, dark: bool = False) -> None:
        """Shows a file, `width` px wide."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self._tell("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._tell("Emulation.setEmulatedMedia", {"features": [scheme]})
        for log in ("browser", "performance"):
            self.driver.get_log(log)
        self.driver.get(page.as_uri())

    def ask(self, javascript: str) -> Any:
        """The value of an expression in the page."""
        return self.driver.execute_script(f"return {javascript}")

    def errors(self) -> list[str]:
        """What the console complained about since the page was opened."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """What was asked for since the page was opened."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"]

    def shoot(self, file: Path) -> bytes:
        """The whole page as a PNG."""
        shot = base64.b64decode(self._tell("Page.captureScreenshot", {"captureBeyondViewport": True})["data"])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(shot)
        return shot

    def printed(self) -> bytes:
        """The page as a PDF."""
        return base64.b64decode(self._tell("Page.printToPDF", {"preferCSSPageSize": True})["data"])

    def _tell(self, command: str, what: dict[str, Any]) -> Any:
        return self.driver.execute_cdp_cmd(command, what)


@contextmanager
def running() -> Iterator[Browser]:
    """A browser, until the `with` block ends; the test is skipped where none is installed."""
    from selenium import webdriver

    chromium, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if not (chromium and driver):
        pytest.skip("chromium and chromedriver are not installed: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield Browser(opened)
    finally:
        opened.quit()
