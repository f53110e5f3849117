"""Attacks on the broker by a provider's user, who may reach only the provider's own queue and the reply exchange."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeAlias

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import AMQPError, ChannelPreconditionFailed, ProbableAuthenticationError, PublishError
from aiormq.exceptions import ChannelAccessRefused, ChannelLockedResource
from pamqp.common import FieldTable
from yarl import URL

from bouquet_mesh.bus.consumer import RETURN_EVERY_S
from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.outbox.api import NotSent, Outbox
from bouquet_mesh.outbox.open import open_outbox
from bouquet_proto.names import JOURNAL_QUEUE, REPLY_EXCHANGE, queue_of, reserve_queue_of
from tests.support.broker_users import RestrictedVhost, restricted_vhost, write_definitions
from tests.support.bus import FOUND, lookup_request, reply_found, serving
from tests.support.people import CAF_ALLOCATAIRE, MSA_ALLOCATAIRE
from tests.support.processes import process_mesh
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S, until

ACME, CNAF, REGISTRY = queue_of("acme"), queue_of("cnaf"), queue_of("registry")
THE_REPLY_QUEUE = f"{REPLY_EXCHANGE}.5f1c"
MESSAGE = aio_pika.Message(b"{}")
REFUSED = (ChannelAccessRefused, ChannelLockedResource)

OWN_CHANNELS = 3
"""Largest number of channels that a worker uses while all nodes of the broker are running."""
UNANSWERED_FOR_S = 80.0
"""Longest wait, in seconds, for RabbitMQ 4 to answer the declaration of a queue whose node is lost. It takes 75 s."""

Attack: TypeAlias = Callable[[AbstractChannel], Awaitable[object]]

broker = pytest.mark.broker


# Definitions that the script writes


def test_broker_passwords_are_not_printed_and_only_their_owner_reads_the_files(tmp_path: Path) -> None:
    printed = write_definitions("--passwords", str(tmp_path), "acme")
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["bouquet-acme", "bouquet-gateway", "bouquet-journal", "bouquet-registry"]
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert len(file.read_text()) > 40
        assert file.read_text() not in printed


def test_an_existing_broker_password_is_kept_with_a_new_salt(tmp_path: Path) -> None:
    (tmp_path / "bouquet-acme").write_text("chosen by the operator\n")
    first, second = (write_definitions("--passwords", str(tmp_path), "acme") for _ in range(2))
    assert (tmp_path / "bouquet-acme").read_text() == "chosen by the operator\n"
    assert json.loads(first)["users"][3]["password_hash"] != json.loads(second)["users"][3]["password_hash"]


@pytest.mark.parametrize("name", ["gateway", "registry", "journal", "a.*", "Acme", "../acme", ""])
def test_an_invalid_provider_name_gets_no_broker_user(name: str, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        write_definitions("--passwords", str(tmp_path), name)
    assert list(tmp_path.iterdir()) == []


def test_a_provider_s_user_has_channels_for_declarations_that_a_lost_node_leaves_unanswered(tmp_path: Path) -> None:
    users = json.loads(write_definitions("--passwords", str(tmp_path), "acme"))["users"]
    [limits] = [user["limits"] for user in users if user["name"] == "bouquet-acme"]
    wanted = OWN_CHANNELS + UNANSWERED_FOR_S / RETURN_EVERY_S
    assert limits["max-channels"] >= limits["max-connections"] * wanted


# Attacks


@pytest.fixture(scope="module")
def guarded(rabbit: RabbitNode, tmp_path_factory: pytest.TempPathFactory) -> RestrictedVhost:
    return restricted_vhost(
        rabbit, tmp_path_factory.mktemp("passwords"), "acme", "cnaf", "msa", registry_writes_journal=False
    )


@pytest.fixture
async def foreign_queue(guarded: RestrictedVhost) -> AsyncIterator[AbstractQueue]:
    """Declares four queues that the provider `acme` must not reach: those of the CNAF, registry, journal and replies.
    Yields the CNAF's queue."""
    async with (
        await aio_pika.connect(guarded.operator) as operator,
        await aio_pika.connect(guarded.url("gateway")) as gateway,
    ):
        channel = await operator.channel()
        theirs = await channel.declare_queue(CNAF, durable=True)
        for name in (REGISTRY, JOURNAL_QUEUE):
            await channel.declare_queue(name, durable=True)
        replies = await (await gateway.channel()).declare_queue(THE_REPLY_QUEUE, exclusive=True, auto_delete=True)
        await replies.bind(REPLY_EXCHANGE, THE_REPLY_QUEUE)
        yield theirs
        for name in (CNAF, REGISTRY, JOURNAL_QUEUE, ACME):
            await channel.queue_delete(name)


async def _overhear(_: AbstractIncomingMessage) -> None: ...


def consumes(queue: str) -> Attack:
    async def attack(channel: AbstractChannel) -> None:
        await (await channel.get_queue(queue, ensure=False)).consume(_overhear)

    return attack


def gets(queue: str) -> Attack:
    async def attack(channel: AbstractChannel) -> None:
        await (await channel.get_queue(queue, ensure=False)).get(fail=False)

    return attack


def binds(queue: str, exchange: str, key: str) -> Attack:
    async def attack(channel: AbstractChannel) -> None:
        if queue == ACME:
            await channel.declare_queue(ACME, durable=True, auto_delete=True)
        await (await channel.get_queue(queue, ensure=False)).bind(exchange, key)

    return attack


def publishes(exchange: str, key: str) -> Attack:
    async def attack(channel: AbstractChannel) -> None:
        target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
        await target.publish(MESSAGE, key, mandatory=False)

    return attack


def dead_letters_to(exchange: str, key: str) -> Attack:
    arguments: FieldTable = {"x-dead-letter-exchange": exchange, "x-dead-letter-routing-key": key, "x-message-ttl": 0}
    return lambda channel: channel.declare_queue(ACME, arguments=arguments)


def unrouted_go_to(exchange: str) -> Attack:
    return lambda channel: channel.declare_exchange(ACME, arguments={"alternate-exchange": exchange})


ATTACKS: dict[str, Attack] = {
    "consumes another provider's questions": consumes(CNAF),
    "takes one of another provider's questions": gets(CNAF),
    "declares another provider's reserve queue": lambda channel: channel.declare_queue(reserve_queue_of("cnaf")),
    "consumes the registry's questions": consumes(REGISTRY),
    "reads the journal": gets(JOURNAL_QUEUE),
    "reads a gateway's replies": consumes(THE_REPLY_QUEUE),
    "listens to the reply exchange": binds(ACME, REPLY_EXCHANGE, THE_REPLY_QUEUE),
    "copies another provider's questions to its own queue": binds(ACME, "amq.topic", "#"),
    "binds another provider's queue": binds(CNAF, "amq.fanout", ""),
    "listens to everything that is published": binds(ACME, "amq.rabbitmq.trace", "#"),
    "declares another provider's queue": lambda channel: channel.declare_queue(CNAF, durable=True),
    "declares the queue of a provider that is not there": lambda channel: channel.declare_queue(queue_of("dss")),
    "declares a queue of a name that the broker chooses": lambda channel: channel.declare_queue(),
    "declares an exchange": lambda channel: channel.declare_exchange("bouquet.acme"),
    "declares the reply exchange anew": lambda channel: channel.declare_exchange(REPLY_EXCHANGE, durable=True),
    "deletes another provider's queue": lambda channel: channel.queue_delete(CNAF),
    "deletes a gateway's reply queue": lambda channel: channel.queue_delete(THE_REPLY_QUEUE),
    "deletes the journal": lambda channel: channel.queue_delete(JOURNAL_QUEUE),
    "deletes the reply exchange": lambda channel: channel.exchange_delete(REPLY_EXCHANGE),
    "asks another provider": publishes("", CNAF),
    "asks the registry": publishes("", REGISTRY),
    "writes to the journal": publishes("", JOURNAL_QUEUE),
    "writes to a gateway past the reply exchange": publishes("", THE_REPLY_QUEUE),
    "writes to its own queue": publishes("", ACME),
    "publishes to another exchange": publishes("amq.topic", CNAF),
    "dead-letters through the default exchange": dead_letters_to("", JOURNAL_QUEUE),
    "dead-letters through another exchange": dead_letters_to("amq.topic", CNAF),
    "sends what is unrouted through the default exchange": unrouted_go_to(""),
    "sends what is unrouted to another exchange": unrouted_go_to("amq.fanout"),
}


async def _is_refused(url: str, attack: Attack) -> bool:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        try:
            async with asyncio.timeout(TEST_TIMEOUT_S):
                await attack(channel)
        except REFUSED:
            return True
        return False


@broker
@pytest.mark.parametrize("name", ATTACKS)
async def test_a_provider_is_refused_the_queues_and_exchanges_of_others(
    name: str, guarded: RestrictedVhost, foreign_queue: AbstractQueue
) -> None:
    assert await _is_refused(guarded.url("acme"), ATTACKS[name])
    assert (await foreign_queue.declare()).message_count == 0


@broker
async def test_a_reply_with_an_unknown_routing_key_is_dropped(
    guarded: RestrictedVhost, foreign_queue: AbstractQueue
) -> None:
    """Tests that the broker returns a worker's replies whose routing keys belong to no reply queue, and puts them in no
    queue."""
    async with await aio_pika.connect(guarded.url("acme")) as connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        replies = await channel.get_exchange(REPLY_EXCHANGE, ensure=False)
        for key in (CNAF, JOURNAL_QUEUE, "#", "*", "", f"{REPLY_EXCHANGE}.#"):
            with pytest.raises(PublishError):
                await replies.publish(MESSAGE, key, mandatory=True)
    assert (await foreign_queue.declare()).message_count == 0


@broker
async def test_a_provider_cannot_speak_as_another_user(guarded: RestrictedVhost) -> None:
    async with await aio_pika.connect(guarded.url("acme")) as connection:
        channel = await connection.channel()
        replies = await channel.get_exchange(REPLY_EXCHANGE, ensure=False)
        with pytest.raises(ChannelPreconditionFailed):
            await replies.publish(aio_pika.Message(b"{}", user_id="bouquet-cnaf"), "", mandatory=False)


@broker
async def test_a_provider_cannot_take_all_the_connections_of_the_broker(guarded: RestrictedVhost) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(AMQPError):
            for _ in range(65):
                await stack.enter_async_context(await aio_pika.connect(guarded.url("acme")))


@broker
async def test_a_provider_cannot_enter_another_vhost(guarded: RestrictedVhost, rabbit: RabbitNode) -> None:
    elsewhere = URL(guarded.url("acme")).with_path(URL(rabbit.vhost()).path)
    with pytest.raises(AMQPError):
        await aio_pika.connect(str(elsewhere))


@broker
async def test_a_wrong_broker_password_is_refused(guarded: RestrictedVhost) -> None:
    with pytest.raises(ProbableAuthenticationError):
        await aio_pika.connect(str(URL(guarded.url("acme")).with_password("bouquet")))


GATEWAY_ATTACKS: dict[str, Attack] = {
    "reads a provider's questions": consumes(CNAF),
    "reads the journal": gets(JOURNAL_QUEUE),
    "declares the journal anew": lambda channel: channel.declare_queue(JOURNAL_QUEUE),
    "deletes the journal": lambda channel: channel.queue_delete(JOURNAL_QUEUE),
    "deletes a provider's queue": lambda channel: channel.queue_delete(CNAF),
    "binds a provider's queue": binds(CNAF, REPLY_EXCHANGE, "key"),
    "reads another gateway's replies": consumes(THE_REPLY_QUEUE),
}


@broker
@pytest.mark.parametrize("name", GATEWAY_ATTACKS)
async def test_a_gateway_may_only_send_requests_and_read_its_own_replies(
    name: str, guarded: RestrictedVhost, foreign_queue: AbstractQueue
) -> None:
    assert await _is_refused(guarded.url("gateway"), GATEWAY_ATTACKS[name])


REGISTRY_ATTACKS: dict[str, Attack] = {
    "reads a provider's questions": consumes(CNAF),
    "asks a provider": publishes("", CNAF),
    "reads a gateway's replies": consumes(THE_REPLY_QUEUE),
    "takes a record before it is written": gets(JOURNAL_QUEUE),
    "empties the journal's queue": lambda channel: channel.queue_delete(JOURNAL_QUEUE),
}
JOURNAL_ATTACKS: dict[str, Attack] = {
    "reads a provider's questions": consumes(CNAF),
    "reads what gateways ask the registry": consumes(REGISTRY),
    "asks the registry": publishes("", REGISTRY),
    "reads a gateway's replies": consumes(THE_REPLY_QUEUE),
}


@broker
@pytest.mark.parametrize("name", JOURNAL_ATTACKS)
async def test_the_journal_s_writer_may_only_read_its_own_queue(
    name: str, guarded: RestrictedVhost, foreign_queue: AbstractQueue
) -> None:
    assert await _is_refused(guarded.url("journal"), JOURNAL_ATTACKS[name])


@broker
@pytest.mark.parametrize("name", REGISTRY_ATTACKS)
async def test_the_registry_is_refused_the_queues_and_exchanges_of_others(
    name: str, guarded: RestrictedVhost, foreign_queue: AbstractQueue
) -> None:
    assert await _is_refused(guarded.url("registry"), REGISTRY_ATTACKS[name])


# Honest processes need no further rights


@broker
async def test_a_mesh_of_processes_works_with_the_generated_broker_rights(guarded: RestrictedVhost) -> None:
    async with process_mesh(guarded.url("gateway")) as system:
        for provider in ("cnaf", "msa"):
            await system.worker(provider, BOUQUET_BUS_URL=guarded.url(provider))
        _, client = await system.gateway()
        for person, fund in ((CAF_ALLOCATAIRE, "CNAF"), (MSA_ALLOCATAIRE, "MSA")):
            assert (await client.get(params=person)).summary == f"200 {fund}"
        for process in system.processes:
            assert not process.logged("broker unavailable")
        for name in ("gateway", "cnaf", "msa"):
            password = (guarded.passwords / f"bouquet-{name}").read_text()
            assert not any(password in process.output for process in system.processes)


@broker
async def test_registry_and_journal_work_with_the_generated_broker_rights(guarded: RestrictedVhost) -> None:
    async with (
        open_bus(guarded.url("registry"), "registry") as registry,
        open_bus(guarded.url("gateway"), "gateway") as gateway,
        serving(registry, reply_found, provider="registry"),
        open_outbox(guarded.url("journal"), "registry journal") as inbox,
        open_outbox(guarded.url("gateway"), "gateway journal") as outbox,
        inbox.collect() as batches,
    ):
        await until(lambda: gateway.ready)
        assert await gateway.call("registry", lookup_request()) == FOUND
        await sent(outbox, b"a record")
        async with asyncio.timeout(TEST_TIMEOUT_S):
            batch = await anext(batches)
        assert batch.bodies[0] == b"a record"
        await batch.done()
    async with await aio_pika.connect(guarded.operator) as operator:
        await (await operator.channel()).queue_delete(JOURNAL_QUEUE)


async def sent(outbox: Outbox, body: bytes) -> None:
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while True:
            try:
                return await outbox.send([body])
            except NotSent:
                await asyncio.sleep(0.05)
