"""Tests of the page of states: what it shows while the gateway answers, when it is away, and after a restart."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tests.portal.servers import GatewayServer, Page, PortalServer
from tests.support.waiting import TEST_TIMEOUT_S


def once(portal: PortalServer, shows: Callable[[Page], bool]) -> Page:
    """Reloads the page of states until `shows` accepts it, for `TEST_TIMEOUT_S` seconds at most. Returns the last
    version loaded."""
    ends = time.monotonic() + TEST_TIMEOUT_S
    while not shows(page := portal.get("/etat")) and time.monotonic() < ends:
        time.sleep(0.2)
    return page


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_each_monitored_api_has_a_state_in_words(portal: PortalServer) -> None:
    page = once(portal, lambda page: "Relevé du" in page.words)
    assert page.status == 200
    assert "cnaf_msa_quotient_familial" in page.words
    assert "Disponible" in page.words or "État inconnu" in page.words


def test_states_are_shown_with_their_time_while_the_gateway_is_away(tmp_path: Path) -> None:
    gateway = GatewayServer(folder(tmp_path / "gateway"))
    database_url = f"sqlite:///{tmp_path}/portal.db"
    with gateway:
        first = PortalServer(folder(tmp_path / "first"), gateway.url, database_url=database_url)
        with first:
            once(first, lambda page: "Relevé du" in page.words)
            gateway.stop()
            page = once(first, lambda page: "dernier relevé" in page.words)
    with PortalServer(folder(tmp_path / "next"), gateway.url, database_url=database_url) as restarted:
        shown = [page, restarted.get("/etat")]
    assert [(one.status, "dernier relevé" in one.words) for one in shown] == [(200, True), (200, True)]
    assert all("cnaf_msa_quotient_familial" in one.words for one in shown)


def test_a_portal_that_never_reached_its_gateway_says_so(tmp_path: Path) -> None:
    with PortalServer(tmp_path, "http://127.0.0.1:9") as portal:
        page = portal.get("/etat")
        assert (page.status, "Aucun état n" in page.words) == (200, True)
