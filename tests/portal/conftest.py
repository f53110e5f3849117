"""Fixtures with a browser, a portal, and a gateway that the portal also uses as its sandbox. The servers start once per
test process, the browser once per module: while it is open, no test can run an event loop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.portal.browser import launched
from tests.portal.servers import GatewayServer, PortalServer
from tests.support.daemon import free_port
from tests.support.sandbox_gateway import token


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayServer]:
    with GatewayServer(tmp_path_factory.mktemp("gateway")) as server:
        yield server


@pytest.fixture(scope="session")
def portal(gateway: GatewayServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalServer]:
    folder = tmp_path_factory.mktemp("portal")
    with PortalServer(folder, gateway.url, sandbox_url=gateway.url, sandbox_token=token()) as server:
        yield server


@pytest.fixture(scope="session")
def lonely_portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalServer]:
    """Portal whose gateway and sandbox have never answered."""
    folder = tmp_path_factory.mktemp("lonely")
    away = f"http://127.0.0.1:{free_port()}"
    with PortalServer(folder, away, sandbox_url=away, sandbox_token=token()) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = launched(playwright)
        yield started
        started.close()
