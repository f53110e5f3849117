"""Assertions about the answers and the journal at the end of an upgrade or rolling restart."""

from __future__ import annotations

import asyncio

from tests.support.waiting import TEST_TIMEOUT_S
from tests.upgrade.load import Load
from tests.upgrade.mesh import UpgradeMesh

CALLS_PER_FAILURE = 1000
"""Number of calls for each allowed failure, that is, a documented error instead of a right answer. A run with fewer
calls allows no failure."""


async def check_calls_and_journal(mesh: UpgradeMesh, load: Load) -> None:
    """Asserts that every call was answered, that no answer is wrong, and that at most one call in `CALLS_PER_FAILURE`
    got an error. Asserts also that the journal is intact, with exactly one record of each answer that must be
    recorded."""
    assert mesh.ended() == []
    assert load.lost == []
    assert load.violations == []
    assert load.failed * CALLS_PER_FAILURE <= load.count, load.answered
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while not load.recorded <= (await mesh.records()).keys():  # noqa: ASYNC110 - other processes, without an event
            await asyncio.sleep(0.5)
    records = await mesh.records()
    assert {id_: records[id_] for id_ in load.recorded if records[id_] != 1} == {}
    assert await mesh.count_aside() == 0
    assert await mesh.count_people_found() > 0
