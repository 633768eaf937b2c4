"""The picture of a report in the README: `python -m report.picture FOLDER [TASK] [--out docs/report.png]`.

Two views of the report of a folder, in a real browser: its gallery in the light, and one task in the dark. Needs
Chromium and what tests need (`pip install 'codeit[dev]'`).
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from report.writing import write_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = (1100, 1060)  # of a view
GAP = 20


def browser_path() -> str:
    """The browser that is installed. Raises `UsageError` where there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise UsageError("a picture needs Chromium: apt-get install chromium")
    return found


def take(folder: Path, task: str | None, out: Path) -> None:
    """Write the picture of a folder's report; without a task, of the first one that is solved."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as driver:
        file = write_report([folder], Path(scratch))
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # which Chromium refuses to be without as root
        browser = driver.chromium.launch(executable_path=browser_path(), args=arguments)
        views = [_gallery(browser, file), _task(browser, file, task)]
        browser.close()
    images = [Image.open(io.BytesIO(view)) for view in views]
    picture = Image.new("RGB", (2 * SIZE[0] + GAP, SIZE[1]), "white")
    for k, image in enumerate(images):
        picture.paste(image, (k * (SIZE[0] + GAP), 0))
    picture.quantize(256).save(out, optimize=True)


def _page(browser: Any, file: Path, scheme: str, state: str) -> Any:
    page = browser.new_page(color_scheme=scheme, viewport={"width": SIZE[0], "height": SIZE[1]})
    page.goto(f"file://{file}#tasks?{state}")
    page.wait_for_selector("html[data-ready]")
    return page


def _gallery(browser: Any, file: Path) -> bytes:
    page = _page(browser, file, "light", "order=status")
    page.evaluate("document.querySelector('#tasks').scrollIntoView()")
    page.wait_for_timeout(1000)  # cards are drawn as they come into view
    return page.screenshot()


def _task(browser: Any, file: Path, task: str | None) -> bytes:
    page = _page(browser, file, "dark", "status=solved" if task is None else "")
    cards = page.locator(".card") if task is None else page.get_by_role("button", name=f"{task},")
    cards.first.click()
    page.wait_for_timeout(300)
    return page.screenshot()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("task", nargs="?")
    parser.add_argument("--out", type=Path, default=Path("docs/report.png"))
    options = parser.parse_args()
    take(options.folder, options.task, options.out)


if __name__ == "__main__":
    main()
