"""Whole upgrades from the former release (registries first or gateways first), their rollback, and a rolling restart,
each under load. `make upgrade` runs these tests. Each takes minutes, so other test runs do not collect this file."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.upgrade.check import check_calls_and_journal
from tests.upgrade.load import Load, under_load
from tests.upgrade.mesh import PROVIDERS, UpgradeMesh
from tests.upgrade.releases import PRESENT, Release

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(1200)]

KINDS = ("registries", "workers", "gateways")
REGISTRIES = ("registry-1", "registry-2")
WORKERS = tuple(f"{provider}-{number}" for provider in PROVIDERS for number in (1, 2))
GATEWAYS = ("gateway-1", "gateway-2")


@asynccontextmanager
async def two_of_each(mesh: UpgradeMesh, release: Release) -> AsyncIterator[Load]:
    """Runs two processes of each kind under load, and at the end checks all answers and the journal."""
    await asyncio.gather(
        *(mesh.start_registry(name, release) for name in REGISTRIES),
        *(mesh.start_worker(name, release) for name in WORKERS),
    )
    await asyncio.gather(*(mesh.start_gateway(name, release) for name in GATEWAYS))
    async with under_load([await mesh.caller(release), await mesh.caller(release)], mesh.rotation) as load:
        yield load
    sys.stdout.write(f"{load.count} calls: {dict(load.answered)}\n")
    await check_calls_and_journal(mesh, load)


async def replace(mesh: UpgradeMesh, load: Load, kind: str, release: Release) -> None:
    """Replaces the processes of a kind, one after another, by processes of `release`."""
    replacements = {
        "registries": (REGISTRIES, mesh.replace_registry),
        "workers": (WORKERS, mesh.replace_worker),
        "gateways": (GATEWAYS, mesh.replace_gateway),
    }
    names, replace_one = replacements[kind]
    for name in names:
        await replace_one(name, release)
        await load.answers_more()


@pytest.mark.parametrize("order", [KINDS, KINDS[::-1]], ids=["registries first", "gateways first"])
async def test_no_call_fails_in_an_upgrade_or_its_rollback(
    mesh: UpgradeMesh, former: Release, order: tuple[str, ...]
) -> None:
    """Tests that no call fails while all processes are upgraded, and then gateways and workers are rolled back.
    Registries are not rolled back, because the former release does not know their new tables."""
    async with two_of_each(mesh, former) as load:
        for kind in order:
            if kind == "registries":
                await mesh.migrate(PRESENT)
            await replace(mesh, load, kind, PRESENT)
            await load.learn_errors()
        await mesh.import_definitions(PRESENT)
        await load.answers_more(100)
        await mesh.clear_request_policy()
        for kind in ("gateways", "workers"):
            await replace(mesh, load, kind, former)


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
async def test_no_call_is_lost_in_a_rolling_restart(mesh: UpgradeMesh) -> None:
    await mesh.migrate(PRESENT)
    await mesh.import_definitions(PRESENT)
    async with two_of_each(mesh, PRESENT) as load:
        for kind in KINDS:
            await replace(mesh, load, kind, PRESENT)
