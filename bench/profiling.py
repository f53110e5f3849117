"""`make bench-profile`: samples Bouquet under load with py-spy, and prints the cost of each function per lookup.

Samples give each function's share of the CPU that /proc reports. Use the figures to find expensive functions, not as
results: sampling slows the process, and so does other load.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
from msgspec import Struct

from bench import accounting
from bench.contenders import bouquet
from bench.mesh import mesh_of
from bench.programs import Program, plain_environ
from bench.tally import WindowMeasures
from tests.support.daemon import free_port
from tests.support.rabbitmq import RabbitNode

PY_SPY = Path(sys.executable).with_name("py-spy")
SAMPLES_PER_S = 200
CONNECTIONS = 64
WARMUP_S = 2.0
SHOWN = 25
HOMES = re.compile(r"^.*/(site-packages|python3\.\d+|proto|mesh|services/(providers/)?[^/]+)/")
"""Pattern of the leading part of a module's path, such as everything up to `site-packages/`. The tables leave it
out."""
LOOP = "Runner.run (asyncio/runners.py)"
"""Frame that marks the event loop in the stacks of py-spy. Stacks without this frame are ignored."""
# py-spy counts other threads as working even while they wait.


class Cost(Struct, frozen=True):
    """Share of all samples, from 0 to 1, that fall into a function: `own` counts only its own code, `whole` also the
    functions that it called."""

    of: str
    own: float
    whole: float


def costs(stacks: Iterable[tuple[tuple[str, ...], int]]) -> list[Cost]:
    """Returns the cost of each function. `stacks` pairs each call stack with the number of its samples. A recursive
    function counts once per stack, however often it occurs there."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for frames, times in stacks:
        own[frames[-1]] += times
        for name in set(frames):
            whole[name] += times
    total = own.total()
    return [Cost(name, own[name] / total, whole[name] / total) for name in whole]


def parsed(folded: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yields each stack (functions that the event loop called) with its number of samples, from the output of
    py-spy."""
    for line in folded.splitlines():
        stack, _, times = line.rpartition(" ")
        frames = tuple(map(_short, stack.split(";")))
        if LOOP in frames:
            yield frames[frames.index(LOOP) + 1 :] or ("the event loop itself (uvloop)",), int(times)


def _short(frame: str) -> str:
    """Shortens `name (/path/to/package/module.py:12)` to `name (package/module.py)`."""
    name, _, place = frame.partition(" (")
    path = place.rstrip(")").rpartition(":")[0] or place.rstrip(")")
    return f"{name} ({HOMES.sub('', path)})"


def package_of(function: str) -> str:
    return function.rpartition("(")[2].rstrip(")").partition("/")[0].removesuffix(".py")


def by_package(stacks: Iterable[tuple[tuple[str, ...], int]]) -> list[Cost]:
    return costs((tuple(map(package_of, frames)), times) for frames, times in stacks)


def tables(folded: str, cpu_us: float) -> str:
    """Returns tables of the costliest packages and functions, in µs of CPU per lookup. `folded` is the output of
    py-spy, and `cpu_us` the CPU time of a whole lookup."""
    stacks = list(parsed(folded))
    functions, packages = costs(stacks), by_package(stacks)
    return "\n".join(
        (
            _table("packages, alone", packages, lambda one: one.own, cpu_us),
            _table("functions, alone", functions, lambda one: one.own, cpu_us),
            _table("functions, with all that they call", functions, lambda one: one.whole, cpu_us),
        )
    )


def _table(title: str, found: list[Cost], key: Callable[[Cost], float], cpu_us: float) -> str:
    dearest = sorted(found, key=key, reverse=True)[:SHOWN]
    rows = (f"{key(cost) * cpu_us:8.1f} µs {key(cost):6.1%}  {cost.of}" for cost in dearest)
    return "\n".join((f"  {title}:", *rows))


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.profiling", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--own-people", action="store_true", help="ask for the same people again, for cache hits")
    parser.add_argument("--keep", type=Path, help="folder to keep the stacks in, in the format of flame graphs")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bouquet-profile-")))
        broker = stack.enter_context(RabbitNode(folder / "rabbitmq"))
        port = free_port()
        upstream = stack.enter_context(Program(folder / "upstream", "bench.upstream", str(port), port=port))
        mesh = stack.enter_context(mesh_of(folder / "bouquet", broker.vhost(), upstream.url))
        drive = (*bouquet(mesh, {}).drive, *(("--people", "own") if given.own_people else ()))
        _profile(drive, {"gateway": mesh.gateway, "worker": mesh.workers[0]}, given.seconds, given.keep or folder)


def _profile(drive: tuple[str, ...], programs: dict[str, Program], seconds: float, folder: Path) -> None:
    options = (f"--connections={CONNECTIONS}", f"--seconds={seconds}", f"--warmup-s={WARMUP_S}")
    command = [sys.executable, "-m", *drive, *options]
    with subprocess.Popen(command, env=plain_environ(), stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        driver.stdout.readline()
        before = accounting.now()
        samplers = [_sampling(program, folder / f"{role}.txt", seconds) for role, program in programs.items()]
        driver.stdout.readline()
        after = accounting.now()
        driven = msgspec.json.decode(driver.stdout.read(), type=WindowMeasures)
        for sampler in samplers:
            sampler.wait(timeout=seconds + 60)
    print(f"{driven.requests / driven.seconds:.0f} lookups/s at c={CONNECTIONS}, sampled; {driven.errors} errors")
    for role, program in programs.items():
        cpu_s = after.cpu_s(program.pid) - before.cpu_s(program.pid)
        cpu_us = cpu_s / max(1, driven.requests) * 1e6
        print(f"\n{role}: {cpu_us:.0f} µs of CPU a lookup, {cpu_s / (after.at - before.at):.0%} of a core")
        print(tables((folder / f"{role}.txt").read_text(), cpu_us))


def _sampling(program: Program, output: Path, seconds: float) -> subprocess.Popen[bytes]:
    command = [str(PY_SPY), "record", "--pid", str(program.pid), "--duration", str(int(seconds))]
    command += ["--rate", str(SAMPLES_PER_S), "--format", "raw", "--full-filenames", "--output", str(output)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
