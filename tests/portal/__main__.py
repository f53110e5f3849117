"""`make portal-audit`: every page of the portal in Chromium, at two widths and in both themes, by axe; the main pages
by Lighthouse; screenshots of one page for each template. Ends with status 1 if a page does not reach the goals."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, product
from pathlib import Path
from typing import Literal

from playwright.sync_api import sync_playwright

from tests.portal.browser import CHROMIUM, TEMPLATES, Screen, Tab, launched
from tests.portal.links import Site
from tests.portal.servers import GatewayServer, PortalServer
from tests.support.sandbox_gateway import token

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SCREENS = tuple(Screen(width, theme) for width, theme in product((1280, 320), THEMES))
THIRD_PARTY = "/developpeurs/openapi/swagger-ui/"
"""Prefix of the pages that Swagger UI fills, on which axe finds faults of that software. The statement of accessibility
names them, and the pages of the API reference say the same."""
TABS = os.cpu_count() or 1
"""Number of browsers that examine pages side by side."""
RATED = ("home", "catalogue", "fiche", "guide", "error")
"""Templates whose pages Lighthouse rates."""
GOALS = {"performance": 95, "accessibility": 100, "best-practices": 100}
"""Lowest accepted score of a page in each category of Lighthouse."""
RATINGS = 3
"""Number of times that Lighthouse rates a page. The best counts, since other work of the machine only lowers scores."""
LIGHTHOUSE = Path(__file__).parent / "lighthouse" / "node_modules" / ".bin" / "lighthouse"


def main(folder: Path) -> int:
    """Audits a portal on the sandbox's cases, and writes screenshots and reports to `folder`. Returns the exit
    status."""
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as made:
        for name in ("gateway", "portal"):
            (Path(made) / name).mkdir()
        with GatewayServer(Path(made) / "gateway") as gateway:
            sandbox = {"sandbox_url": gateway.url, "sandbox_token": token()}
            with PortalServer(Path(made) / "portal", gateway.url, **sandbox) as portal:
                faults = [*_examined(portal, folder), *_rated(portal, folder)]
    print("\n".join(faults) or "Every page reaches the goals", f"{time.monotonic() - begun:.0f} s", sep="\n")
    return bool(faults)


def _examined(portal: PortalServer, folder: Path) -> Iterator[str]:
    """Opens every page once and examines it on each of `SCREENS`. Yields each fault with the pages that have it."""
    paths = sorted({*Site(portal.get).html, *TEMPLATES.values()})
    print(f"{len(paths)} pages, each on {', '.join(map(str, SCREENS))}", flush=True)
    shares = [paths[first::TABS] for first in range(TABS)]
    seen: dict[str, list[str]] = {}
    with ThreadPoolExecutor(TABS) as threads:
        for path, fault in chain.from_iterable(threads.map(partial(_faults, portal.url, folder), shares)):
            seen.setdefault(fault, []).append(path)
    for fault, pages in seen.items():
        yield f"{fault}: {len(pages)} pages, such as {pages[0]}" if len(pages) > 1 else f"{fault}: {pages[0]}"


def _faults(url: str, folder: Path, paths: Sequence[str]) -> list[tuple[str, str]]:
    """Examines pages in a browser of its own, one after another. Returns each page that has a fault, with the fault."""
    with sync_playwright() as playwright:
        browser = launched(playwright)
        tab = Tab(browser)
        found = [(path, fault) for path in paths for fault in _faults_of(tab, url, path, folder)]
        browser.close()
    return found


def _faults_of(tab: Tab, url: str, path: str, folder: Path) -> Iterator[str]:
    tab.show(SCREENS[0])
    tab.open(f"{url}{path}")
    yield from (f"asks for {address}" for address in tab.requests_beyond(url))
    names = [name for name, one in TEMPLATES.items() if one == path]
    seen: dict[str, list[str]] = {}
    for screen in SCREENS:
        tab.show(screen)
        violations = [] if path.startswith(THIRD_PARTY) else tab.violations()
        for fault in dict.fromkeys([*violations, *(["scrolls sideways"] if tab.is_too_wide else [])]):
            seen.setdefault(fault, []).append(str(screen))
        for name in names:
            tab.page.screenshot(path=folder / f"{file_name(name)}-{screen}.png", full_page=True)
    yield from (f"{fault} ({', '.join(screens)})" for fault, screens in seen.items())


def file_name(template: str) -> str:
    return re.sub("[^a-z]+", "-", template)


def _rated(portal: PortalServer, folder: Path) -> Iterator[str]:
    """Rates a page for each template of `RATED`. Yields each score below its goal."""
    for name in RATED:
        path = TEMPLATES[name]
        reports = (folder / f"lighthouse-{name}-{number}.json" for number in range(RATINGS))
        ratings = [rating for report in reports if (rating := _rating(f"{portal.url}{path}", report))]
        scores = {category: max((one[category] for one in ratings), default=0) for category in GOALS}
        print(f"{path}: {', '.join(f'{category} {score}' for category, score in scores.items())}", flush=True)
        yield from (
            f"{path}: {category} {score} of {GOALS[category]}"
            for category, score in scores.items()
            if score < GOALS[category]
        )


def _rating(url: str, report: Path) -> dict[str, int]:
    """Returns a page's score of 100 in each category of Lighthouse, and writes the whole report to `report`. Returns no
    score if Lighthouse fails, as it does now and then on a busy machine."""
    flags = "--headless=new --no-sandbox --disable-gpu --disable-background-networking --disable-component-update"
    command = [
        str(LIGHTHOUSE), url, "--quiet", "--output=json", f"--output-path={report}",
        f"--only-categories={','.join(GOALS)}", f"--chrome-flags={flags}",
    ]  # fmt: skip
    if subprocess.run(command, env=os.environ | {"CHROME_PATH": str(CHROMIUM)}).returncode:
        return {}
    categories = json.loads(report.read_text(encoding="utf-8"))["categories"]
    return {category: round(100 * (categories[category]["score"] or 0)) for category in GOALS}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
