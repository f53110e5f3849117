"""Tests of the page of states: what it shows while the gateway answers, and before the gateway ever did."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.portal.servers import Page, PortalServer
from tests.support.waiting import TEST_TIMEOUT_S


def once(portal: PortalServer, shows: Callable[[Page], bool]) -> Page:
    """Reloads the page of states until `shows` accepts it, for `TEST_TIMEOUT_S` seconds at most. Returns the last
    version loaded."""
    ends = time.monotonic() + TEST_TIMEOUT_S
    while not shows(page := portal.get("/etat")) and time.monotonic() < ends:
        time.sleep(0.2)
    return page


def test_each_monitored_api_has_a_state_in_words(portal: PortalServer) -> None:
    page = once(portal, lambda page: "Relevé du" in page.words)
    assert page.status == 200
    assert "cnaf_msa_quotient_familial" in page.words
    assert "Disponible" in page.words or "État inconnu" in page.words


def test_a_portal_that_never_reached_its_gateway_says_so(lonely_portal: PortalServer) -> None:
    page = lonely_portal.get("/etat")
    assert (page.status, "Aucun état n" in page.words) == (200, True)
