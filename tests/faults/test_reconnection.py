"""Tests of faults F2, F3, F4, F8 of docs/faults.md: a new connection restores the queues and consumers of the lost one,
or reports its failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from aio_pika.abc import AbstractChannel
from yarl import URL

from bouquet_cnaf.simulator import simulator
from bouquet_mesh.amqp import connection
from bouquet_mesh.bus import consumer
from bouquet_mesh.bus.amqp import AmqpBus
from bouquet_proto.messages import Failed
from bouquet_proto.names import queue_of
from tests.support.broker import Broker
from tests.support.bus import (
    FOUND,
    PROVIDER,
    BlockedHandler,
    connected_bus,
    lookup_request,
    reply_found,
    serving,
    until_reply,
)
from tests.support.daemon import free_port
from tests.support.processes import running_command
from tests.support.programs import status_of, until_status
from tests.support.proxy import TcpProxy
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S, until

pytestmark = pytest.mark.broker

AWAY = Failed("bus_unavailable")
QUEUE = queue_of(PROVIDER)


@pytest.fixture
async def powerless(rabbit: RabbitNode, broker: Broker, url: str) -> AsyncIterator[str]:
    await rabbit.control("add_user", "powerless", "secret")
    await broker.permit_only("powerless", "^$")
    yield str(URL(url).with_user("powerless").with_password("secret"))
    await rabbit.control("delete_user", "powerless")


# F2: the reply queue and the consumers are restored, and until then the process is not ready


async def test_f02_a_deleted_reply_queue_is_declared_again(url: str, caller: AmqpBus, broker: Broker) -> None:
    async with connected_bus(url) as worker, serving(worker, reply_found):
        await until_reply(caller, FOUND)
        [lost] = await broker.reply_queues()
        await broker.delete(lost)
        await until_reply(caller, FOUND)
        [found] = await broker.reply_queues()
    assert found != lost


async def test_f02_a_closed_connection_comes_back_with_its_reply_queue_and_its_consumers(
    url: str, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "REGISTER_EVERY_S", TEST_TIMEOUT_S)  # else a worker has two consumers for a moment
    blocked = BlockedHandler()
    async with connected_bus(url) as bus, serving(bus, blocked) as worker_consumer:
        call = asyncio.create_task(bus.call(PROVIDER, lookup_request()))
        await blocked.until_called()
        blocked.release.set()
        assert await call == FOUND
        await broker.close_all_connections()
        await until(lambda: bus.ready and worker_consumer.consuming)
        await until_reply(bus, FOUND)
        assert (len(await broker.reply_queues()), await broker.consumers()) == (1, 1)


async def test_f02_a_connection_without_its_reply_queue_and_its_consumers_is_not_ready(
    powerless: str, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    await broker.permit_only("powerless", ".*")
    async with connected_bus(powerless) as bus, serving(bus, reply_found) as worker_consumer:
        await until_reply(bus, FOUND)
        await broker.permit_only("powerless", "^$")
        caplog.set_level(logging.INFO)
        await broker.close_all_connections()
        await until(lambda: caplog.messages.count("broker connected") > 1)  # it is back, and may declare nothing
        assert not bus.ready
        assert not worker_consumer.consuming
        assert await bus.call(PROVIDER, lookup_request()) == AWAY
        await broker.permit_only("powerless", ".*")
        await until_reply(bus, FOUND)
        assert bus.ready and worker_consumer.consuming


# F3: readiness needs consumers, not only a connection


async def test_f03_a_worker_whose_queue_is_deleted_declares_it_and_consumes_again(
    caller: AmqpBus, operator: AbstractChannel, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "RETURN_EVERY_S", 0.1)
    async with serving(caller, reply_found) as worker_consumer:
        await until_reply(caller, FOUND)
        await operator.queue_delete(QUEUE)
        await until(lambda: not worker_consumer.consuming)
        await until_reply(caller, FOUND)
        assert worker_consumer.consuming
        await broker.until(broker.consumers, lambda count: count == 1)


async def test_f03_a_process_that_is_connected_and_consumes_nothing_is_not_ready(
    powerless: str, broker: Broker
) -> None:
    port = free_port()
    environ = {**simulator.settings(f"http://127.0.0.1:{free_port()}"), "BOUQUET_BUS_URL": powerless}
    environ["BOUQUET_WORKER_HEALTH_PORT"] = str(port)
    async with running_command(environ, "bouquet-worker", "run", PROVIDER) as process:
        await process.until_logged("broker connected", times=2)
        await until_status(f"http://127.0.0.1:{port}/livez", 200)
        assert await status_of(f"http://127.0.0.1:{port}/readyz") == 503
        await broker.permit_only("powerless", ".*")
        await until_status(f"http://127.0.0.1:{port}/readyz", 200)
        assert await broker.consumers() == 1


# F4: what the broker keeps of a dead connection does not block a new one


async def test_f04_a_reply_queue_of_a_dead_connection_does_not_block_a_new_one(
    url: str, caller: AmqpBus, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEARTBEAT_S", 600)  # the broker does not notice by itself
    async with serving(caller, reply_found), TcpProxy(url) as relay:
        await relay.open()
        async with connected_bus(relay.url) as bus:
            await until_reply(bus, FOUND)
            before = await broker.reply_queues()
            await relay.orphan_connections()
            await until_reply(bus, FOUND)
            assert before < await broker.reply_queues()  # the old queue is still there, as if its owner lived


# F8: calls end at once with their reply queue


async def test_f08_calls_whose_reply_queue_is_deleted_end_at_once(url: str, caller: AmqpBus, broker: Broker) -> None:
    blocked = BlockedHandler()
    async with connected_bus(url) as worker, serving(worker, blocked):
        calls = [asyncio.create_task(caller.call(PROVIDER, lookup_request(f"{n}"))) for n in range(8)]
        await until(lambda: len(blocked.received) == 8)
        [lost] = await broker.reply_queues()
        await broker.delete(lost)
        assert await asyncio.gather(*calls) == [AWAY] * 8  # no call has waited for its deadline
        blocked.release.set()  # replies sent from now on have no caller
        await until_reply(caller, FOUND)


async def test_f08_calls_cut_off_from_their_reply_queue_end_at_once(url: str, caller: AmqpBus) -> None:
    blocked = BlockedHandler()
    async with serving(caller, blocked), TcpProxy(url) as relay:
        await relay.open()
        async with connected_bus(relay.url) as cut_off:
            call = asyncio.create_task(cut_off.call(PROVIDER, lookup_request()))
            await blocked.until_called()
            await relay.close()
            assert await call == AWAY
            blocked.release.set()
            await relay.open()
            await until_reply(cut_off, FOUND)
