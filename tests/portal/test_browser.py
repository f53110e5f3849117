"""Tests of pages in Chromium: axe finds no accessibility error, pages fit the screen's width, and the browser sends
requests to no other site."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

from tests.portal.servers import PortalServer

CHROMIUM = shutil.which("chromium")
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
IS_THERE = bool(CHROMIUM) and AXE.is_file()
IS_REQUIRED = bool({"CI", "BOUQUET_REQUIRE_SERVICES"} & os.environ.keys())

pytestmark = pytest.mark.skipif(
    not IS_THERE and not IS_REQUIRED, reason="needs chromium (scripts/install_services.sh) and npm (make typescript)"
)

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
QUOTIENT = "api_particulier_v3_cnav_quotient_familial_with_civility"
TEMPLATES = {
    "home": "/",
    "catalogue": "/catalogue",
    "no result": "/catalogue?q=zygomatique",
    "fiche": "/catalogue/cnav/quotient_familial",
    "fiche to come": "/catalogue/cnav/foyer_rsa",
    "example": "/catalogue/cnav/quotient_familial/exemple?choix=1&avec=cnaf_adresse",
    "use cases": "/cas_usages",
    "use case": "/cas_usages/ccas",
    "guide": "/developpeurs",
    "people": "/developpeurs/bac-a-sable",
    "person": "/developpeurs/bac-a-sable/personnes/maelys-le-gouadec",
    "situations": "/developpeurs/bac-a-sable/situations?q=boursier",
    "case": f"/developpeurs/bac-a-sable/cas/{QUOTIENT}/200_maelys",
    "console": f"/developpeurs/bac-a-sable/essayer/{QUOTIENT}?cas=200_maelys",
    "console by session": f"/developpeurs/bac-a-sable/essayer/{QUOTIENT.replace('civility', 'france_connect')}",
    "proposal": f"/developpeurs/bac-a-sable/proposer?operation={QUOTIENT}",
    "errors of the sandbox": "/developpeurs/bac-a-sable/erreurs",
    "errors": "/developpeurs/erreurs?fournisseur=26",
    "error": "/developpeurs/erreurs/26015",
    "versions": "/developpeurs/versions",
    "version changes": "/developpeurs/versions/cnav/quotient_familial",
    "faq": "/faq?q=jeton",
    "changes": "/nouveautes",
    "eligibility": "/eligibilite?profil=entreprise-ou-particulier",
    "legal": "/accessibilite",
    "site map": "/plan-du-site",
    "missing": "/nothing-here",
}
"""Address of one page for each template."""

SCREENS: tuple[tuple[int, Literal["light", "dark"]], ...] = ((1280, "light"), (320, "dark"))
"""Widths in pixels and colour schemes in which a page of each template is examined."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


class Visit:
    """A page opened in a new browser context, with the URLs that it requested and the messages and errors in its
    console."""

    def __init__(self, browser: Browser, url: str, *, width: int, theme: Literal["light", "dark"]) -> None:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme)
        context.set_default_timeout(120_000)
        self.page: Page = context.new_page()
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", self._note)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(url)

    def _note(self, request: Request) -> None:
        self.requested.append(request.url)

    def violations(self) -> list[str]:
        """Returns the accessibility errors that axe finds, each as the rule's name and the HTML of the element."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        options = {"runOnly": {"type": "tag", "values": TAGS}, "rules": {"target-size": {"enabled": True}}}
        found: Any = self.page.evaluate("options => axe.run(document, options)", options)
        return [f"{one['id']}: {node['html'][:150]}" for one in found["violations"] for node in one["nodes"]]

    @property
    def is_too_wide(self) -> bool:
        """Whether the page scrolls sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))

    def close(self) -> None:
        self.page.context.close()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_page_of_each_template_is_accessible_and_asks_for_nothing_beyond_the_site(
    browser: Browser, portal: PortalServer, name: str
) -> None:
    for width, theme in SCREENS:
        visit = Visit(browser, f"{portal.url}{TEMPLATES[name]}", width=width, theme=theme)
        assert [url for url in visit.requested if not url.startswith((portal.url, "data:"))] == []
        assert [text for text in visit.complaints if name != "missing" or "404" not in text] == []
        assert not visit.is_too_wide, width
        assert visit.violations() == [], (width, theme)
        visit.close()


def test_a_call_can_be_copied(browser: Browser, portal: PortalServer) -> None:
    visit = Visit(browser, f"{portal.url}{TEMPLATES['fiche']}", width=1280, theme="light")
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.page.get_by_role("button", name="Copier").first.click()
    visit.page.get_by_role("button", name="Copié").wait_for()
    assert visit.page.evaluate("navigator.clipboard.readText()").startswith("curl -sG ")
    visit.close()


def test_the_keyboard_reaches_a_fiche_from_the_home_page(browser: Browser, portal: PortalServer) -> None:
    visit = Visit(browser, portal.url, width=1280, theme="light")
    page = visit.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("quotient familial")
    page.keyboard.press("Enter")
    page.wait_for_url("**/catalogue?q=*")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Quotient familial CAF et MSA":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/catalogue/cnav/quotient_familial")
    visit.close()


def test_pages_need_no_javascript(browser: Browser, portal: PortalServer) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(portal.url)
    page.fill("#q", "bourse")
    page.click("button:has-text('Chercher')")
    page.locator("h3", has_text="Statut étudiant boursier").wait_for()
    context.close()
