"""The commands of `make cluster`, with which a person breaks and mends parts of a mesh."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.invariants import Caller
from tests.chaos.mesh import ChaosMesh
from tests.cluster.__main__ import Console, introduction
from tests.conftest import need
from tests.support import postgres, redis
from tests.support.rabbitmq_cluster import RabbitCluster

pytestmark = [pytest.mark.broker, pytest.mark.slow]


async def test_commands_break_and_mend_a_server_and_a_node(cluster: RabbitCluster, tmp_path: Path) -> None:
    need(postgres.PROGRAM is not None, "PostgreSQL")
    need(redis.PROGRAM is not None, "redis")
    printed: list[str] = []
    with redis.RedisServer(tmp_path / "redis") as server, postgres.PostgresServer() as database:
        mesh = ChaosMesh(tmp_path, cluster, server, database)
        node = cluster.nodes[2]
        text = introduction(mesh, Caller("abc.def", frozenset()))
        assert "Token: abc.def" in text
        assert f"node-3     {node.pid:>8}  {node.host}:{node.port}" in text

        async with Console(mesh, printed.append) as console:
            await console.execute("hang node-3")
            await console.execute("kill node-3")  # which hangs already
            assert node.is_running
            await console.execute("mend node-3")
            await console.execute("stop redis")
            await console.execute("kill redis")
            assert not server.is_running
        assert server.is_running

    assert printed[-1] == "redis: broken by kill, until `mend redis`"
    assert [text.startswith("kill NAME") for text in printed] == [False, True, False, True, False]
