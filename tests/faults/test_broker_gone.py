"""Tests of faults F1, F5, F6 of docs/faults.md: the broker stops, starts late, or never starts."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from bouquet_cnaf.simulator import simulator
from bouquet_mesh.amqp import connection, link
from bouquet_mesh.backoff import pause_s
from bouquet_mesh.bus.amqp import AmqpBus, open_amqp_bus
from bouquet_proto.messages import Failed
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
from tests.support.gateway_client import TOKEN_KEY
from tests.support.processes import running_command
from tests.support.proxy import TcpProxy
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S, until

pytestmark = pytest.mark.broker

AWAY = Failed("bus_unavailable")


async def test_f01_calls_fail_at_once_when_the_broker_dies_and_succeed_when_it_is_back(
    url: str, rabbit: RabbitNode
) -> None:
    blocked = BlockedHandler()
    rabbit.settle()
    async with connected_bus(url) as worker, connected_bus(url) as caller, serving(worker, blocked, concurrency=50):
        calls = [asyncio.create_task(caller.call(PROVIDER, lookup_request(f"{n}"))) for n in range(20)]
        await until(lambda: len(blocked.received) == 20)
        # Some more calls whose requests are still being sent.
        calls += [asyncio.create_task(caller.call(PROVIDER, lookup_request(f"{n}"))) for n in range(20, 100)]
        await asyncio.sleep(0)
        rabbit.kill()
        try:
            assert await asyncio.gather(*calls) == [AWAY] * 100  # no call has waited for its deadline
            await until(lambda: len(blocked.cancelled) == len(blocked.received))
            assert not caller.ready
        finally:
            await asyncio.to_thread(rabbit.start)
        blocked.release.set()
        await until_reply(caller, FOUND)


async def test_f01_calls_fail_at_once_when_the_broker_is_stopped_and_succeed_when_it_is_back(
    url: str, rabbit: RabbitNode
) -> None:
    blocked = BlockedHandler()
    rabbit.settle()
    async with connected_bus(url) as worker, connected_bus(url) as caller, serving(worker, blocked):
        call = asyncio.create_task(caller.call(PROVIDER, lookup_request(within_s=3600)))
        await blocked.until_called()
        stopping = asyncio.create_task(rabbit.control("stop_app"))
        try:
            assert await call == AWAY
        finally:
            await stopping
            await rabbit.control("start_app")
        blocked.release.set()
        await until_reply(caller, FOUND)


async def test_f05_without_a_broker_a_call_fails_at_once_and_with_one_it_succeeds(url: str) -> None:
    async with TcpProxy(url) as relay, open_amqp_bus(relay.url, "tests") as bus:
        assert await bus.call(PROVIDER, lookup_request()) == AWAY
        assert not bus.ready
        await relay.open()
        async with serving(bus, reply_found):
            await until_reply(bus, FOUND)


async def test_f05_a_worker_may_start_before_the_broker(url: str, caller: AmqpBus) -> None:
    async with (
        TcpProxy(url) as relay,
        open_amqp_bus(relay.url, "tests") as bus,
        bus.serve(PROVIDER, reply_found, concurrency=1) as consumer,
    ):
        assert not consumer.consuming
        await relay.open()
        await until(lambda: consumer.consuming)
        assert await caller.call(PROVIDER, lookup_request()) == FOUND


def test_f05_pauses_between_reconnections_grow_to_a_limit_and_differ_by_process() -> None:
    pauses = [[pause_s(failures, link.FIRST_RETRY_S, 5.0) for _ in range(100)] for failures in (0, 1, 4, 5, 10_000)]
    longest = [0.2, 0.4, 3.2, 5.0, 5.0]
    assert all(limit / 2 <= pause <= limit for limit, some in zip(longest, pauses, strict=True) for pause in some)
    assert all(len(set(some)) > 1 for some in pauses)


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Starts a server that accepts connections and sends nothing. Yields its URL, and an event set at the first
    connection."""
    accepted = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set()
        await reader.read()  # to the end
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        yield f"amqp://127.0.0.1:{server.sockets[0].getsockname()[1]}/", accepted


GATEWAY = {"BOUQUET_GATEWAY_TOKEN_KEY": TOKEN_KEY.reveal(), "BOUQUET_GATEWAY_TOKENS_FROM": "claims"}
PROCESSES: dict[str, tuple[tuple[str, ...], str, Mapping[str, str]]] = {
    "worker": (
        ("bouquet-worker", "run", PROVIDER),
        "worker started",
        simulator.settings(f"http://127.0.0.1:{free_port()}"),
    ),
    "gateway": (
        ("bouquet-gateway", "serve"),
        "gateway started",
        GATEWAY | {"BOUQUET_GATEWAY_PROVIDERS": PROVIDER, "BOUQUET_GATEWAY_PORT": "0"},
    ),
}


@pytest.mark.parametrize("name", PROCESSES)
async def test_f06_a_process_without_broker_stops_on_sigterm(name: str) -> None:
    command, started, environ = PROCESSES[name]
    bus = {"BOUQUET_BUS_URL": f"amqp://127.0.0.1:{free_port()}/"}
    async with running_command({**environ, **bus}, *command) as process:
        await process.until_logged("broker unavailable")
        await process.until_logged(started)
        process.signal(signal.SIGTERM)
        assert await process.wait() == 0


@pytest.mark.parametrize("name", PROCESSES)
async def test_f06_a_process_with_a_silent_broker_stops_on_sigterm(name: str) -> None:
    command, _, environ = PROCESSES[name]
    async with silent() as (url, accepted), running_command({**environ, "BOUQUET_BUS_URL": url}, *command) as process:
        async with asyncio.timeout(TEST_TIMEOUT_S):
            await accepted.wait()
        process.signal(signal.SIGTERM)
        assert await process.wait() in (0, -signal.SIGTERM)  # the process has not begun yet


async def test_f06_a_worker_with_a_silent_broker_stops_on_sigterm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 3600.0)

    async def work(bus: AmqpBus) -> None:
        async with bus.serve(PROVIDER, reply_found, concurrency=1):
            await asyncio.Event().wait()

    async with (
        silent() as (url, accepted),
        asyncio.timeout(TEST_TIMEOUT_S),
        open_amqp_bus(url, "tests") as bus,
        asyncio.TaskGroup() as tasks,
    ):
        working = tasks.create_task(work(bus))
        await accepted.wait()
        working.cancel()
