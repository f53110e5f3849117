"""Test of the journey for which the portal exists, in a browser and on the demo: find an API, read about it, try it on
invented people, switch a scope off, and repeat the call from a shell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.portal.browser import CHROMIUM, IS_REQUIRED
from tests.support.daemon import free_port
from tests.support.waiting import TEST_TIMEOUT_S

pytestmark = pytest.mark.skipif(not CHROMIUM and not IS_REQUIRED, reason="needs chromium (scripts/install_services.sh)")

DEMO = Path(__file__).parents[2] / "deploy" / "demo" / "demo.py"


@pytest.fixture(scope="module")
def demo_portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the portal of a running demo."""
    log = tmp_path_factory.mktemp("demo") / "log"
    ports = ("--port", str(free_port()), "--portal-port", str(free_port()))
    environ = {name: text for name, text in os.environ.items() if not name.startswith("BOUQUET_")}
    with log.open("w") as output:
        demo = subprocess.Popen([sys.executable, DEMO, *ports], env=environ, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield _portal_of(demo, log)
        finally:
            demo.terminate()
            demo.wait(TEST_TIMEOUT_S)


def _portal_of(demo: subprocess.Popen[bytes], log: Path) -> str:
    """Returns the portal's address that a demo prints, once the demo is ready."""
    ends = time.monotonic() + TEST_TIMEOUT_S
    while time.monotonic() < ends and demo.poll() is None:
        printed = log.read_text(encoding="utf-8")
        if re.search(r"^READY ", printed, re.MULTILINE):
            [address] = re.findall(r"^PORTAL (http://\S+)$", printed, re.MULTILINE)
            return str(address)
        time.sleep(0.2)
    raise RuntimeError(f"the demo is not ready: {log.read_text(encoding='utf-8')[-2000:]}")


@pytest.fixture
def page(browser: Browser, demo_portal: str) -> Iterator[Page]:
    opened = browser.new_page()
    opened.set_default_timeout(TEST_TIMEOUT_S * 1000)
    opened.goto(demo_portal)
    yield opened
    opened.close()


def reloaded_until(page: Page, link: str) -> None:
    """Reloads a page until it has a link: a portal that has just started may not have read the sandbox's cases yet."""
    ends = time.monotonic() + TEST_TIMEOUT_S
    while not page.get_by_role("link", name=link).count() and time.monotonic() < ends:
        time.sleep(0.5)
        page.reload()


def answer_shown(page: Page) -> Any:
    """Calls the sandbox from the console, and returns the body that the page shows."""
    page.get_by_role("button", name="Appeler le bac à sable").click()
    page.get_by_role("heading", name="Réponse : 200").wait_for()
    return json.loads(page.locator("#corps code").inner_text())


def curl_shown(page: Page) -> str:
    return page.locator("#copie-curl code").inner_text()


@pytest.mark.slow
def test_an_integrator_finds_tries_and_repeats_a_call(page: Page) -> None:
    page.get_by_role("searchbox", name="Chercher une donnée").fill("quotient familial")
    page.get_by_role("button", name="Chercher").click()
    page.get_by_role("link", name="Quotient familial CAF et MSA").first.click()
    page.get_by_role("heading", name="Périmètre").wait_for()
    reloaded_until(page, "Essayer dans le bac à sable")
    page.get_by_role("link", name="Essayer dans le bac à sable").click()

    page.get_by_role("link", name=re.compile("Rémi.*MSA")).click()
    assert answer_shown(page)["data"]["quotient_familial"]["fournisseur"] == "MSA"
    page.get_by_role("link", name=re.compile("Maëlys.*CAF")).first.click()
    whole = answer_shown(page)["data"]
    assert whole["quotient_familial"]["fournisseur"] == "CNAF"

    page.get_by_label("cnaf_adresse").uncheck()
    closed = answer_shown(page)
    assert closed["data"].keys() == whole.keys() - {"adresse"}
    assert "il faut cnaf_adresse" in page.locator("#resultat").inner_text()

    shell = ("sh", "-c", curl_shown(page))
    done = subprocess.run(shell, check=True, stdout=subprocess.PIPE, timeout=TEST_TIMEOUT_S)
    assert json.loads(done.stdout)["data"] == closed["data"]
