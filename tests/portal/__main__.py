"""`make portal-audit`: every page of the portal in Chromium, at two widths and in both themes, by axe; the main pages
by Lighthouse; screenshots of one page for each template. Ends with status 1 if a page does not reach the goals."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, sync_playwright

from tests.portal.links import Site
from tests.portal.servers import GatewayServer, PortalServer
from tests.portal.test_browser import CHROMIUM, TEMPLATES, Visit
from tests.sandbox.gateway import token

WIDTHS = (320, 1280)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
RATED = ("home", "catalogue", "fiche", "guide", "error")
"""Templates whose pages Lighthouse rates."""
GOALS = {"performance": 95, "accessibility": 100, "best-practices": 100}
"""Least score of a page in each category of Lighthouse."""
LIGHTHOUSE = Path(__file__).parent / "lighthouse" / "node_modules" / ".bin" / "lighthouse"


def main(folder: Path) -> int:
    """Audits a portal on the sandbox's cases, and writes screenshots and reports to `folder`. Returns the exit
    status."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        for name in ("gateway", "portal"):
            (Path(made) / name).mkdir()
        with GatewayServer(Path(made) / "gateway") as gateway:
            sandbox = {"sandbox_url": gateway.url, "sandbox_token": token()}
            with PortalServer(Path(made) / "portal", gateway.url, **sandbox) as portal:
                faults = [*_examined(portal, folder), *_rated(portal, folder)]
    print("\n".join(faults) or "Every page reaches the goals")
    return bool(faults)


def _examined(portal: PortalServer, folder: Path) -> Iterator[str]:
    """Opens every page at each width and in each theme. Yields each fault with the page's path."""
    paths = sorted(path for path, page in Site(portal).pages.items() if "text/html" in page.headers["content-type"])
    names = {path: name for name, path in TEMPLATES.items()}
    print(f"{len(paths)} pages at {WIDTHS} pixels, {' and '.join(THEMES)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for path, width, theme in product({*paths, *TEMPLATES.values()}, WIDTHS, THEMES):
            picture = folder / f"{re.sub('[^a-z]+', '-', names[path])}-{width}-{theme}.png" if path in names else None
            yield from (
                f"{path} ({width}, {theme}): {fault}"
                for fault in _faults(browser, portal.url, path, width, theme, picture)
            )
        browser.close()


def _faults(
    browser: Browser, url: str, path: str, width: int, theme: Literal["light", "dark"], picture: Path | None
) -> Iterator[str]:
    visit = Visit(browser, f"{url}{path}", width=width, theme=theme)
    yield from visit.violations()
    yield from (f"asks for {address}" for address in visit.requested if not address.startswith((url, "data:")))
    if visit.is_too_wide:
        yield "scrolls sideways"
    if picture:
        visit.page.screenshot(path=picture, full_page=True)
    visit.close()


def _rated(portal: PortalServer, folder: Path) -> Iterator[str]:
    """Rates a page for each template of `RATED`. Yields each score below its goal."""
    for name in RATED:
        report = folder / f"lighthouse-{name}.json"
        command = [
            str(LIGHTHOUSE), f"{portal.url}{TEMPLATES[name]}", "--quiet", "--output=json", f"--output-path={report}",
            f"--only-categories={','.join(GOALS)}", "--chrome-flags=--headless=new --no-sandbox",
        ]  # fmt: skip
        subprocess.run(command, check=True, env=os.environ | {"CHROME_PATH": str(CHROMIUM)})
        categories = json.loads(report.read_text(encoding="utf-8"))["categories"]
        scores = {key: round(100 * categories[key]["score"]) for key in GOALS}
        print(f"{TEMPLATES[name]}: {scores}")
        yield from (
            f"{TEMPLATES[name]}: {key} {score} of {GOALS[key]}" for key, score in scores.items() if score < GOALS[key]
        )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
