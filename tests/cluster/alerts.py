"""Alerts about a cluster of RabbitMQ nodes."""

from __future__ import annotations

import asyncio

from tests.deploy.causes import FIRED_IN_A_CLUSTER
from tests.support.prometheus import PrometheusServer
from tests.support.waiting import TEST_TIMEOUT_S


async def until_firing(watch: PrometheusServer, firing: set[str]) -> None:
    """Waits until every alert in `firing` fires, and no other alert of `FIRED_IN_A_CLUSTER` does."""
    wanted = {name for name, _ in FIRED_IN_A_CLUSTER}
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while True:
            found = await asyncio.to_thread(watch.query, 'ALERTS{alertstate="firing"}')
            if {one["metric"]["alertname"] for one in found} & wanted == firing:
                return
            await asyncio.sleep(0.2)
