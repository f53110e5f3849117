"""Costs of an idle gateway or worker: its own CPU, and the CPU and memory that it takes in RabbitMQ."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

from bench.capacity.figure import Figure, tree_cpu_s
from bouquet_mesh.bus.open import open_bus
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Describe, NotFound, Reply, Request
from tests.support.rabbitmq import RabbitNode

PROCESSES = 20
WINDOW_S = 10.0
SETTLING_S = 3.0


async def figures(node: RabbitNode) -> list[Figure]:
    found: list[Figure] = []
    alone_s, _ = await _rest(node)
    for kind, enter in (("gateway", _gateway), ("worker", _worker)):
        before = _memory(node)
        async with AsyncExitStack() as stack:
            for number in range(PROCESSES):
                await enter(stack, node.url, number)
            grown = (_memory(node) - before) / PROCESSES
            theirs_s, ours_s = await _rest(node)
        found += [
            Figure(f"idle {kind}", "its connection and queue, at the broker", grown, "bytes"),
            Figure(f"idle {kind}", "CPU a second, at the broker", (theirs_s - alone_s) / PROCESSES * 1e6, "µs"),
            Figure(f"idle {kind}", "CPU a second, of its own", ours_s / PROCESSES * 1e6, "µs"),
        ]
    return found


async def _gateway(stack: AsyncExitStack, url: str, number: int) -> None:
    """Connects to the bus as a gateway does. Makes one call, so that the gateway's reply queue is created."""
    bus = await stack.enter_async_context(open_bus(url, f"gateway {number}"))
    await bus.call("nobody", Describe(id="1", deadline=Deadline.after(5).at))


async def _worker(stack: AsyncExitStack, url: str, number: int) -> None:
    bus = await stack.enter_async_context(open_bus(url, f"worker {number}"))
    await stack.enter_async_context(bus.serve(f"p{number}", _answer, concurrency=50))


async def _answer(_: Request) -> Reply:
    return NotFound("token_invalid")


async def _rest(node: RabbitNode) -> tuple[float, float]:
    """Waits until broker and process are idle. Then returns the average CPU use of each, the broker's first, in CPU
    seconds per second."""
    await asyncio.sleep(SETTLING_S)
    began, theirs, ours = time.monotonic(), tree_cpu_s(node.pid), time.process_time()
    await asyncio.sleep(WINDOW_S)
    lasted = time.monotonic() - began
    return (tree_cpu_s(node.pid) - theirs) / lasted, (time.process_time() - ours) / lasted


def _memory(node: RabbitNode) -> float:
    return float(node.ctl("eval", "[garbage_collect(P) || P <- processes()], erlang:memory(processes_used).").strip())
