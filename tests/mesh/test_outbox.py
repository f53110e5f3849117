"""Tests of the outbox on both transports, memory and RabbitMQ. Tests that need RabbitMQ's own behaviour are in
test_outbox_amqp.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bouquet_mesh.outbox import memory
from bouquet_mesh.outbox.api import NotSent, Outbox
from bouquet_mesh.outbox.open import open_outbox
from bouquet_mesh.settings import SettingsError
from tests.support.outbox_collector import collecting
from tests.support.waiting import TEST_TIMEOUT_S

BROKERS = [pytest.param(name, marks=pytest.mark.broker) for name in ("rabbitmq3", "rabbitmq4")]


@pytest.fixture(params=["memory", *BROKERS])
def url(request: pytest.FixtureRequest) -> str:
    """Returns the URL of a new, empty outbox. Tests run with one in memory and with one on each version of RabbitMQ."""
    return "memory:" if request.param == "memory" else str(request.getfixturevalue(request.param).vhost())


@pytest.fixture
async def outbox(url: str) -> AsyncIterator[Outbox]:
    async with open_outbox(url, "tests") as outbox:
        async with outbox.collect():
            pass  # has been there once, and so has its queue
        yield outbox


def numbered(count: int, start: int = 0) -> list[bytes]:
    return [b"%d" % n for n in range(start, start + count)]


async def test_records_sent_to_the_outbox_are_collected(outbox: Outbox) -> None:
    async with collecting(outbox) as archive:
        await outbox.send(numbered(1000))
        await outbox.send([])
        await archive.until_collected(numbered(1000))
    assert len(archive.bodies) == 1000


async def test_a_batch_has_at_most_its_limit_and_arrives_after_the_wait_although_not_full(outbox: Outbox) -> None:
    async with outbox.collect(max_records=10, max_wait_s=0.1) as batches:
        sending = asyncio.create_task(outbox.send(numbered(25)))
        sizes: list[int] = []
        async with asyncio.timeout(TEST_TIMEOUT_S):
            while sum(sizes) < 25:
                batch = await anext(batches)
                sizes.append(len(batch.bodies))
                await batch.done()
        assert max(sizes) <= 10
        await sending
        sending = asyncio.create_task(outbox.send([b"alone"]))
        batch = await anext(batches)
        assert batch.bodies == (b"alone",)
        await batch.done()
        await sending


async def test_a_batch_that_is_not_done_is_yielded_again_to_the_same_collector(outbox: Outbox) -> None:
    async with outbox.collect() as batches:
        sending = asyncio.create_task(outbox.send([b"once more"]))
        first = await anext(batches)
        again = await anext(batches)
        assert first.bodies == again.bodies == (b"once more",)
        await again.done()
        await sending
        sending = asyncio.create_task(outbox.send([b"next"]))
        assert (await anext(batches)).bodies == (b"next",)
        sending.cancel()


async def test_records_that_a_collector_leaves_undone_go_to_the_next_collector(outbox: Outbox) -> None:
    async with outbox.collect() as batches:
        sending = asyncio.create_task(outbox.send([b"left"]))
        assert (await anext(batches)).bodies == (b"left",)
    async with collecting(outbox) as archive:
        await sending
        await archive.until_collected([b"left"])


async def test_a_collector_cancelled_while_it_gathers_returns_its_records(outbox: Outbox) -> None:
    async def collect_first_batch() -> None:
        async with outbox.collect(max_records=100, max_wait_s=3600) as batches:
            await anext(batches)

    gathering = asyncio.create_task(collect_first_batch())
    sending = asyncio.create_task(outbox.send(numbered(3)))
    await asyncio.sleep(0.2)
    gathering.cancel()
    await asyncio.wait([gathering])
    async with collecting(outbox) as archive:
        await sending
        await archive.until_collected(numbered(3))


async def test_two_collectors_share_the_records(outbox: Outbox) -> None:
    async with outbox.collect(max_records=1) as one, outbox.collect(max_records=1) as other:
        sending = [asyncio.create_task(outbox.send([body])) for body in numbered(2)]
        async with asyncio.timeout(TEST_TIMEOUT_S):
            batches = [await anext(one), await anext(other)]
        assert sorted(batch.bodies for batch in batches) == [(b"0",), (b"1",)]
        for batch in batches:
            await batch.done()
        await asyncio.gather(*sending)


async def test_records_of_any_bytes_are_collected_unchanged(outbox: Outbox) -> None:
    bodies = [b"", b"\xff\x00", b"x" * 300_000]
    async with collecting(outbox) as archive:
        await outbox.send(bodies)
        await archive.until_collected(bodies)


async def test_a_batch_may_be_done_twice(outbox: Outbox) -> None:
    async with outbox.collect(max_wait_s=0.02) as batches:
        for body in numbered(3):
            sending = asyncio.create_task(outbox.send([body]))
            batch = await anext(batches)
            assert batch.bodies == (body,)
            await batch.done()
            await batch.done()
            await sending


async def test_the_embedded_outbox_keeps_no_record_that_is_not_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_outbox("memory:", "tests") as outbox:
        with monkeypatch.context() as impatient:
            impatient.setattr(memory, "SEND_TIMEOUT_S", 0.05)
            for _ in range(3):
                with pytest.raises(NotSent):
                    await outbox.send([b"taken back"])
        async with collecting(outbox) as archive:
            await outbox.send([b"kept"])
        assert archive.bodies == [b"kept"]


async def test_the_embedded_outbox_confirms_a_record_once_its_batch_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_outbox("memory:", "tests") as outbox, outbox.collect(max_records=1) as batches:
        collected = asyncio.ensure_future(anext(batches))  # gets the record before any time limit can end the send
        with monkeypatch.context() as impatient, pytest.raises(NotSent):
            impatient.setattr(memory, "SEND_TIMEOUT_S", 0.1)
            await outbox.send([b"begun"])
        batch = await collected
        assert batch.bodies == (b"begun",)
        await batch.done()
        sending = asyncio.create_task(outbox.send([b"done"]))
        await (await anext(batches)).done()
        await sending


async def test_an_unknown_outbox_url_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="BOUQUET_BUS_URL"):
        async with open_outbox("kafka://somewhere", "tests"):
            pass
