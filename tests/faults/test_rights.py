"""Tests of a broker user that loses a right while its process runs. Callers get errors at once, and the process
recovers when the right is back."""
# RabbitMQ checks a right only when a channel first needs it; a consumer that has begun goes on, and is refused only at
# the next connection.

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from yarl import URL

from bouquet_mesh.amqp import link
from bouquet_mesh.outbox.api import NotSent, Outbox
from bouquet_mesh.outbox.open import open_outbox
from bouquet_proto.messages import Failed, Reply
from bouquet_proto.names import REPLY_EXCHANGE, queue_of
from tests.support.broker import PERMISSIONS, Broker, Permission
from tests.support.broker_users import RestrictedVhost, restricted_vhost
from tests.support.bus import FOUND, PROVIDER, connected_bus, lookup_request, reply_found, serving, until_reply
from tests.support.outbox_collector import collecting
from tests.support.people import staged_query
from tests.support.processes import process_mesh
from tests.support.rabbitmq import RabbitNode
from tests.support.readiness import until_readiness_is
from tests.support.waiting import TEST_TIMEOUT_S, until

pytestmark = pytest.mark.broker

WORKER, GATEWAY, REGISTRY = f"bouquet-{PROVIDER}", "bouquet-gateway", "bouquet-registry"
AWAY, NOBODY, LATE = Failed("bus_unavailable"), Failed("not_deployed"), Failed("deadline_exceeded")
DEADLINE_S = 1.0
WANTED = {
    (WORKER, "configure"): f"queue {queue_of(PROVIDER)}",
    (WORKER, "write"): f"exchange {REPLY_EXCHANGE}",
    (WORKER, "read"): f"queue {queue_of(PROVIDER)}",
    (GATEWAY, "configure"): f"exchange {REPLY_EXCHANGE}",
    (GATEWAY, "write"): f"queue {REPLY_EXCHANGE}",
    (GATEWAY, "read"): f"exchange {REPLY_EXCHANGE}",
}
"""Pairs of a user and a right that this user lacks, each mapped to the resource that the broker names in its
refusal."""


@pytest.fixture(scope="module")
def guarded(rabbit: RabbitNode, tmp_path_factory: pytest.TempPathFactory) -> RestrictedVhost:
    return restricted_vhost(rabbit, tmp_path_factory.mktemp("passwords"), "cnaf", "msa")


@pytest.fixture
def broker(rabbit: RabbitNode, guarded: RestrictedVhost) -> Broker:
    return Broker(rabbit, guarded.operator)


@pytest.fixture
def unprobed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns off the regular check of an open connection. The broker would refuse this check too, but the test expects a
    single refusal in the log."""
    monkeypatch.setattr(link, "PROBE_EVERY_S", 3600.0)


@pytest.mark.usefixtures("unprobed")
@pytest.mark.parametrize("right", PERMISSIONS)
async def test_a_worker_that_loses_a_right_takes_no_request_until_it_has_it_again(
    right: Permission, guarded: RestrictedVhost, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        connected_bus(guarded.url("gateway")) as gateway,
        connected_bus(guarded.url(PROVIDER), "worker") as worker,
        serving(worker, reply_found) as consumer,
    ):
        await until_reply(gateway, FOUND)
        async with broker.without_permission(WORKER, right):
            await until(lambda: bool(refusals(caplog, "worker")) and gateway.ready)
            replies = list[Reply]()
            while replies.count(NOBODY) < 10:
                replies.append(await gateway.call(PROVIDER, lookup_request(within_s=DEADLINE_S)))
                assert not consumer.consuming
                await asyncio.sleep(0.05)  # meanwhile the process tries again and again
            # LATE: the process may declare its queue, and is then refused to consume.
            assert all(reply in (NOBODY, LATE) for reply in replies)
            await broker.until(broker.consumers, lambda count: count == 0)
            await broker.until(broker.kinds_of_queues, lambda kinds: queue_of(PROVIDER) not in kinds)
        await until_reply(gateway, FOUND)
        await until(lambda: consumer.consuming)
        await broker.until(broker.consumers, lambda count: count == 1)
    told = logged_once(caplog, "worker")
    assert told.endswith(f"access to {WANTED[WORKER, right]}")


@pytest.mark.usefixtures("unprobed")
@pytest.mark.parametrize("right", PERMISSIONS)
async def test_a_gateway_that_loses_a_right_refuses_at_once_until_it_has_it_again(
    right: Permission, guarded: RestrictedVhost, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        connected_bus(guarded.url("gateway"), "gateway") as gateway,
        connected_bus(guarded.url(PROVIDER)) as worker,
        serving(worker, reply_found),
    ):
        await until_reply(gateway, FOUND)
        async with broker.without_permission(GATEWAY, right):
            await until(lambda: bool(refusals(caplog, "gateway")))
            for _ in range(10):
                assert await gateway.call(PROVIDER, lookup_request(within_s=3600)) == AWAY
                assert not gateway.ready
                await asyncio.sleep(0.1)
        await until_reply(gateway, FOUND)
        assert gateway.ready
    told = logged_once(caplog, "gateway")
    assert told.endswith(f"access to {WANTED[GATEWAY, right]}")


async def test_a_worker_without_the_right_to_reply_cancels_its_consumer(
    rabbit: RabbitNode, guarded: RestrictedVhost, broker: Broker
) -> None:
    """Tests that a worker without the right to publish replies takes no requests until it gets the right back. It loses
    the right before its first reply, because RabbitMQ checks the right only then."""
    vhost = URL(guarded.operator).path[1:]
    queue = queue_of(PROVIDER)
    async with (
        connected_bus(guarded.url("gateway")) as gateway,
        connected_bus(guarded.url(PROVIDER)) as worker,
        serving(worker, reply_found) as consumer,
    ):
        await rabbit.control("set_permissions", "--vhost", vhost, WORKER, queue, "^$", queue)
        assert await gateway.call(PROVIDER, lookup_request(within_s=2.0)) in (AWAY, NOBODY, LATE)
        await until(lambda: not consumer.consuming)
        await until_reply(gateway, NOBODY)
        await rabbit.control("set_permissions", "--vhost", vhost, WORKER, queue, f"^{REPLY_EXCHANGE}$", queue)
        await until_reply(gateway, FOUND)


@pytest.mark.parametrize("user", ["worker", "gateway"])
async def test_processes_without_a_right_are_unready_until_they_have_it_again(
    user: str, guarded: RestrictedVhost, broker: Broker
) -> None:
    refused, expected = (WORKER, (200, 503)) if user == "worker" else (GATEWAY, (503, 200))
    async with process_mesh(guarded.operator) as system:
        cnaf, _ = await asyncio.gather(
            *(system.worker(fund, BOUQUET_BUS_URL=guarded.url(fund)) for fund in ("cnaf", "msa"))
        )
        _, client = await system.gateway(bus_url=guarded.url("gateway"), deadline_s=20.0)
        assert (await client.get(params=staged_query("CAF-FOUND"))).summary == "200 CNAF"
        async with broker.without_permission(refused, "write"):
            await until_readiness_is(client, cnaf, expected)
            answer = await client.get(params=staged_query("CAF-FOUND", anneeDateNaissance=1984))
            assert answer.status in (502, 503)
            # Again: a process that had not noticed yet that its connection was closed was ready until then.
            await until_readiness_is(client, cnaf, expected)
        await until_readiness_is(client, cnaf, (200, 200))
        assert (await client.get(params=staged_query("CAF-FOUND", anneeDateNaissance=1988))).summary == "200 CNAF"


@pytest.mark.parametrize(("user", "right"), [(GATEWAY, "write"), (REGISTRY, "read"), (REGISTRY, "configure")])
async def test_the_journal_is_sent_without_loss_once_a_lost_right_is_back(
    user: str, right: Permission, guarded: RestrictedVhost, broker: Broker
) -> None:
    async with (
        open_outbox(guarded.url("gateway"), "gateway") as outbox,
        open_outbox(guarded.url("registry"), "registry") as own,
        collecting(own) as archive,
    ):
        sent = [await until_posted(outbox, b"before")]
        await archive.until_collected(sent)
        async with broker.without_permission(user, right):
            if user == GATEWAY:
                await until_refused(outbox)
            else:
                await until(lambda: not own.connected)
                sent.append(await until_posted(outbox, b"meanwhile"))
        sent.append(await until_posted(outbox, b"after"))
        await archive.until_collected(sent)
        await until(lambda: own.connected)


async def until_posted(outbox: Outbox, body: bytes) -> bytes:
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while True:
            with suppress(NotSent):
                await outbox.send([body])
                return body
            await asyncio.sleep(0.05)


async def until_refused(outbox: Outbox) -> None:
    """Sends records until sending fails. Asserts that the failure is not a timeout, since the broker must report the
    missing right."""
    with pytest.raises(NotSent) as refused:
        while True:
            await outbox.send([b"perhaps"])
    assert str(refused.value) != "TimeoutError"


def logged_once(caplog: pytest.LogCaptureFixture, connection: str) -> str:
    first, *again = refusals(caplog, connection)
    assert again in ([], [first])
    return first


def refusals(caplog: pytest.LogCaptureFixture, connection: str) -> list[str]:
    told = (getattr(line, "error", "") for line in caplog.records if getattr(line, "connection", "") == connection)
    return [error for error in told if error.startswith("no ")]
