"""Tests of faults F25, F29, F30 of docs/faults.md: a broker accepts connections but does not work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import pytest
from aio_pika.abc import AbstractChannel

from bouquet_mesh.amqp import link
from bouquet_mesh.amqp.channel import Channel
from bouquet_mesh.bus.amqp import open_amqp_bus
from bouquet_mesh.observe import logs
from bouquet_proto.messages import Failed
from bouquet_proto.names import REPLY_EXCHANGE
from tests.support.bus import FOUND, PROVIDER, connected_bus, lookup_request, reply_found, serving, until_reply
from tests.support.people import staged_query
from tests.support.processes import process_mesh
from tests.support.rabbitmq import RabbitNode
from tests.support.readiness import readiness, until_readiness_is
from tests.support.waiting import TEST_TIMEOUT_S, until

pytestmark = pytest.mark.broker

AWAY = Failed("bus_unavailable")

Trouble: TypeAlias = Callable[[RabbitNode], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def hung(rabbit: RabbitNode) -> AsyncIterator[None]:
    rabbit.pause()
    try:
        yield
    finally:
        rabbit.resume()


@asynccontextmanager
async def short_of_memory(rabbit: RabbitNode) -> AsyncIterator[None]:
    await rabbit.control("set_vm_memory_high_watermark", "0")
    try:
        yield
    finally:
        await rabbit.control("set_vm_memory_high_watermark", "0.4")


@asynccontextmanager
async def short_of_disk(rabbit: RabbitNode) -> AsyncIterator[None]:
    await rabbit.control("set_disk_free_limit", "1000000GB")
    try:
        yield
    finally:
        await rabbit.control("set_disk_free_limit", "50MB")


@pytest.mark.parametrize("trouble", [short_of_memory, short_of_disk])
async def test_f25_calls_fail_at_once_while_the_broker_blocks_publishers_on_a_kept_connection(
    url: str,
    rabbit: RabbitNode,
    trouble: Trouble,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with connected_bus(url) as bus, serving(bus, reply_found) as consumer:
        await until_reply(bus, FOUND)
        async with trouble(rabbit):
            await until(lambda: not bus.ready and not consumer.consuming)
            assert await bus.call(PROVIDER, lookup_request()) == AWAY
        await until_reply(bus, FOUND)
        assert bus.ready and consumer.consuming
    assert said(caplog, "bouquet_mesh.amqp.link") == ["broker does not respond", "broker responds again"]


async def test_f25_a_broker_short_of_memory_makes_the_mesh_unready_and_calls_fail_at_once(rabbit: RabbitNode) -> None:
    await is_unready_until_healed(rabbit, short_of_memory)


async def test_f30_a_broker_that_hangs_makes_the_mesh_unready_and_calls_fail_at_once(rabbit: RabbitNode) -> None:
    await is_unready_until_healed(rabbit, hung)


async def is_unready_until_healed(rabbit: RabbitNode, trouble: Trouble) -> None:
    async with process_mesh(rabbit.vhost()) as system:
        cnaf, _ = await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
        _, client = await system.gateway(deadline_s=TEST_TIMEOUT_S)
        assert (await client.get(params=staged_query("CAF-FOUND"))).summary == "200 CNAF"
        assert await readiness(client, cnaf) == (200, 200)
        heard = len(system.received("cnaf"))
        async with trouble(rabbit):
            await until_readiness_is(client, cnaf, (503, 503))
            answer = await client.get(params=staged_query("CAF-FOUND", anneeDateNaissance=1984))
            assert (answer.summary, answer.headers.get("Retry-After")) == ("502 00501", "10")
        await until_readiness_is(client, cnaf, (200, 200))
        assert len(system.received("cnaf")) == heard  # neither probe nor refused call reached the upstream
        answer = await client.get(params=staged_query("CAF-FOUND", anneeDateNaissance=1988))
        assert answer.summary == "200 CNAF"


async def test_f30_a_deleted_reply_exchange_is_noticed_without_a_call_and_declared_again(
    url: str, operator: AbstractChannel
) -> None:
    async with connected_bus(url) as bus, serving(bus, reply_found):
        await until_reply(bus, FOUND)
        await operator.exchange_delete(REPLY_EXCHANGE)
        await until(lambda: not bus.ready)
        await until_reply(bus, FOUND)


async def test_f30_a_worker_whose_consumer_is_lost_silently_is_unready_and_recovers(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    consuming: list[Channel] = []
    consume = Channel.consume

    async def noted(self: Channel, queue: str, *arguments: Any, **options: Any) -> None:
        consuming.append(self)
        await consume(self, queue, *arguments, **options)

    monkeypatch.setattr(Channel, "consume", noted)
    async with connected_bus(url) as bus, bus.serve(PROVIDER, reply_found, concurrency=1) as consumer:
        await until(lambda: consumer.consuming)
        await consuming[-1].stop_consuming()
        await until(lambda: not consumer.consuming)
        await until_reply(bus, FOUND)


# F29: what is logged of it


async def test_f29_a_connection_lost_again_and_again_is_logged_once(
    url: str, rabbit: RabbitNode, operator: AbstractChannel, caplog: pytest.LogCaptureFixture
) -> None:
    """Tests that the log reports only once that the broker is unavailable, although the worker reconnects again and
    again. The broker refuses the worker its queue, because another connection uses the queue exclusively."""
    caplog.set_level(logging.INFO)
    await operator.declare_queue("bouquet.q.msa", exclusive=True)
    async with open_amqp_bus(url, "tests") as worker, worker.serve("msa", reply_found, concurrency=1):
        await until(lambda: said(caplog).count("broker connected") > 3)
    assert len([line for line in said(caplog) if line == "broker unavailable"]) == 1


async def test_f29_an_outage_is_logged_once_however_many_attempts_it_takes(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in logs.SILENCED_LOGGERS:
        caplog.set_level(logging.CRITICAL + 1, name)
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(link, "LAST_RETRY_S", 0.001)
    attempts = 0

    async def close_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        writer.close()

    async with await asyncio.start_server(close_at_once, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with open_amqp_bus(f"amqp://127.0.0.1:{port}/", "tests"):
            await until(lambda: attempts > 20)
    assert said(caplog) == ["broker unavailable"]


def said(caplog: pytest.LogCaptureFixture, logger: str = "bouquet_mesh") -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith(logger)]
