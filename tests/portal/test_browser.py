"""Tests of pages in Chromium: axe finds no accessibility error, pages fit the screen's width, and the browser sends
requests to no other site."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ViewportSize

from tests.portal.browser import DESKTOP, IS_REQUIRED, IS_THERE, PHONE, SCREENS, TEMPLATES, Tab
from tests.portal.servers import PortalServer

pytestmark = pytest.mark.skipif(
    not IS_THERE and not IS_REQUIRED, reason="needs chromium (scripts/install_services.sh) and npm (make typescript)"
)


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


CUT = """() => {
    const within = one => `${one.tagName}.${one.className} ${one.textContent.trim().slice(0, 40)}`;
    const cut = Array.from(document.querySelectorAll("main *")).filter(one => {
        const hides = getComputedStyle(one).overflowX !== "visible" && !one.closest(".hidden");
        return hides && (one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1);
    });
    const folded = Array.from(document.querySelectorAll("main details > :not(summary)")).filter(
        one => one.getClientRects().length && !one.checkVisibility({contentVisibilityAuto: true})
    );
    return [...cut, ...folded].map(within);
}"""
"""JavaScript function that returns the elements of a page that scroll, and those that a closed `details` hides."""
A4: ViewportSize = {"width": 718, "height": 1000}
"""Size, in pixels, of the text on a sheet of paper with margins of 1 cm."""


@pytest.mark.parametrize("name", ["fiche", "guide", "error", "operation", "use case"])
def test_a_printed_page_is_the_text_alone_and_whole(tab: Tab, portal: PortalServer, name: str) -> None:
    tab.show(PHONE)
    tab.open(f"{portal.url}{TEMPLATES[name]}")
    tab.page.set_viewport_size(A4)
    tab.page.emulate_media(media="print")
    assert tab.page.evaluate(CUT) == []
    assert not tab.is_too_wide
    assert tab.page.locator("nav, .skip, .copy, .search").locator("visible=true").count() == 0
    assert tab.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.page.get_by_text(f"{portal.url}{TEMPLATES[name]}", exact=True).is_visible()
    tab.page.emulate_media(media="screen")


def test_a_printed_link_shows_its_address(tab: Tab, portal: PortalServer) -> None:
    tab.show(DESKTOP)
    tab.open(f"{portal.url}{TEMPLATES['guide']}")
    tab.page.emulate_media(media="print")
    link = tab.page.locator(".guide section > p a[href^='/']").first
    shown = link.evaluate("one => getComputedStyle(one, '::after').content")
    assert str(link.get_attribute("href")) in shown
    tab.page.emulate_media(media="screen")


def test_the_guide_begins_on_the_first_screen_of_a_phone(tab: Tab, portal: PortalServer) -> None:
    tab.show(PHONE)
    tab.open(f"{portal.url}{TEMPLATES['guide']}")
    first = tab.page.locator(".guide h2").first
    assert first.evaluate("one => one.getBoundingClientRect().top < innerHeight")
    tab.page.locator("summary", has_text="Sur cette page").click()
    tab.page.get_by_role("link", name="Authentification").first.click()
    tab.page.wait_for_url("**#authentification")
