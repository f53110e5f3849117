"""Attack: someone copies the broker's disk. It must not contain names of people asked about, even while all workers
hang."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from bouquet_proto.identity import Identite
from bouquet_proto.messages import Failed, Reply
from tests.support.broker_users import restricted_vhost
from tests.support.bus import PROVIDER, BlockedHandler, connected_bus, lookup_request, serving
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S, until

pytestmark = pytest.mark.broker

REQUESTS = 60


def is_on_disk(node: RabbitNode, marker: str) -> bool:
    for path in (node.folder / "data").rglob("*"):
        try:
            if path.is_file() and marker.encode() in path.read_bytes():
                return True
        except FileNotFoundError:  # the broker has just deleted it
            continue
    return False


@asynccontextmanager
async def hung_workers_asked(gateway: str, worker: str, marker: str) -> AsyncIterator[list[asyncio.Task[Reply]]]:
    """Makes calls to a worker that hangs until the end of the context, and yields their tasks. The names of the people
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
        try:
            yield calls
        finally:
            handler.release.set()
            await asyncio.gather(*calls)


async def test_a_broker_whose_workers_hang_has_no_name_on_its_disk(rabbitmq4: RabbitNode, tmp_path: Path) -> None:
    """Tests that the limit of the shipped definitions keeps names off the disk. Later calls in a vhost without it show
    that the broker has had enough time to write names, and that `is_on_disk` finds them."""
    vhost, without_limit = restricted_vhost(rabbitmq4, tmp_path, PROVIDER), rabbitmq4.vhost()
    marker, other = secrets.token_hex(8), secrets.token_hex(8)
    async with hung_workers_asked(vhost.url("gateway"), vhost.url(PROVIDER), marker) as calls:
        await until(lambda: any(call.done() for call in calls))
        assert next(call.result() for call in calls if call.done()) == Failed("provider_busy")
        async with hung_workers_asked(without_limit, without_limit, other), asyncio.timeout(TEST_TIMEOUT_S):
            while not await asyncio.to_thread(is_on_disk, rabbitmq4, other):  # noqa: ASYNC110 - the broker's disk
                await asyncio.sleep(0.2)
            assert not await asyncio.to_thread(is_on_disk, rabbitmq4, marker)
