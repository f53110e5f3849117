"""Tests that each main journey can be made by keyboard alone: Tab reaches what the journey needs in the order of the
page, with a visible focus, and after a form has been sent the focus is where its answer begins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.portal.browser import IS_REQUIRED, IS_THERE, TEMPLATES, Tab
from tests.portal.servers import PortalServer

pytestmark = pytest.mark.skipif(
    not IS_THERE and not IS_REQUIRED, reason="needs chromium (scripts/install_services.sh) and npm (make typescript)"
)

MAX_STEPS = 120
"""Largest number of times that a person presses Tab to get from one step of a journey to the next."""
FOCUSED = """() => {
    const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
    return {
        name: (one.labels?.[0] || one).textContent.trim().replace(/\\s+/g, " ") || one.name || one.id,
        outline_px: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
        isOnScreen: box.bottom > 0 && box.top < innerHeight && box.width > 0,
        at: Array.from(document.querySelectorAll("*")).indexOf(one),
    };
}"""


class Keyboard:
    """Keyboard of a person who looks at a page and has no mouse."""

    def __init__(self, page: Page, site: str) -> None:
        self.page = page
        self._site = site

    def open(self, path: str) -> None:
        self.page.goto(f"{self._site}{path}")

    def reach(self, name: str) -> None:
        """Presses Tab until the element whose text or label begins with a name has the focus."""
        passed: list[dict[str, Any]] = []
        while not passed or not passed[-1]["name"].startswith(name):
            assert len(passed) < MAX_STEPS, (name, [one["name"][:30] for one in passed])
            self.page.keyboard.press("Tab")
            passed.append(self.page.evaluate(FOCUSED))
        assert [one["name"] for one in passed if one["outline_px"] < 2 or not one["isOnScreen"]] == []
        assert [one["at"] for one in passed] == sorted(one["at"] for one in passed), [one["name"] for one in passed]

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def write(self, text: str) -> None:
        self.page.keyboard.type(text)

    def waits_for(self, selector: str) -> None:
        """Waits until the element that matches a selector has the focus."""
        self.page.locator(f"{selector}:focus").wait_for()


def find_and_read_a_fiche(keyboard: Keyboard) -> None:
    keyboard.open("/")
    keyboard.reach("Aller au contenu")
    keyboard.press("Enter")
    keyboard.reach("Chercher une donnée")
    keyboard.write("quotient familial")
    keyboard.press("Enter")
    keyboard.page.wait_for_url("**/catalogue?q=*")
    keyboard.reach("Quotient familial CAF et MSA")
    keyboard.press("Enter")
    keyboard.page.wait_for_url("**/catalogue/cnav/quotient_familial")
    keyboard.reach("FranceConnect – avec")
    keyboard.press("Enter")
    keyboard.page.locator("details[open] > summary", has_text="FranceConnect").wait_for()


def try_a_call_and_copy_it(keyboard: Keyboard) -> None:
    keyboard.open(TEMPLATES["console"])
    keyboard.reach("Nom de naissance")
    keyboard.write("le gouadec")
    keyboard.reach("cnaf_adresse")
    keyboard.press("Space")
    keyboard.reach("Appeler le bac à sable")
    keyboard.press("Enter")
    keyboard.waits_for("#resultat")
    assert "il faut cnaf_adresse" in keyboard.page.locator("#resultat").inner_text()
    keyboard.reach("Copier")
    keyboard.reach("curl")
    keyboard.reach("Copier")
    keyboard.press("Enter")
    keyboard.page.get_by_role("button", name="Copié").wait_for()
    assert "curl --silent" in keyboard.page.evaluate("navigator.clipboard.readText()")


def mend_a_refused_parameter(keyboard: Keyboard) -> None:
    keyboard.open(TEMPLATES["console"])
    keyboard.reach("Nom de naissance")
    keyboard.press("Control+a", "Delete", "Enter")
    keyboard.waits_for(".alert#resultat")
    keyboard.reach("Le nom de naissance est manquant")
    keyboard.press("Enter")
    keyboard.waits_for("#p-nomNaissance[aria-invalid]")


def learn_whether_one_is_eligible(keyboard: Keyboard) -> None:
    keyboard.open("/eligibilite")
    keyboard.reach("Administration")
    keyboard.press("ArrowDown")
    keyboard.reach("Voir la réponse")
    keyboard.press("Enter")
    keyboard.waits_for("#reponse")


def ask_to_be_listed_as_an_editor(keyboard: Keyboard) -> None:
    keyboard.open("/editeurs/referencement")
    keyboard.reach("Envoyer la demande")
    keyboard.press("Enter")
    keyboard.waits_for("#erreurs")
    keyboard.press("Tab", "Enter")
    keyboard.waits_for("[name=name][aria-invalid]")


def learn_what_an_error_means(keyboard: Keyboard) -> None:
    keyboard.open("/developpeurs/erreurs?fournisseur=35")
    keyboard.reach("35003")
    keyboard.press("Enter")
    keyboard.page.get_by_role("heading", name="Que faire").wait_for()


def look_at_the_state(keyboard: Keyboard) -> None:
    keyboard.open("/")
    keyboard.reach("État du service")
    keyboard.press("Enter")
    keyboard.page.wait_for_url("**/etat")
    keyboard.reach("Quotient familial CAF et MSA")


def propose_a_case(keyboard: Keyboard) -> None:
    keyboard.open("/developpeurs/bac-a-sable/proposer")
    keyboard.reach("API, et façon")
    keyboard.write("Quotient")
    keyboard.reach("Remplir le formulaire")
    keyboard.press("Enter")
    keyboard.page.get_by_role("heading", name=re.compile("Proposer un cas.*Quotient")).wait_for()
    keyboard.reach("Nom de naissance")
    keyboard.press("Enter")
    keyboard.waits_for("#rapport")
    keyboard.press("Tab", "Enter")
    keyboard.waits_for("[aria-invalid]")


JOURNEYS: tuple[Callable[[Keyboard], None], ...] = (
    find_and_read_a_fiche,
    try_a_call_and_copy_it,
    mend_a_refused_parameter,
    learn_whether_one_is_eligible,
    ask_to_be_listed_as_an_editor,
    learn_what_an_error_means,
    look_at_the_state,
    propose_a_case,
)


@pytest.fixture(scope="module")
def keyboard(browser: Browser, portal: PortalServer) -> Iterator[Keyboard]:
    tab = Tab(browser)
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield Keyboard(tab.page, portal.url)
    tab.close()


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.__name__)
def test_a_journey_is_made_by_keyboard_alone(journey: Callable[[Keyboard], None], keyboard: Keyboard) -> None:
    journey(keyboard)
