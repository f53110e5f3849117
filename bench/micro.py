"""`make bench-micro`: measures each part of a lookup, and whole calls, in µs of this process's CPU.

A whole call costs more than the sum of its parts, which have the processor's caches to themselves. The best of several
loops counts.
"""

from __future__ import annotations

import argparse
import inspect
import logging
import math
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import uvloop
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import SpanKind

from bench.parts import Part, bus_parts, cache_parts, gateway_parts, telemetry_parts, upstream_parts, worker_parts
from bench.programs import ROOT, Program
from bench.whole import whole_parts
from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.gc_tuning import exempt_started_objects
from bouquet_mesh.observe import logs, spans
from tests.support.daemon import free_port
from tests.support.rabbitmq import RabbitNode

RESULTS = ROOT / "bench" / "results" / "micro.json"
LOOPS = 7
LOOP_S = 0.03
SLOWER = 1.3
"""Factor by which a part must have become more expensive since an earlier run for the table to mark it as `SLOWER`."""


async def cost_us(part: Part) -> float:
    """Executes a part many times in each of `LOOPS` loops. Returns the average CPU time per execution, in µs, of the
    loop that used the least CPU."""
    once = await _loop(part, 1)
    turns = max(1, math.ceil(LOOP_S / max(once, 1e-7)))
    return min([await _loop(part, turns) for _ in range(LOOPS)]) / turns / part.times * 1e6


async def _loop(part: Part, turns: int) -> float:
    call = part.call
    began = time.process_time()
    if inspect.isawaitable(first := call()):
        await first
        for _ in range(turns - 1):
            await call()  # type: ignore[misc]  # as the first
    else:
        for _ in range(turns - 1):
            call()
    return time.process_time() - began


@asynccontextmanager
async def all_parts(broker_url: str, upstream_url: str, folder: Path) -> AsyncIterator[list[Part]]:
    async with AsyncExitStack() as stack:
        memory = await stack.enter_async_context(open_bus("memory:", "bench"))
        found = [
            *gateway_parts(),
            *await stack.enter_async_context(cache_parts()),
            *worker_parts(),
            *telemetry_parts(),
            *await stack.enter_async_context(bus_parts(memory, memory, "memory")),
            *await stack.enter_async_context(whole_parts(memory, folder / "journal")),
        ]
        ours, theirs = [await stack.enter_async_context(open_bus(broker_url, name)) for name in ("asks", "answers")]
        found += await stack.enter_async_context(bus_parts(ours, theirs, "RabbitMQ"))
        found += await stack.enter_async_context(upstream_parts(upstream_url))
        yield sorted(found, key=lambda part: (part.hop[0].isalpha(), len(part.hop.split()[0]), part.hop))


async def measured(broker_url: str, upstream_url: str, folder: Path) -> dict[str, float]:
    # The parts run within a trace that is not sampled, since most calls in production are not sampled either.
    trace.set_tracer_provider(TracerProvider(ParentBasedTraceIdRatio(0.0)))
    with spans.span("bench", SpanKind.SERVER, {}):
        async with all_parts(broker_url, upstream_url, folder) as parts:
            exempt_started_objects()
            return {f"{part.hop}: {part.name}": await cost_us(part) for part in parts}


def table(costs: Mapping[str, float], former: Mapping[str, float]) -> str:
    width = max(map(len, costs))
    return "\n".join(f"{name:<{width}} {cost:10.2f} µs{change(cost, former.get(name))}" for name, cost in costs.items())


def change(cost: float, before: float | None) -> str:
    """Returns text that compares a cost with the cost in an earlier run, such as `was 2.00, × 1.50`. Returns "" if
    there was no earlier run."""
    if not before:
        return ""
    ratio = cost / before
    return f"   was {before:.2f}, × {ratio:.2f}{'  SLOWER' if ratio >= SLOWER else ''}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.micro", description=__doc__)
    parser.add_argument("--against", type=Path, help="JSON file of an earlier run to compare with")
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    former = msgspec.json.decode(given.against.read_bytes(), type=dict[str, float]) if given.against else {}
    logs.configure_logs("bench", "INFO")
    with open("/dev/null", "w") as nowhere, tempfile.TemporaryDirectory(prefix="bouquet-micro-") as folder:
        logging.getLogger().handlers[0].setStream(nowhere)  # type: ignore[attr-defined]
        costs = _measured(Path(folder))
    print(table(costs, former))
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_bytes(msgspec.json.format(msgspec.json.encode(costs), indent=1) + b"\n")


def _measured(folder: Path) -> dict[str, float]:
    port = free_port()
    with (
        RabbitNode(folder / "rabbitmq") as broker,
        Program(folder / "upstream", "bench.upstream", str(port), port=port) as upstream,
    ):
        return uvloop.run(measured(broker.url, upstream.url, folder))


if __name__ == "__main__":
    main()
