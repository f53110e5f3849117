"""Tests of the bus that need RabbitMQ's own behaviour. Tests of faults are in tests/faults."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import NoReturn

import aio_pika
import pytest
from yarl import URL

from bouquet_mesh.amqp.connection import connect
from bouquet_mesh.bus import amqp
from bouquet_mesh.bus.amqp import AmqpBus
from bouquet_mesh.bus.consumer import check_serving
from bouquet_mesh.observe import logs
from bouquet_proto.messages import Failed
from bouquet_proto.names import queue_of
from tests.support.broker import Broker
from tests.support.bus import FOUND, PROVIDER, BlockedHandler, connected_bus, lookup_request, reply_found, serving
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S, until
from tests.support.worker_process import worker_process

pytestmark = [pytest.mark.broker, pytest.mark.usefixtures("fast_reconnection")]

AWAY = Failed("bus_unavailable")


@pytest.fixture(scope="module")
def url(rabbit: RabbitNode) -> str:
    return rabbit.vhost()


@pytest.fixture
async def caller(url: str) -> AsyncIterator[AmqpBus]:
    async with connected_bus(url) as bus:
        yield bus


async def test_a_cancelled_error_from_aiormq_counts_as_a_lost_connection(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests that a connection that ends with a `CancelledError` counts as lost. In this way aiormq ends a connection
    that has missed its heartbeats."""

    async def cancelled(*_: object, **__: object) -> NoReturn:
        monkeypatch.undo()
        raise asyncio.CancelledError

    monkeypatch.setattr(aio_pika, "connect", cancelled)
    async with connected_bus(url) as bus:
        assert await bus.call(PROVIDER, lookup_request()) == Failed("not_deployed")


async def test_closing_a_bus_ends_its_pending_calls(url: str, caller: AmqpBus) -> None:
    blocked = BlockedHandler()
    async with serving(caller, blocked):
        async with connected_bus(url) as closing:
            call = asyncio.create_task(closing.call(PROVIDER, lookup_request()))
            await blocked.until_called()
        assert await call == AWAY
        blocked.release.set()


async def test_a_request_of_a_killed_worker_is_handled_by_another_worker(url: str, caller: AmqpBus) -> None:
    async with worker_process(url) as process:
        await process.serve()
        call = asyncio.create_task(caller.call(PROVIDER, lookup_request("begun")))
        await process.expect_line("working on begun")
        async with serving(caller, reply_found):
            await process.kill()
            assert await call == FOUND


async def test_a_confirm_that_arrives_while_the_process_stands_still_counts(
    caller: AmqpBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp, "UNREAD_CONFIRM_S", TEST_TIMEOUT_S)
    async with serving(caller, reply_found):
        assert await caller.call(PROVIDER, lookup_request()) == FOUND  # now the reply queue exists
        monkeypatch.setattr(amqp, "PUBLISH_TIMEOUT_S", 0.2)
        call = asyncio.create_task(caller.call(PROVIDER, lookup_request()))
        asyncio.get_running_loop().call_soon(time.sleep, 1.0)  # after the call has published its request
        assert await call == FOUND


async def test_a_connection_has_the_name_of_its_process_on_the_broker(url: str, rabbit: RabbitNode) -> None:
    async with connected_bus(url, "bouquet-cnaf"):
        assert "bouquet-cnaf" in await rabbit.control("list_connections", "client_properties")


@pytest.fixture(scope="module")
def cnaf_url(url: str, rabbit: RabbitNode) -> str:
    """Returns the broker URL of a user that has the rights of the CNAF's worker and no others."""
    rabbit.ctl("add_user", "cnaf", "secret")
    own = r"^bouquet\.q\.cnaf$"
    rabbit.ctl("set_permissions", "--vhost", vhost(url), "cnaf", own, r"^bouquet\.replies$", own)
    return str(URL(url).with_user("cnaf").with_password("secret"))


async def test_a_worker_needs_no_right_but_to_its_queue_and_the_reply_exchange(caller: AmqpBus, cnaf_url: str) -> None:
    async with connected_bus(cnaf_url) as worker, serving(worker, reply_found):
        assert await caller.call(PROVIDER, lookup_request()) == FOUND


async def test_a_worker_cannot_serve_another_provider(cnaf_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with connected_bus(cnaf_url) as worker, worker.serve("msa", reply_found, concurrency=1) as consumer:
        await until(lambda: any("access to queue bouquet.q.msa" in each for each in troubles(caplog)))
        assert not consumer.consuming


@asynccontextmanager
async def tried_out(url: str) -> AsyncIterator[None]:
    """Consumes from the provider's queue until the context ends, as `doctor` does to test the queue."""
    connection = await connect(url, "doctor")
    try:
        await check_serving(connection, PROVIDER)
        yield
    finally:
        await connection.close()


async def test_a_doctors_check_takes_no_request_while_a_worker_has_a_free_slot(url: str, caller: AmqpBus) -> None:
    async with serving(caller, reply_found, concurrency=1), tried_out(url):
        assert [await caller.call(PROVIDER, lookup_request()) for _ in range(5)] == [FOUND] * 5


async def test_a_request_delivered_to_a_doctors_check_goes_to_a_worker_when_the_check_ends(
    url: str, caller: AmqpBus, rabbit: RabbitNode
) -> None:
    blocked, broker = BlockedHandler(), Broker(rabbit, url)

    async def delivered(count: int) -> None:
        look = partial(broker.rows, "queues", "name", "messages_unacknowledged")
        await broker.until(look, lambda queues: [queue_of(PROVIDER), str(count)] in queues)

    async with serving(caller, blocked, concurrency=1):
        async with tried_out(url):
            calls = []
            for id in ("at the worker", "at the doctor"):
                calls.append(asyncio.create_task(caller.call(PROVIDER, lookup_request(id, within_s=300))))
                await delivered(len(calls))
            assert blocked.received == ["at the worker"]
        blocked.release.set()
        assert await asyncio.gather(*calls) == [FOUND, FOUND]
    assert blocked.received == ["at the worker", "at the doctor"]


async def test_a_doctors_check_leaves_no_queue_without_a_worker(url: str, caller: AmqpBus) -> None:
    async with tried_out(url):
        pass
    assert await caller.call(PROVIDER, lookup_request()) == Failed("not_deployed")


async def test_no_log_line_quotes_a_message_even_at_debug(caller: AmqpBus, caplog: pytest.LogCaptureFixture) -> None:
    as_configured(caplog)
    async with serving(caller, reply_found):
        assert await caller.call(PROVIDER, lookup_request()) == FOUND
        assert await caller.call("nobody", lookup_request()) == Failed("not_deployed")
    assert "DURANT" not in caplog.text
    assert "valeur" not in caplog.text


def vhost(url: str) -> str:
    return URL(url).path[1:]


def as_configured(caplog: pytest.LogCaptureFixture) -> None:
    """Sets log levels as a process that logs at DEBUG does. `caplog` then records every message except those of the
    loggers in `SILENCED_LOGGERS`."""
    for name in logs.SILENCED_LOGGERS:
        caplog.set_level(logging.CRITICAL + 1, name)
    caplog.set_level(logging.DEBUG)


def troubles(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Returns the error named in each log record "broker unavailable", in the order of the log."""
    return [vars(record)["error"] for record in caplog.records if record.getMessage() == "broker unavailable"]
