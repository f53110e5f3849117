"""Tests of pages in Chromium: axe finds no accessibility error, pages fit the screen's width, and the browser sends
requests to no other site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.portal.browser import DESKTOP, IS_REQUIRED, IS_THERE, SCREENS, TEMPLATES, Tab, launched
from tests.portal.servers import PortalServer

pytestmark = pytest.mark.skipif(
    not IS_THERE and not IS_REQUIRED, reason="needs chromium (scripts/install_services.sh) and npm (make typescript)"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = launched(playwright)
        yield started
        started.close()


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Tab]:
    opened = Tab(browser)
    yield opened
    opened.close()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_page_of_each_template_is_accessible_and_asks_for_nothing_beyond_the_site(
    tab: Tab, portal: PortalServer, name: str
) -> None:
    tab.show(DESKTOP)
    tab.open(f"{portal.url}{TEMPLATES[name]}")
    assert tab.requests_beyond(portal.url) == []
    assert [text for text in tab.complaints if name != "missing" or "404" not in text] == []
    for screen in SCREENS:
        tab.show(screen)
        assert not tab.is_too_wide, screen
        assert tab.violations() == [], screen


def test_a_call_can_be_copied(browser: Browser, portal: PortalServer) -> None:
    tab = Tab(browser)
    tab.open(f"{portal.url}{TEMPLATES['fiche']}")
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.page.get_by_role("button", name="Copier").first.click()
    tab.page.get_by_role("button", name="Copié").wait_for()
    assert tab.page.evaluate("navigator.clipboard.readText()").startswith("curl -sG ")
    tab.close()


def test_the_keyboard_reaches_a_fiche_from_the_home_page(browser: Browser, portal: PortalServer) -> None:
    tab = Tab(browser)
    tab.open(portal.url)
    page = tab.page
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
    tab.close()


def test_pages_need_no_javascript(browser: Browser, portal: PortalServer) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(portal.url)
    page.fill("#q", "bourse")
    page.click("button:has-text('Chercher')")
    page.locator("h3", has_text="Statut étudiant boursier").wait_for()
    context.close()


def test_swagger_ui_shows_the_operations_within_the_sites_policy(browser: Browser, portal: PortalServer) -> None:
    tab = Tab(browser)
    tab.open(f"{portal.url}/developpeurs/openapi/swagger-ui/v3")
    tab.page.get_by_text("/v3/dss/quotient_familial/identite").first.click()
    tab.page.get_by_text("codeCogInseeCommuneNaissance").first.wait_for()
    assert not tab.page.get_by_role("button", name="Authorize").is_visible()
    assert tab.requests_beyond(portal.url) == []
    assert tab.complaints == []
    for screen in SCREENS:
        tab.show(screen)
        assert not tab.is_too_wide, screen
    tab.close()


FOCUSED = """() => {
    const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
    return {
        name: one.name || one.id || one.textContent.trim(),
        kind: one.type || one.tagName.toLowerCase(),
        outline_px: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
        isOnScreen: box.bottom > 0 && box.top < innerHeight && box.width > 0,
        at: Array.from(document.querySelectorAll("*")).indexOf(one),
    };
}"""


def walked_to(page: Page, kind: str, name: str) -> list[dict[str, Any]]:
    """Presses Tab until the element of this kind and name has the focus. Returns the elements that had the focus on
    the way."""
    passed: list[dict[str, Any]] = []
    while not passed or (passed[-1]["kind"], passed[-1]["name"]) != (kind, name):
        page.keyboard.press("Tab")
        passed.append(page.evaluate(FOCUSED))
        assert len(passed) < 200, [one["name"] for one in passed]
    return passed


def test_the_console_is_used_by_keyboard_alone(browser: Browser, portal: PortalServer) -> None:
    tab = Tab(browser)
    tab.open(f"{portal.url}{TEMPLATES['console']}")
    page = tab.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    passed = walked_to(page, "text", "nomNaissance")
    page.keyboard.type("le gouadec")
    passed += walked_to(page, "checkbox", "scope")
    page.keyboard.press("Space")
    assert not page.evaluate("document.activeElement.checked")
    closed = page.evaluate("document.activeElement.value")
    passed += walked_to(page, "submit", "Appeler le bac à sable")
    assert [one["name"] for one in passed if one["outline_px"] < 2 or not one["isOnScreen"]] == []
    assert [one["at"] for one in passed] == sorted(one["at"] for one in passed)

    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Réponse : 200").wait_for()
    assert page.get_by_label(closed).is_checked() is False
    assert f"il faut {closed}" in page.locator("#resultat").inner_text()
    walked_to(page, "button", "Copier")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Copié").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").startswith("{")
    tab.close()


def test_nothing_moves_for_those_who_prefer_so(browser: Browser, portal: PortalServer) -> None:
    moving = """() => [document.documentElement, ...document.querySelectorAll("*")].filter(one => {
        const style = getComputedStyle(one);
        return style.scrollBehavior === "smooth" || style.animationName !== "none"
            || style.transitionDuration.split(",").some(one => parseFloat(one) > 0);
    }).map(one => one.outerHTML.slice(0, 80))"""
    tab = Tab(browser)
    for name in ("home", "catalogue", "console"):
        tab.open(f"{portal.url}{TEMPLATES[name]}")
        assert tab.page.evaluate(moving) == []
    tab.page.emulate_media(reduced_motion="no-preference")
    assert tab.page.evaluate(moving) != []
    tab.close()
