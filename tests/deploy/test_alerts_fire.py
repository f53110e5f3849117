"""Every alert fires because of what it is about, and clears once that is over: the real rules, only faster
(tests/deploy/hastened.py), in a real Prometheus that scrapes a running mesh."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.conftest import need
from tests.deploy.causes import FIRED_BY, Cause
from tests.deploy.troubled import Alert, Mesh, troubled
from tests.support import prometheus, rabbitmq, redis

pytestmark = [pytest.mark.broker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

QUIET_S = 5


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    need(prometheus.PROGRAM is not None, "prometheus")
    need(rabbitmq.RABBITMQ_3.is_installed, "RabbitMQ")
    need(redis.PROGRAM is not None, "redis")
    folder = tmp_path_factory.mktemp("troubled")
    with rabbitmq.RabbitNode(folder / "rabbitmq", metrics=True) as node:
        async with troubled(folder, node) as made:
            yield made


async def test_nothing_fires_while_all_is_well(mesh: Mesh) -> None:
    await mesh.served()
    seen = set[Alert]()
    for _ in range(QUIET_S):
        await asyncio.sleep(1)
        seen |= await mesh.firing()
    assert seen == set()


@pytest.mark.parametrize("cause", FIRED_BY, ids=lambda cause: cause.__name__)
async def test_it_fires_and_clears(cause: Cause, mesh: Mesh) -> None:
    alerts = FIRED_BY[cause]
    async with cause(mesh):
        fired = await mesh.until(lambda firing: alerts <= firing)
    left = await mesh.until(lambda firing: not firing)
    assert (alerts - fired, left) == (set(), set())
