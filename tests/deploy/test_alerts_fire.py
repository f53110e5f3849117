"""Tests that every alert fires for its cause and clears after it. A Prometheus with shorter times
(tests/deploy/fast_rules.py) scrapes a running mesh."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.conftest import need
from tests.deploy.alert_mesh import RULES, Alert, Mesh, alert_mesh
from tests.deploy.causes import FIRED_BY, Cause
from tests.deploy.dashboards import BOARDS
from tests.deploy.manifests import ROOT
from tests.support import prometheus, rabbitmq, redis

pytestmark = [pytest.mark.broker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

QUIET_LOOKS = 10
"""Number of times in a row, half a second apart, that no alert of a healthy mesh may fire."""
RUNBOOKS = ROOT / "docs" / "runbooks"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    need(prometheus.PROGRAM is not None, "prometheus")
    need(rabbitmq.RABBITMQ_4.is_installed, "RabbitMQ 4")
    need(redis.PROGRAM is not None, "redis")
    folder, release = tmp_path_factory.mktemp("troubled"), rabbitmq.RABBITMQ_4
    with release.folder() as home, rabbitmq.RabbitNode(home, metrics=True, release=release) as node:
        async with alert_mesh(folder, node) as made:
            await made.served()
            yield made


async def test_no_alert_fires_while_the_mesh_is_healthy(mesh: Mesh) -> None:
    """Tests that a healthy mesh has no alert for a while. A mesh that has just stood still with its machine is not
    healthy: with the shorter times, alerts fire, and clear again."""
    quiet_looks = 0

    def is_quiet(firing: set[Alert]) -> bool:
        nonlocal quiet_looks
        quiet_looks = 0 if firing else quiet_looks + 1
        return quiet_looks == QUIET_LOOKS

    firing = await mesh.until(is_quiet)
    assert (firing, quiet_looks) == (set(), QUIET_LOOKS)


async def test_rabbitmq_4_exports_every_metric_that_dashboards_use(mesh: Mesh) -> None:
    """Tests that RabbitMQ 4, the version in production, exports every metric of RabbitMQ that dashboards use."""
    asked = [asked for board in BOARDS.values() for asked in board.asked if asked.is_about_the_broker]
    exprs = [expr for one in asked for expr in one.filled({})]
    empty = [expr for expr in exprs if not await asyncio.to_thread(mesh.prometheus.has_data, expr)]
    assert exprs and empty == []


async def test_the_mesh_exports_every_metric_that_rules_and_runbooks_use(mesh: Mesh) -> None:
    told = set(await asyncio.to_thread(mesh.prometheus.get, "label/__name__/values"))
    told |= set(await asyncio.to_thread(mesh.prometheus.get, "labels"))
    texts = [path.read_text(encoding="utf-8") for path in [*RULES, *RUNBOOKS.glob("*.md")]]
    # A pattern of names, such as "rabbitmq_detailed_raft_(log_)?commit_index", is not a name.
    named = {name for text in texts for name in re.findall(r"\brabbitmq_[a-z_]+\b(?!\()", text)}
    assert named and named - told == set()


@pytest.mark.parametrize("cause", FIRED_BY, ids=lambda cause: cause.__name__)
async def test_an_alert_fires_for_its_cause_and_clears_after_it(cause: Cause, mesh: Mesh) -> None:
    alerts = FIRED_BY[cause]
    async with cause(mesh):
        fired = await mesh.until(lambda firing: alerts <= firing)
    left = await mesh.until(lambda firing: not firing)
    assert (alerts - fired, left) == (set(), set())
