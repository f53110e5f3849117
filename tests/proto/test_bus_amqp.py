"""The bus on RabbitMQ: what breaks in a real mesh (reference/mesh-failures.md), on a broker of the tests' own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import NoReturn

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from prometheus_client import REGISTRY
from yarl import URL

from bouquet_proto import amqp_link, bus_amqp, telemetry
from bouquet_proto.bus_amqp import AmqpBus, open_amqp_bus
from bouquet_proto.messages import Failed, encode
from bouquet_proto.names import REPLY_EXCHANGE, queue_of
from tests.proto.buses import FOUND, PROVIDER, Desk, Stopwatch, connected, find, lookup, serving, until, until_answered
from tests.support.proxy import Relay
from tests.support.rabbitmq import RabbitNode
from tests.support.worker import worker_process

pytestmark = pytest.mark.broker

AWAY = Failed("bus_unavailable")
QUEUE = queue_of(PROVIDER)


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that comes back is found within 0.3 s."""
    monkeypatch.setattr(amqp_link, "LAST_RETRY_S", 0.3)


@pytest.fixture(scope="module")
def url(rabbit: RabbitNode) -> str:
    return rabbit.vhost()


@pytest.fixture
async def caller(url: str) -> AsyncIterator[AmqpBus]:
    async with connected(url) as bus:
        yield bus


@pytest.fixture
async def operator(url: str) -> AsyncIterator[AbstractChannel]:
    """Somebody else on the broker, with every right."""
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        yield channel


# The broker goes and comes


async def test_without_a_broker_a_call_fails_at_once_and_with_one_it_succeeds(url: str) -> None:
    async with Relay(url) as relay, open_amqp_bus(relay.url, "tests") as bus:
        watch = Stopwatch()
        assert await bus.call(PROVIDER, lookup()) == AWAY
        assert watch.seconds() < 0.5
        assert not bus.ready
        await relay.open()
        async with serving(bus, find):
            await until_answered(bus, FOUND)


async def test_a_worker_may_start_before_the_broker(url: str, caller: AmqpBus) -> None:
    async with (
        Relay(url) as relay,
        open_amqp_bus(relay.url, "tests") as bus,
        bus.serve(PROVIDER, find, concurrency=1) as intake,
    ):
        assert not intake.consuming
        await relay.open()
        await until(lambda: intake.consuming)
        assert await caller.call(PROVIDER, lookup()) == FOUND


async def test_a_broker_that_dies_fails_every_call_at_once_and_heals_all_when_it_is_back(
    url: str, rabbit: RabbitNode
) -> None:
    desk = Desk()
    rabbit.settle()
    async with connected(url) as worker, connected(url) as caller, serving(worker, desk, concurrency=50):
        calls = [asyncio.create_task(caller.call(PROVIDER, lookup(f"{n}"))) for n in range(20)]
        await until(lambda: len(desk.asked) == 20)
        # Some more that are still on their way out.
        calls += [asyncio.create_task(caller.call(PROVIDER, lookup(f"{n}"))) for n in range(20, 100)]
        await asyncio.sleep(0)
        rabbit.kill()
        try:
            watch = Stopwatch()
            assert await asyncio.gather(*calls) == [AWAY] * 100
            assert watch.seconds() < 2
            await until(lambda: len(desk.abandoned) == len(desk.asked))
            assert not caller.ready
        finally:
            await asyncio.to_thread(rabbit.start)
        desk.open.set()
        await until_answered(caller, FOUND)


async def test_a_broker_that_hangs_is_away_before_the_deadline(
    url: str, rabbit: RabbitNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_amqp, "PUBLISH_TIMEOUT_S", 0.3)
    async with connected(url) as bus, serving(bus, find):
        await until_answered(bus, FOUND)
        rabbit.pause()
        try:
            watch = Stopwatch()
            assert await bus.call(PROVIDER, lookup()) == AWAY
            assert watch.seconds() < 1
        finally:
            rabbit.resume()
        await until_answered(bus, FOUND)


async def test_a_broker_that_hangs_before_the_first_call_does_not_outlast_its_deadline(
    caller: AmqpBus, rabbit: RabbitNode
) -> None:
    rabbit.pause()
    try:
        assert await caller.call(PROVIDER, lookup(within_s=0.3)) == Failed("deadline_exceeded")
    finally:
        rabbit.resume()


async def test_a_cancellation_that_nobody_ordered_is_a_loss_like_any_other(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiormq closes a connection that has missed its heartbeats with CancelledError."""

    async def cancelled(*_: object, **__: object) -> NoReturn:
        monkeypatch.undo()
        raise asyncio.CancelledError

    monkeypatch.setattr(aio_pika, "connect", cancelled)
    async with connected(url) as bus:
        assert await bus.call(PROVIDER, lookup()) == Failed("not_deployed")
        assert bus._calls and bus._calls._channel
        monkeypatch.setattr(bus._calls._channel, "basic_publish", cancelled)
        assert await bus.call(PROVIDER, lookup()) == AWAY


async def test_closing_a_bus_ends_its_calls(url: str, caller: AmqpBus) -> None:
    desk = Desk()
    async with serving(caller, desk):
        async with connected(url) as closing:
            call = asyncio.create_task(closing.call(PROVIDER, lookup()))
            await desk.busy()
        assert await call == AWAY
        desk.open.set()


async def test_a_bus_that_looks_for_its_broker_stops_at_once(url: str) -> None:
    async with Relay(url) as relay, open_amqp_bus(relay.url, "tests"):
        watch = Stopwatch()
    assert watch.seconds() < 0.5


async def test_a_bus_whose_broker_accepts_and_says_nothing_stops_at_once() -> None:
    accepted = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set()
        await reader.read()  # to the end
        writer.close()

    async def work(bus: AmqpBus) -> None:
        async with bus.serve(PROVIDER, find, concurrency=1):
            await asyncio.Event().wait()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
        async with open_amqp_bus(url_of(silent), "tests") as bus, asyncio.TaskGroup() as tasks:
            working = tasks.create_task(work(bus))
            await accepted.wait()
            watch = Stopwatch()
            working.cancel()
        assert watch.seconds() < 1


# What is on the broker goes


async def test_a_worker_whose_queue_is_deleted_comes_back_by_itself(caller: AmqpBus, operator: AbstractChannel) -> None:
    async with serving(caller, find):
        await until_answered(caller, FOUND)
        await operator.queue_delete(QUEUE)
        await until_answered(caller, FOUND)


async def test_a_caller_whose_reply_queue_is_deleted_comes_back_by_itself(
    url: str, caller: AmqpBus, rabbit: RabbitNode
) -> None:
    async with connected(url) as worker, serving(worker, find):
        await until_answered(caller, FOUND)
        [lost] = reply_queues(rabbit, url)
        rabbit.ctl("delete_queue", lost, "--vhost", vhost(url))
        await until_answered(caller, FOUND)
        assert lost not in reply_queues(rabbit, url)


async def test_a_bus_whose_connection_is_closed_by_an_operator_comes_back_by_itself(
    url: str, rabbit: RabbitNode
) -> None:
    async with connected(url) as bus, serving(bus, Desk()) as intake:
        call = asyncio.create_task(bus.call(PROVIDER, lookup()))
        await asyncio.to_thread(rabbit.ctl, "close_all_connections", "--vhost", vhost(url), "maintenance")
        assert await call == AWAY
        await until(lambda: bus.ready and intake.consuming)


# A worker goes


async def test_the_work_of_a_killed_process_is_done_by_another_worker(url: str, caller: AmqpBus) -> None:
    async with worker_process(url) as process:
        await process.serve()
        call = asyncio.create_task(caller.call(PROVIDER, lookup("begun")))
        await process.says("working on begun")
        async with serving(caller, find):
            await process.kill()
            assert await call == FOUND


# What is left on the broker


async def test_a_request_is_not_persistent_and_expires_with_its_deadline(
    caller: AmqpBus, operator: AbstractChannel
) -> None:
    queue = await operator.declare_queue(QUEUE, durable=True, auto_delete=True)
    async with queue.iterator(no_ack=True) as messages:
        call = asyncio.create_task(caller.call(PROVIDER, lookup(within_s=3)))
        message = await anext(messages)
        call.cancel()
    assert message.delivery_mode == aio_pika.DeliveryMode.NOT_PERSISTENT
    assert message.expiration
    assert 2 < float(str(message.expiration)) <= 3


async def test_a_request_that_nobody_takes_is_gone_after_its_deadline(
    caller: AmqpBus, operator: AbstractChannel
) -> None:
    queue = await operator.declare_queue(QUEUE, durable=True, auto_delete=True)
    try:
        assert await caller.call(PROVIDER, lookup(within_s=0.2)) == Failed("deadline_exceeded")
        async with asyncio.timeout(2):
            while (await queue.declare()).message_count:  # noqa: ASYNC110 - the broker tells nobody of expiry
                await asyncio.sleep(0.01)
    finally:
        await queue.delete(if_unused=False, if_empty=False)


async def test_five_hundred_calls_leave_no_more_behind_than_one(url: str, caller: AmqpBus, rabbit: RabbitNode) -> None:
    async with serving(caller, find, concurrency=20):
        await until_answered(caller, FOUND)
        queues, tasks = rabbit.ctl("list_queues", "--vhost", vhost(url), "name"), len(asyncio.all_tasks())
        replies = await asyncio.gather(*(caller.call(PROVIDER, lookup()) for _ in range(500)))
        assert replies == [FOUND] * 500
        assert rabbit.ctl("list_queues", "--vhost", vhost(url), "name") == queues
        await until(lambda: len(asyncio.all_tasks()) == tasks)
    calls = caller._calls
    assert calls and calls._channel
    assert (calls._pending, calls._channel.confirmations, calls._channel.message_id_delivery_tag) == ({}, {}, {})


async def test_a_closed_bus_leaves_no_queue(url: str, rabbit: RabbitNode) -> None:
    async with connected(url) as bus, serving(bus, find):
        await until_answered(bus, FOUND)
    await until(lambda: not rabbit.ctl("list_queues", "--vhost", vhost(url), "name").split())


# What others send


async def test_a_reply_that_nobody_waits_for_is_counted_and_ignored(caller: AmqpBus, operator: AbstractChannel) -> None:
    async with serving(caller, find):
        await until_answered(caller, FOUND)
        late, exchange = late_replies(), await operator.get_exchange(REPLY_EXCHANGE)
        assert caller._calls
        for correlation_id in ("unknown", None):
            stray = aio_pika.Message(encode(FOUND), correlation_id=correlation_id)
            await exchange.publish(stray, caller._calls._reply_to)
        await until(lambda: late_replies() == late + 2)
        assert await caller.call(PROVIDER, lookup()) == FOUND


async def test_the_reply_to_a_caller_that_has_gone_is_counted(caller: AmqpBus) -> None:
    desk, late = Desk(), late_replies()
    async with serving(caller, desk):
        call = asyncio.create_task(caller.call(PROVIDER, lookup()))
        await desk.busy()
        call.cancel()
        desk.open.set()
        await until(lambda: late_replies() == late + 1)


# What an operator sees and allows


async def test_a_connection_bears_the_name_of_its_process(url: str, rabbit: RabbitNode) -> None:
    async with connected(url, "bouquet-cnaf"):
        assert "bouquet-cnaf" in rabbit.ctl("list_connections", "client_properties")


@pytest.fixture(scope="module")
def cnaf_url(url: str, rabbit: RabbitNode) -> str:
    """The url of a user that may do what a worker of one provider must, and nothing else."""
    rabbit.ctl("add_user", "cnaf", "secret")
    own = r"^bouquet\.q\.cnaf$"
    rabbit.ctl("set_permissions", "--vhost", vhost(url), "cnaf", own, r"^bouquet\.replies$", own)
    return str(URL(url).with_user("cnaf").with_password("secret"))


async def test_a_worker_needs_no_right_but_to_its_queue_and_the_reply_exchange(caller: AmqpBus, cnaf_url: str) -> None:
    async with connected(cnaf_url) as worker, serving(worker, find):
        assert await caller.call(PROVIDER, lookup()) == FOUND


async def test_a_worker_cannot_serve_another_provider(cnaf_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with connected(cnaf_url) as worker, worker.serve("msa", find, concurrency=1) as intake:
        await until(lambda: "ChannelAccessRefused" in troubles(caplog))
        assert not intake.consuming


async def test_no_log_quotes_a_message_even_at_debug(caller: AmqpBus, caplog: pytest.LogCaptureFixture) -> None:
    as_configured(caplog)
    async with serving(caller, find):
        assert await caller.call(PROVIDER, lookup()) == FOUND
        assert await caller.call("nobody", lookup()) == Failed("not_deployed")
    assert "DURANT" not in caplog.text
    assert "valeur" not in caplog.text


def test_pauses_grow_up_to_a_limit_and_differ_from_process_to_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amqp_link, "LAST_RETRY_S", 5.0)
    pauses = [[amqp_link._pause_s(failures) for _ in range(100)] for failures in (0, 1, 4, 5, 10_000)]
    longest = [0.2, 0.4, 3.2, 5.0, 5.0]
    assert all(limit / 2 <= pause <= limit for limit, some in zip(longest, pauses, strict=True) for pause in some)
    assert all(len(set(some)) > 1 for some in pauses)


def url_of(server: asyncio.Server) -> str:
    return f"amqp://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


def vhost(url: str) -> str:
    return URL(url).path[1:]


def reply_queues(rabbit: RabbitNode, url: str) -> list[str]:
    names = rabbit.ctl("list_queues", "--vhost", vhost(url), "name").split()
    return [name for name in names if name.startswith(REPLY_EXCHANGE)]


def late_replies() -> float:
    return REGISTRY.get_sample_value("bouquet_bus_late_replies_total") or 0.0


def as_configured(caplog: pytest.LogCaptureFixture) -> None:
    """Every record that a process at level DEBUG would print."""
    for name in telemetry.UNSPOKEN_LOGGERS:
        caplog.set_level(logging.CRITICAL + 1, name)
    caplog.set_level(logging.DEBUG)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def troubles(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The errors for which the broker was said to be unavailable."""
    return [vars(record)["error"] for record in caplog.records if record.getMessage() == "broker unavailable"]
