"""Tests that processes of the former release and of this one serve callers together without a failed call. `make
upgrade` runs whole upgrades and rolling restarts, on SQLite too (`every_order.py`)."""

from __future__ import annotations

import asyncio

import pytest

from tests.upgrade.check import check_calls_and_journal
from tests.upgrade.load import under_load
from tests.upgrade.mesh import PROVIDERS, UpgradeMesh
from tests.upgrade.releases import PRESENT, Release

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
async def test_both_releases_serve_side_by_side_while_the_tables_are_migrated(
    mesh: UpgradeMesh, former: Release
) -> None:
    """Tests that every combination of a gateway and a worker, each of either release, answers calls before and after
    the migration of the registry's tables."""
    await asyncio.gather(
        mesh.start_registry("registry-1", former), *(mesh.start_worker(f"{name}-1", former) for name in PROVIDERS)
    )
    await mesh.start_gateway("gateway-1", former)
    async with under_load([await mesh.caller(former)], mesh.rotation) as load:
        await asyncio.gather(
            mesh.start_gateway("gateway-2", PRESENT), *(mesh.start_worker(f"{name}-2", PRESENT) for name in PROVIDERS)
        )
        await load.learn_errors()
        await load.answers_more()
        await mesh.migrate(PRESENT)
        await load.answers_more()
        await mesh.replace_registry("registry-1", PRESENT)
        await load.answers_more()
        for provider in PROVIDERS:
            await mesh.workers.pop(f"{provider}-1").terminate()
        await load.answers_more()
        await mesh.replace_gateway("gateway-1", PRESENT)
        await mesh.import_definitions(PRESENT)
        await load.answers_more()
    await check_calls_and_journal(mesh, load)
