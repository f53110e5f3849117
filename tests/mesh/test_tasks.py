"""Tests of the helpers for asyncio tasks."""

from __future__ import annotations

import asyncio

import pytest

from bouquet_mesh.tasks import wait_at_most

PATIENCE_S = 60.0


async def test_a_wait_for_a_task_ends_with_the_task() -> None:
    task = asyncio.create_task(asyncio.sleep(0, "done"))
    await wait_at_most(PATIENCE_S, task)
    assert task.result() == "done"


async def test_a_wait_for_a_task_ends_at_its_limit_and_leaves_the_task_running() -> None:
    going_on = asyncio.Event()
    task = asyncio.create_task(going_on.wait())
    await wait_at_most(0, task)
    assert not task.done()
    going_on.set()
    assert await task


async def test_a_cancelled_wait_for_a_task_leaves_the_task_running() -> None:
    going_on = asyncio.Event()
    task = asyncio.create_task(going_on.wait())
    waiting = asyncio.create_task(wait_at_most(PATIENCE_S, task))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    going_on.set()
    assert await task


async def test_a_wait_for_a_failed_task_ends_without_its_error() -> None:
    task = asyncio.create_task(_fail())
    await wait_at_most(PATIENCE_S, task)
    assert isinstance(task.exception(), ValueError)


async def _fail() -> None:
    raise ValueError
