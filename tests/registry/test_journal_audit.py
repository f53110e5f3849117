"""Tests that a verification of the journal finds every forged change, and names the first wrong record."""

from __future__ import annotations

import asyncio
from itertools import count as count_from

import pytest
from msgspec import structs

from bouquet_proto.access_record import encode
from bouquet_registry.journal import audit
from bouquet_registry.journal.audit import ROWS_PER_READ, BrokenChain, prune, read_ends, verify
from bouquet_registry.journal.chain import Link
from bouquet_registry.journal.writer import parse_records
from bouquet_registry.refusals import RefusalError
from bouquet_registry.store import Store
from tests.registry.accesses import NOON, PSEUDONYM, access, count, ids, tamper, write

SWAP = (
    "UPDATE journal SET number = -1 WHERE number = 4",
    "UPDATE journal SET number = 4 WHERE number = 5",
    "UPDATE journal SET number = 5 WHERE number = -1",
)
FORGED_ROW = (
    "INSERT INTO journal SELECT 11, 'forged', at, outcome, status, code, operation, habilitation, token, recipient, "
    "provider, regime, cached, duration_ms, trace_id, person, key, previous, hash, pruned_to, request_id, "
    "found, purpose FROM journal WHERE number = 10"
)
SHIFT = (
    "UPDATE journal SET number = number + 100 WHERE number > 3",
    "UPDATE journal SET number = number - 101 WHERE number > 103",
)
INDEX = "record {} is not the one that the index of people found was made of"
GONE = "the records up to {} are gone and no record tells of their pruning"
PRUNED = (
    "UPDATE journal_head SET pruned_number = {0}, pruned_hash = (SELECT previous FROM journal WHERE number = {0} + 1)"
)
TWO_HEADS = "INSERT INTO journal_head SELECT 2, number, hash, pruned_number, pruned_hash, pruning FROM journal_head"
FORGERIES = {
    "a changed outcome": (["UPDATE journal SET outcome = 'not_found' WHERE number = 4"], "record 4 was changed"),
    "a changed second": (["UPDATE journal SET at = at + 1 WHERE number = 4"], "record 4 was changed"),
    "a forgotten person": (["UPDATE journal SET person = previous WHERE number = 4"], "record 4 was changed"),
    "a person found, forgotten": (["UPDATE journal SET found = person WHERE number = 4"], "record 4 was changed"),
    "a record that the index forgot": (["DELETE FROM journal_found WHERE number = 4"], INDEX.format(4)),
    "a record that the index invented": (["INSERT INTO journal_found VALUES (5, 1)"], INDEX.format(5)),
    "a record that the index moved": (
        ["UPDATE journal_found SET prefix = 1 - prefix WHERE number = 4"],
        INDEX.format(4),
    ),
    "another request": (["UPDATE journal SET request_id = 'x' WHERE number = 4"], "record 4 was changed"),
    "another hash": (["UPDATE journal SET hash = previous WHERE number = 4"], "record 4 was changed"),
    "another hash before": (["UPDATE journal SET previous = hash WHERE number = 4"], "record 4 was changed"),
    "a removed record": (["DELETE FROM journal WHERE number = 4"], "record 4 is missing"),
    "the first ones removed": (["DELETE FROM journal WHERE number < 4"], "record 1 is missing"),
    "the last ones removed": (["DELETE FROM journal WHERE number > 8"], "record 9 is missing"),
    "all removed": (["DELETE FROM journal"], "record 1 is missing"),
    "two in each other's place": (list(SWAP), "record 4 was changed"),
    "one removed, the others moved up": (["DELETE FROM journal WHERE number = 3", *SHIFT], "record 3 was changed"),
    "one more at the end": ([FORGED_ROW], "record 11 was not written by the journal"),
    "another head": (["UPDATE journal_head SET hash = pruned_hash"], "record 10 is not the one that was written last"),
    "a head gone back": (["UPDATE journal_head SET number = 8"], "record 8 is not the one that was written last"),
    "a head gone ahead": (["UPDATE journal_head SET number = 12"], "record 11 is missing"),
    "a start gone ahead": (["UPDATE journal_head SET pruned_number = 3"], GONE.format(3)),
    "the first ones gone as if pruned": (
        ["DELETE FROM journal WHERE number <= 6", PRUNED.format(6)],
        GONE.format(6),
    ),
    "all gone as if pruned": (
        ["DELETE FROM journal", "UPDATE journal_head SET pruned_number = number, pruned_hash = hash"],
        GONE.format(10),
    ),
    "a pruning told by a record of a call": (
        ["DELETE FROM journal WHERE number <= 6", PRUNED.format(6), "UPDATE journal_head SET pruning = 8"],
        GONE.format(6),
    ),
    "two heads": ([TWO_HEADS], "journal_head has 2 rows instead of one"),
}


async def ten(store: Store) -> Link:
    found = {4: (PSEUDONYM, "ab" * 32)}
    await write(store, [access(n, at=NOON.timestamp() + n, found=found.get(n, ())) for n in range(1, 8)])
    await write(store, [access(n, at=NOON.timestamp() + n) for n in range(8, 11)])
    return (await read_ends(store)).head


async def test_an_untouched_journal_verifies(store: Store) -> None:
    assert (await verify(store)).head.number == 0
    head = await ten(store)
    assert (await verify(store)).head == head
    assert (await verify(store, since=5)).head == head
    assert (await verify(store, since=11)).head == head
    assert (await verify(store, noted=head)).head == head


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_verify_finds_each_kind_of_forgery(store: Store, forgery: str) -> None:
    statements, told = FORGERIES[forgery]
    await ten(store)
    await tamper(store, *statements)
    with pytest.raises(BrokenChain, match=f"^{told}$"):
        await verify(store)


async def test_a_rewritten_journal_is_found_by_a_noted_head(store: Store) -> None:
    """Tests that a verification detects that the last records were deleted and the rest is a valid chain. It does so
    only if it is given the number and hash of the last record, noted before the deletion."""
    noted = await ten(store)
    await tamper(store, "DELETE FROM journal WHERE number > 8", _head_of(8))
    assert (await verify(store)).head.number == 8
    with pytest.raises(BrokenChain, match=r"^record 9 is missing: the journal went to 10$"):
        await verify(store, noted=noted)
    await write(store, [access(n) for n in range(11, 15)])
    assert (await verify(store)).head.number == 12
    with pytest.raises(BrokenChain, match=r"^record 10 is not the one that was noted$"):
        await verify(store, noted=noted)


def _head_of(number: int) -> str:
    hash_of = f"(SELECT hash FROM journal WHERE number = {number})"
    return f"UPDATE journal_head SET number = {number}, hash = {hash_of}"


async def test_verify_may_start_at_a_later_record(store: Store) -> None:
    await ten(store)
    await tamper(store, "UPDATE journal SET outcome = 'failed' WHERE number = 4")
    assert (await verify(store, since=5)).head.number == 10
    with pytest.raises(BrokenChain, match=r"^record 4 was changed$"):
        await verify(store, since=4)
    with pytest.raises(RefusalError, match=r"^the journal ends at 10$"):
        await verify(store, since=12)
    with pytest.raises(RefusalError, match=r"^record 3 is not among those to be verified$"):
        await verify(store, since=6, noted=Link(3, "00" * 32))


async def test_a_pruned_journal_still_verifies(store: Store) -> None:
    head = await ten(store)
    assert await prune(store, NOON.timestamp() + 5) == 4
    *kept, told = await ids(store)
    assert kept == [str(n) for n in range(5, 11)]
    verified = await verify(store, noted=head)
    assert verified.head.number == 11
    [pruning] = verified.prunings
    assert (pruning.access.id, pruning.access.pruned_to) == (told, str((await read_ends(store)).pruned))
    assert (await verify(store, since=2, noted=head)).head == verified.head
    assert await prune(store, NOON.timestamp() + 5) == 0
    await tamper(store, "DELETE FROM journal WHERE number = 5")
    with pytest.raises(BrokenChain, match=r"^record 5 is missing$"):
        await verify(store)


def pruned_under_way(monkeypatch: pytest.MonkeyPatch, store: Store, to: int) -> None:
    """Makes a verification read three records at a time, and prunes the journal between its first and second read."""
    monkeypatch.setattr(audit, "ROWS_PER_READ", 3)
    piece, reads = audit._read_rows, count_from(1)

    async def meanwhile(store: Store, after: int, last: int) -> tuple[list[audit.StoredRecord], Link]:
        if next(reads) == 2:
            await prune(store, NOON.timestamp() + to + 1)
        return await piece(store, after, last)

    monkeypatch.setattr(audit, "_read_rows", meanwhile)


@pytest.mark.parametrize("to", [2, 3, 5, 9, 10])
async def test_a_journal_pruned_during_its_verification_verifies(
    store: Store, monkeypatch: pytest.MonkeyPatch, to: int
) -> None:
    head = await ten(store)
    pruned_under_way(monkeypatch, store, to)
    assert (await verify(store)).head == head
    assert (await read_ends(store)).pruned.number == to


async def test_a_forgery_after_concurrently_pruned_records_is_found(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ten(store)
    await tamper(store, "DELETE FROM journal WHERE number = 8")
    pruned_under_way(monkeypatch, store, 6)
    with pytest.raises(BrokenChain, match=r"^record 8 is missing$"):
        await verify(store)


async def test_a_noted_record_pruned_meanwhile_is_refused_not_broken(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ten(store)
    pruned_under_way(monkeypatch, store, 6)
    with pytest.raises(RefusalError, match=r"^record 5 was pruned meanwhile$") as told:
        await verify(store, noted=Link(5, "00" * 32))
    assert not isinstance(told.value, BrokenChain)


async def test_verifying_and_pruning_at_once_raise_no_false_alarm(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "ROWS_PER_READ", 20)
    await write(store, [access(n, at=NOON.timestamp() + n) for n in range(1, 1001)])
    pruning = asyncio.create_task(prune(store, NOON.timestamp() + 801))
    verified = 0
    while not pruning.done():
        await verify(store)
        await verify(store, since=(await read_ends(store)).pruned.number + 15)
        verified += 1
    assert await pruning == 800
    assert verified
    assert (await verify(store)).head.number == 1001


async def test_a_journal_pruned_to_its_last_record_takes_new_ones(store: Store) -> None:
    await ten(store)
    assert await prune(store, NOON.timestamp() + 1000) == 10
    assert (await verify(store)).head.number == 11
    await write(store, [access(11)])
    assert (await verify(store)).head.number == 12


async def test_a_second_pruning_may_remove_the_record_of_the_first(store: Store) -> None:
    await ten(store)
    assert await prune(store, NOON.timestamp() + 5, lambda: NOON.timestamp() + 50) == 4
    assert await prune(store, NOON.timestamp() + 1000) == 7
    [second] = (await verify(store)).prunings
    assert second.link.number == 12


async def test_the_refusal_of_a_pruned_noted_record_names_its_pruning(store: Store) -> None:
    await ten(store)
    await prune(store, NOON.timestamp() + 5, NOON.timestamp)
    told = r"^record 2 was pruned: record 11 of 2026-04-15 tells that the records up to 4 were removed$"
    with pytest.raises(RefusalError, match=told):
        await verify(store, noted=Link(2, "00" * 32))


async def test_a_noted_head_that_was_pruned_does_not_verify(store: Store) -> None:
    noted = await ten(store)
    await prune(store, NOON.timestamp() + 1000)
    with pytest.raises(RefusalError, match=r"^record 10 was pruned: record 11 of "):
        await verify(store, noted=noted)


async def test_a_gateway_cannot_send_a_record_of_a_pruning() -> None:
    sent = [access(1), structs.replace(access(2), outcome="pruned"), structs.replace(access(3), pruned_to="2:00")]
    batch = parse_records(map(encode, sent))
    assert [kept.id for kept in batch.accesses] == ["1"]
    assert len(batch.aside) == 2


async def test_pruning_stops_at_the_first_young_record(store: Store) -> None:
    """Tests that pruning stops at the first record that is too young, and keeps even older records that come after
    it."""
    await write(store, [access(1, at=1.0), access(2, at=3.0), access(3, at=1.0)])
    assert await prune(store, 2.0) == 1
    assert (await ids(store))[:2] == ["2", "3"]


async def test_a_record_dated_ahead_does_not_stop_pruning(store: Store) -> None:
    ahead = NOON.timestamp() + 400 * 24 * 3600
    await write(store, [access(1, at=ahead)])
    await write(store, [access(n, at=NOON.timestamp() + n) for n in range(2, 6)])
    assert await prune(store, NOON.timestamp() + 4, lambda: NOON.timestamp() + 60) == 3


async def test_pruning_does_not_hide_a_forgery(store: Store) -> None:
    await ten(store)
    await tamper(store, "UPDATE journal SET outcome = 'failed' WHERE number = 4")
    with pytest.raises(BrokenChain, match=r"^record 4 was changed$"):
        await prune(store, NOON.timestamp() + 1000)
    assert await count(store) == 10


async def test_a_long_journal_is_verified_in_several_reads(store: Store) -> None:
    for begin in range(0, 2 * ROWS_PER_READ, ROWS_PER_READ):
        await write(store, [access(n) for n in range(begin, begin + ROWS_PER_READ + 1)])
    assert (await verify(store)).head.number == 2 * ROWS_PER_READ + 1
    await tamper(store, f"UPDATE journal SET status = 418 WHERE number = {ROWS_PER_READ + 1}")
    with pytest.raises(BrokenChain, match=f"^record {ROWS_PER_READ + 1} was changed$"):
        await verify(store)


async def test_verify_finds_a_record_that_is_there_although_it_was_pruned(store: Store) -> None:
    await write(store, [access(n, at=NOON.timestamp() + n) for n in range(1, 11)])
    await prune(store, NOON.timestamp() + 4, lambda: NOON.timestamp() + 100)
    await tamper(store, FORGED_ROW.replace("SELECT 11", "SELECT 2"))
    with pytest.raises(BrokenChain, match="record 2 is there, although the records up to 3 were pruned"):
        await verify(store)
    with pytest.raises(BrokenChain, match="record 2 is there"):
        await prune(store, NOON.timestamp() + 6, lambda: NOON.timestamp() + 100)
