"""A chaos run of two minutes. Longer runs are started by hand: `make chaos MINUTES=10 SEED=…`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.runs import RunOptions, chaos
from tests.conftest import need
from tests.support import rabbitmq, redis

BRIEF = RunOptions(seconds=70.0, seed=27, per_second=30.0, at_once=30, grace_s=5.0, heals_within_s=60.0)


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.timeout(480)
async def test_two_minutes_of_chaos_break_no_invariant(tmp_path: Path) -> None:
    need(rabbitmq.RABBITMQ_3.is_installed, "RabbitMQ")
    need(redis.PROGRAM is not None, "redis")
    episodes = list[str]()
    report = await chaos(tmp_path, BRIEF, episodes.append)
    assert report.is_good, "\n".join([*episodes, str(report)])
    assert report.episodes
    assert report.loads[-1].answered["200"]
