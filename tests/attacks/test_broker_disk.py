"""Attack: someone copies the broker's disk. It must not contain names of people asked about, even while all workers
hang."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest
from msgspec.structs import replace

from bouquet_proto.identity import Identite
from bouquet_proto.messages import Failed, Reply
from tests.support.broker_users import restricted_vhost
from tests.support.bus import PROVIDER, BlockedHandler, connected_bus, lookup_request, serving
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S

pytestmark = pytest.mark.broker

REQUESTS = 60
WRITTEN_WITHIN_S = 4.0
"""Seconds that a test waits before it searches the broker's disk. In trials, RabbitMQ 4 wrote waiting requests to disk
after 2 to 3 s."""


def is_on_disk(node: RabbitNode, marker: str) -> bool:
    for path in (node.folder / "data").rglob("*"):
        try:
            if path.is_file() and marker.encode() in path.read_bytes():
                return True
        except FileNotFoundError:  # the broker has just deleted it
            continue
    return False


async def ask_hung_workers(gateway: str, worker: str, marker: str, look: asyncio.Event) -> list[Reply]:
    """Makes calls to a worker that hangs until the test sets `look`, and returns the replies. The names of the people
    asked about all begin with `marker`."""
    handler = BlockedHandler()
    async with (
        connected_bus(gateway) as caller,
        connected_bus(worker) as serving_bus,
        serving(serving_bus, handler, concurrency=4),
    ):
        asked = [
            replace(lookup_request(f"{n}"), identity=Identite(nom_naissance=f"{marker}-{n}")) for n in range(REQUESTS)
        ]
        calls = [asyncio.create_task(caller.call(PROVIDER, request)) for request in asked]
        await look.wait()
        handler.release.set()
        return list(await asyncio.gather(*calls))


async def test_a_broker_whose_workers_hang_has_no_name_on_its_disk(rabbitmq4: RabbitNode, tmp_path: Path) -> None:
    vhost, marker, look = restricted_vhost(rabbitmq4, tmp_path, PROVIDER), secrets.token_hex(8), asyncio.Event()
    asking = asyncio.create_task(ask_hung_workers(vhost.url("gateway"), vhost.url(PROVIDER), marker, look))
    try:
        for _ in range(8):
            await asyncio.sleep(WRITTEN_WITHIN_S / 4)
            assert not await asyncio.to_thread(is_on_disk, rabbitmq4, marker)
    finally:
        look.set()
        replies = await asking
    assert Failed("provider_busy") in replies


async def test_without_the_bound_of_the_definitions_names_would_be_on_its_disk(rabbitmq4: RabbitNode) -> None:
    """Tests that `is_on_disk` finds people's names when the vhost lacks the limit that the shipped definitions set.
    This shows that the function searches the right files."""
    url, marker, look = rabbitmq4.vhost(), secrets.token_hex(8), asyncio.Event()
    asking = asyncio.create_task(ask_hung_workers(url, url, marker, look))
    try:
        async with asyncio.timeout(TEST_TIMEOUT_S):
            while not await asyncio.to_thread(is_on_disk, rabbitmq4, marker):  # noqa: ASYNC110 - the broker's disk
                await asyncio.sleep(0.2)
    finally:
        look.set()
        await asking
