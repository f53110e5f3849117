"""A portal beside a gateway, once for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.portal.servers import GatewayServer, PortalServer


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayServer]:
    with GatewayServer(tmp_path_factory.mktemp("gateway")) as server:
        yield server


@pytest.fixture(scope="session")
def portal(gateway: GatewayServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalServer]:
    with PortalServer(tmp_path_factory.mktemp("portal"), gateway.url) as server:
        yield server
