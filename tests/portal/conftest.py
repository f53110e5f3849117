"""Fixtures with a portal and a gateway, which the portal also uses as its sandbox. Both start once per test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.portal.servers import GatewayServer, PortalServer
from tests.sandbox.gateway import token


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayServer]:
    with GatewayServer(tmp_path_factory.mktemp("gateway")) as server:
        yield server


@pytest.fixture(scope="session")
def portal(gateway: GatewayServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalServer]:
    folder = tmp_path_factory.mktemp("portal")
    with PortalServer(folder, gateway.url, sandbox_url=gateway.url, sandbox_token=token()) as server:
        yield server
