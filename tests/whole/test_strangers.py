"""Tests that every port of every process refuses malformed and compressed requests in the same way."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.daemon import ports_in_a_row
from tests.support.gateway import HOST
from tests.support.processes import process_mesh, running_command

pytestmark = pytest.mark.broker

PATIENCE_S = 30.0
MAX_CONNECTIONS = 20
HALF = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
WHOLE = HALF + b"\r\n"
LAST = HALF + b"Connection: close\r\n\r\n"


def said(port: int, raw: bytes) -> bytes:
    """Sends raw bytes to a port and returns all that it answers until it closes the connection."""
    heard = b""
    with socket.create_connection((HOST, port), timeout=PATIENCE_S) as client:
        client.sendall(raw)
        while piece := client.recv(65_536):
            heard += piece
    return heard


@pytest.fixture
async def ports(broker_url: str, tmp_path: Path) -> AsyncIterator[dict[str, int]]:
    """Yields the ports, by name, of running processes: two of a gateway, a worker, the registry and the journal's
    writer."""
    limits = {"BOUQUET_HTTP_HEAD_S": "0.5", "BOUQUET_HTTP_MAX_CONNECTIONS": str(MAX_CONNECTIONS)}
    registry = {
        "BOUQUET_BUS_URL": broker_url,
        "BOUQUET_REGISTRY_DATABASE_URL": f"sqlite:///{tmp_path}/registry.db",
        "BOUQUET_REGISTRY_PORT": "0",
        **limits,
    }
    async with process_mesh(broker_url, **limits) as system, AsyncExitStack() as stack:
        worker = await system.worker("cnaf")
        first = ports_in_a_row(3)
        gateway, _ = await system.gateway(processes=2, port=first)
        await gateway.until_logged("gateway started", times=2, within_s=60)
        found = {"gateway": first, "gateway 1": first + 1, "gateway 2": first + 2}
        found["worker"] = urlsplit(worker.logged("worker started")[0]["health_url"]).port or 0
        serve = await stack.enter_async_context(running_command(registry, "bouquet-registry", "serve"))
        found["registry"] = (await serve.until_logged("registry started"))["port"]
        journal = await stack.enter_async_context(running_command(registry, "bouquet-registry", "journal", "serve"))
        found["journal"] = (await journal.until_logged("journal started"))["port"]
        yield found


async def test_a_compressed_body_is_refused_at_every_port(ports: dict[str, int]) -> None:
    raw = b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
    for name, port in ports.items():
        heard = await asyncio.to_thread(said, port, raw)
        assert (heard.split()[1], heard.count(b'"code":"00495"')) == (b"415", 1), name


async def test_an_incomplete_request_head_is_cut_off_at_every_port(ports: dict[str, int]) -> None:
    for name, port in ports.items():
        assert await asyncio.to_thread(said, port, HALF) == b"", name
        assert (await asyncio.to_thread(said, port, WHOLE + HALF)).count(b"200 OK") == 1, name
    for name, port in ports.items():
        if name != "gateway":  # whose metrics are at the ports of its processes
            metrics = (await asyncio.to_thread(said, port, LAST.replace(b"livez", b"metrics", 1))).decode()
            [count] = re.findall(r'bouquet_http_connections_closed_total\{reason="head"\} (\S+)', metrics)
            assert float(count) >= 2.0, name


async def test_silent_connections_stop_no_probe_at_any_port(ports: dict[str, int]) -> None:
    for name, port in ports.items():
        with ExitStack() as stack:
            for _ in range(5 * MAX_CONNECTIONS):
                stack.enter_context(socket.create_connection((HOST, port), timeout=PATIENCE_S))
            assert b"200 OK" in await asyncio.to_thread(said, port, LAST), name
