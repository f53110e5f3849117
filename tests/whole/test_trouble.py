"""Tests of processes that are killed, hang, are missing or send garbage. Each call ends with data or a documented
error, and the mesh recovers."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from aiohttp import ClientConnectorError, ClientError
from msgspec import Raw

from bouquet_cnaf.worker import worker as cnaf
from bouquet_proto.messages import Describe, Found, decode_request, encode
from bouquet_proto.names import QUEUE_ARGUMENTS, REPLY_EXCHANGE, queue_of
from tests.support.gateway_client import Answer, GatewayClient, unique_token
from tests.support.people import staged_query
from tests.support.processes import ProcessMesh, process_mesh
from tests.support.proxy import TcpProxy
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S, until

pytestmark = pytest.mark.broker

DEADLINE_S = 4.0
"""Deadline of calls in seconds. It is short, because tests wait for it."""

TYPED = {"200 CNAF", "200 MSA", "502 00501", "502 23001 CNAF", "502 10001 MSA", "502 35001 CNAF & MSA",
         "504 23002 CNAF", "504 10002 MSA", "504 35002 CNAF & MSA"}  # fmt: skip
"""Allowed answers to a call about a known person while parts of the mesh are broken: data or a documented error, in the
form of `Answer.summary`."""


@pytest.fixture
async def system(broker_url: str) -> AsyncIterator[ProcessMesh]:
    async with process_mesh(broker_url) as opened:
        yield opened


NUMBERS = itertools.count()


def new_people(nom: str = "CAF-FOUND") -> Iterator[dict[str, Any]]:
    """Yields queries, each about a new person, because an answer about an earlier person could come from the cache."""
    for number in NUMBERS:
        commune, year = divmod(number, 50)
        born = {"anneeDateNaissance": 1950 + year, "jourDateNaissance": 28}
        yield staged_query(nom, **born, codeCogInseeCommuneNaissance=f"{29000 + commune}")


def all_at_once(client: GatewayClient, people: Iterator[dict[str, Any]], count: int) -> list[asyncio.Task[Answer]]:
    """Starts `count` calls at once, each with a new token, and returns their tasks."""
    return [
        asyncio.create_task(client.get(params=person, token=unique_token()))
        for person in itertools.islice(people, count)
    ]


async def until_recovered(client: GatewayClient, told: str = "200 CNAF") -> None:
    """Repeats a call until the summary of the answer is `told`, with a new person each time. Fails if an earlier
    summary is not one of `TYPED`."""
    people = new_people()
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while (answer := await client.get(params=next(people))).summary != told:
            assert answer.summary in TYPED
            await asyncio.sleep(0.02)


@asynccontextmanager
async def under_load(client: GatewayClient, clients: int = 10) -> AsyncIterator[list[Answer]]:
    """Runs `clients` clients that call again and again, and yields the list to which they add their answers."""
    people, told = new_people(), list[Answer]()

    async def call_on() -> None:
        while True:
            told.append(await client.get(params=next(people)))
            await asyncio.sleep(0.005)  # errors come at once, and a broker that starts needs the processor

    load = [asyncio.create_task(call_on()) for _ in range(clients)]
    try:
        await until(lambda: len(told) > 2 * clients)
        yield told
    finally:
        for task in load:
            task.cancel()
        await asyncio.gather(*load, return_exceptions=True)
    assert [task.exception() for task in load if not task.cancelled()] == []


async def calls_on(told: list[Answer], count: int = 50) -> None:
    """Waits until `told`, the list of answers that `under_load` yields, has grown by more than `count` answers."""
    seen = len(told)
    await until(lambda: len(told) > seen + count)


def check(told: list[Answer], allowed: set[str]) -> None:
    assert {answer.summary for answer in told} <= allowed


async def test_calls_of_a_killed_worker_are_answered_by_the_other_one(system: ProcessMesh) -> None:
    victim, _, _ = await asyncio.gather(system.worker("cnaf"), system.worker("cnaf"), system.worker("msa"))
    _, client = await system.gateway(deadline_s=30.0)
    system.upstreams.hold()
    calls = all_at_once(client, new_people(), 60)
    await until(lambda: len(system.received("cnaf")) == 60)
    await victim.kill()
    await until(lambda: len(system.received("cnaf")) > 60)  # asked again, by the other
    system.upstreams.open.set()
    check(await asyncio.gather(*calls), {"200 CNAF"})


async def test_callers_notice_nothing_of_a_worker_killed_again_and_again(system: ProcessMesh) -> None:
    await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
    _, client = await system.gateway(deadline_s=30.0)
    async with under_load(client) as told:
        for _ in range(3):
            victim = await system.worker("cnaf")
            await calls_on(told)
            await victim.kill()
            await calls_on(told)
    check(told, {"200 CNAF"})


async def test_the_last_worker_killed_in_mid_call_is_a_typed_error_and_so_is_the_next_call(system: ProcessMesh) -> None:
    victim, _ = await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
    _, client = await system.gateway(deadline_s=DEADLINE_S, hedge_after_s=0.5)
    system.upstreams.hold()
    calls = all_at_once(client, new_people(), 60)
    await until(lambda: len(system.received("cnaf")) == 50)  # as many as it takes at a time
    await victim.kill()
    system.upstreams.open.set()
    check(await asyncio.gather(*calls), {"504 23002 CNAF", "502 23001 CNAF", "504 35002 CNAF & MSA"})
    assert (await client.get(params=staged_query("CAF-FOUND"))).summary == "502 23001 CNAF"
    await system.worker("cnaf")
    await until_recovered(client)


async def test_a_stopping_worker_answers_its_running_calls(system: ProcessMesh) -> None:
    leaving, _ = await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
    _, client = await system.gateway(deadline_s=30.0)
    system.upstreams.hold()
    calls = all_at_once(client, new_people(), 40)
    await until(lambda: len(system.received("cnaf")) == 40)
    stopping = asyncio.create_task(leaving.stop())
    await leaving.until_logged("worker stopping")
    system.upstreams.open.set()
    check(await asyncio.gather(*calls), {"200 CNAF"})
    assert await stopping == 0
    assert len(system.received("cnaf")) == 40


async def test_a_stopping_gateway_answers_its_running_calls(system: ProcessMesh) -> None:
    await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
    gateway, client = await system.gateway(deadline_s=30.0)
    system.upstreams.hold()
    calls = all_at_once(client, new_people(), 40)
    await until(lambda: len(system.received("cnaf")) == 40)
    stopping = asyncio.create_task(gateway.stop())
    await gateway.until_logged("gateway stopping")
    system.upstreams.open.set()
    check(await asyncio.gather(*calls), {"200 CNAF"})
    assert await stopping == 0


async def test_a_gateway_stopping_under_load_loses_no_call_sent_to_a_worker(
    system: ProcessMesh,
) -> None:
    await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
    gateway, client = await system.gateway(deadline_s=30.0)
    people, told, answered, lost = new_people(), list[str](), list[dict[str, Any]](), list[dict[str, Any]]()

    async def call_on() -> None:
        while True:
            person = next(people)
            try:
                told.append((await client.get(params=person)).summary)
                answered.append(person)
            except ClientConnectorError:
                return
            except ClientError:  # sent as an idle connection was closed
                lost.append(person)

    clients = [asyncio.create_task(call_on()) for _ in range(10)]
    await until(lambda: len(told) > 50)
    assert await gateway.stop() == 0
    await asyncio.gather(*clients)
    assert set(told) == {"200 CNAF"}

    def was_asked(person: dict[str, Any]) -> bool:
        """Reports whether the simulated CAF received a request about this person."""
        name = (f"{person['anneeDateNaissance']}-02-28", person["codeCogInseeCommuneNaissance"])
        return any(all(part in str(received.query) for part in name) for received in system.received("cnaf"))

    assert was_asked(answered[-1])
    assert not [person for person in lost if was_asked(person)]


async def test_a_missing_worker_is_reported_before_the_deadline(system: ProcessMesh) -> None:
    await system.worker("msa")
    _, client = await system.gateway(deadline_s=30.0)
    answers = [await client.get(params=staged_query(nom)) for nom in ("MSA-FOUND", "MSA-NO-FILE", "MSA-UNAVAILABLE")]
    assert [answer.summary for answer in answers] == ["200 MSA", "502 23001 CNAF", "502 35001 CNAF & MSA"]
    await system.worker("cnaf")
    await until_recovered(client)


async def test_a_hanging_worker_is_a_typed_error_and_answers_after_it_resumes(system: ProcessMesh) -> None:
    hanging, _ = await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
    _, client = await system.gateway(deadline_s=DEADLINE_S, hedge_after_s=0.2)
    hanging.signal(signal.SIGSTOP)
    check(await asyncio.gather(*all_at_once(client, new_people("MSA-FOUND"), 20)), {"200 MSA"})
    check(await asyncio.gather(*all_at_once(client, new_people("CAF-INCOMPLETE"), 20)), {"504 23002 CNAF"})
    hanging.signal(signal.SIGCONT)
    # What waited in the stopped process is counted from its arrival there, and may still be asked (docs/adr/0014).
    await until_recovered(client)


async def test_a_hanging_upstream_is_a_typed_error(system: ProcessMesh) -> None:
    await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
    _, client = await system.gateway(deadline_s=DEADLINE_S, hedge_after_s=0.2)
    system.upstreams.hold()
    check(await asyncio.gather(*all_at_once(client, new_people(), 20)), {"504 35002 CNAF & MSA"})
    system.upstreams.open.set()
    await until_recovered(client)


GARBAGE = {
    "nothing": b"",
    "no text": b"\xff\xfe\x00",
    "no json": b"<html><body>DURANT</body></html>",
    "half a reply": b'{"type":"found","data":{"quotient_familial":',
    "no reply": b'{"nom":"DURANT"}',
    "an unknown reply": b'{"type":"perhaps","data":{}}',
    "a reply of nothing": b'{"type":"found"}',
    "a reply of no object": b'{"type":"found","data":["DURANT"]}',
    "an absence without a reason": b'{"type":"not_found"}',
    "an absence in words of its own": b'{"type":"not_found","reason":"DURANT"}',
    "a failure in words of its own": b'{"type":"failed","reason":"DURANT"}',
    "a rejection for what it cannot know": b'{"type":"rejected","reason":"token_invalid"}',
    "depths": b"[" * 200_000,
}


@asynccontextmanager
async def garbage_worker(url: str, provider: str) -> AsyncIterator[Callable[[bytes], None]]:
    """Runs a worker that gives a valid offer but replies to lookups with arbitrary bytes. Yields a function that sets
    these bytes."""
    words = [b""]
    offer = encode(Found(Raw(encode(cnaf.offer()))))
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        replies = await channel.get_exchange(REPLY_EXCHANGE, ensure=False)
        queue = await channel.declare_queue(
            queue_of(provider), durable=True, auto_delete=True, arguments=QUEUE_ARGUMENTS
        )

        async def reply_garbage(message: AbstractIncomingMessage) -> None:
            describing = isinstance(decode_request(message.body), Describe)
            reply = aio_pika.Message(offer if describing else words[0], correlation_id=message.correlation_id)
            await replies.publish(reply, message.reply_to or "")
            await message.ack()

        await queue.consume(reply_garbage)
        yield lambda said: words.__setitem__(0, said)


async def test_a_worker_s_garbage_is_a_typed_error_that_quotes_none_of_it(system: ProcessMesh, broker_url: str) -> None:
    await system.worker("msa")
    async with garbage_worker(broker_url, "cnaf") as say:
        gateway, client = await system.gateway(deadline_s=30.0)
        people = new_people()
        told: dict[str, str] = {}
        for garbage, said in GARBAGE.items():
            say(said)
            answer = await client.get(params=next(people))
            told[garbage] = answer.summary
            assert "DURANT" not in answer.body.decode()
    assert told == dict.fromkeys(GARBAGE, "502 23999 CNAF")
    assert "DURANT" not in gateway.output


async def test_a_mesh_started_before_its_broker_works_once_it_is_there(rabbit: RabbitNode) -> None:
    async with TcpProxy(rabbit.vhost()) as relay, process_mesh(relay.url) as system:
        await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
        _, client = await system.gateway(deadline_s=30.0)
        answer = await client.get(params=staged_query("CAF-FOUND"))
        assert (answer.summary, answer.headers["Retry-After"]) == ("502 00501", "10")
        alive, ready = await client.get("/livez"), await client.get("/readyz")
        assert (alive.status, ready.status, ready.json["for"]) == (200, 503, ["bus", "offers"])
        await relay.open()
        await until_recovered(client)
        assert (await client.get("/readyz")).status == 200


async def test_calls_succeed_again_after_a_network_cut_under_load(rabbit: RabbitNode) -> None:
    async with TcpProxy(rabbit.vhost()) as relay:
        await relay.open()
        async with process_mesh(relay.url) as system:
            await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
            _, client = await system.gateway(deadline_s=DEADLINE_S, hedge_after_s=0.5)
            async with under_load(client) as told:
                await relay.close()
                await calls_on(told)
                assert told[-1].summary == "502 00501"
                await relay.open()
                await until_recovered(client)
            check(told, TYPED)


async def test_calls_succeed_again_after_a_broker_restart_under_load(rabbit: RabbitNode) -> None:
    url = rabbit.vhost()
    rabbit.settle()
    async with process_mesh(url) as system:
        await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
        _, client = await system.gateway(deadline_s=DEADLINE_S, hedge_after_s=0.5)
        async with under_load(client, clients=4) as told:
            await asyncio.to_thread(rabbit.restart)
            await until_recovered(client)
            await calls_on(told, 10)  # those that were under way
            seen = len(told)
            await calls_on(told)
        check(told, TYPED)
        assert {answer.summary for answer in told[seen:]} == {"200 CNAF"}
