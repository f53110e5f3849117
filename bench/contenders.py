"""Systems that the benchmark compares (contenders), with their processes and the concurrencies to measure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import Struct

from bench.lookup import EXPECTED_TEXT, PATH
from bench.mesh import FEW_PLACES, Mesh, mesh_of
from bench.programs import PEERS_PYTHON, Program
from bouquet_gateway.paths import DOSSIERS
from tests.support.daemon import Daemon, free_port
from tests.support.rabbitmq import RabbitNode

EVERY = (1, 16, 64, 256)
SATURATED = (64,)
OVERLOADED = 4 * FEW_PLACES
PAUSE_S = 0.1
READY = "ready"
"""Line that a worker prints once it is ready, because it has no port to probe."""


class Contender(Struct, frozen=True):
    """System that the benchmark compares with others: its processes, and its driver, the program that sends it
    requests."""

    name: str
    drive: tuple[str, ...]
    """Command line of the driver. The benchmark appends the concurrency and the durations of warm-up and window."""
    parts: Mapping[str, tuple[Daemon, ...]]
    """Measured processes by role, such as `gateway`."""
    concurrencies: tuple[int, ...] = EVERY
    driver: str = "load"
    """Name under which reports list the CPU time of the driver. The other processes are listed under their roles in
    `parts`."""


class TestBed(Struct, frozen=True):
    """Running processes of one benchmark run, and the systems that the run compares. Systems may share processes."""

    mesh: Mesh
    broker: RabbitNode
    contenders: tuple[Contender, ...]


@contextmanager
def test_bed(folder: Path, *, peers: bool) -> Iterator[TestBed]:
    """Starts the processes of all contenders (compared systems) and yields them as a `TestBed`. All processes run until
    the context ends."""
    with ExitStack() as stack:
        broker = stack.enter_context(RabbitNode(folder / "rabbitmq"))
        port = free_port()
        upstream = stack.enter_context(Program(folder / "upstream", "bench.upstream", str(port), port=port))
        mesh = stack.enter_context(mesh_of(folder / "bouquet", broker.vhost(), upstream.url))
        common: dict[str, tuple[Daemon, ...]] = {"broker": (broker,), "upstream": (upstream,)}
        contenders = [
            bouquet(mesh, common),
            stack.enter_context(_proxy(folder, upstream)),
            stack.enter_context(_pingpong(folder, broker)),
            stack.enter_context(_pingpong(folder, broker, tuned=True)),
        ]
        if peers:
            contenders += stack.enter_context(_faststream(folder, broker, upstream))
            contenders.append(stack.enter_context(_nameko(folder, broker, upstream)))
        contenders += [_dossiers(mesh, common), _cached(mesh), _full(mesh, common), stack.enter_context(_hello(folder))]
        yield TestBed(mesh, broker, tuple(contenders))


def _lookups(url: str, *options: str) -> tuple[str, ...]:
    return ("bench.load", url, "--holding", EXPECTED_TEXT, *options)


def bouquet(mesh: Mesh, common: Mapping[str, tuple[Daemon, ...]]) -> Contender:
    """Returns the contender `bouquet`: lookups of new persons through gateway and worker."""
    parts = {"gateway": (mesh.gateway,), "worker": mesh.workers, "registry": (mesh.registry,), **common}
    return Contender("bouquet", _lookups(mesh.url, "--token", mesh.token), parts)


def _dossiers(mesh: Mesh, common: Mapping[str, tuple[Daemon, ...]]) -> Contender:
    """Returns the contender `bouquet dossiers`: one caller's dossiers, each with several lookups of a new person."""
    drive = _lookups(f"{mesh.gateway.url}{DOSSIERS}", "--token", mesh.token, "--people", "dossiers")
    parts = {"gateway": (mesh.gateway,), "worker": mesh.workers, "registry": (mesh.registry,), **common}
    return Contender("bouquet dossiers", drive, parts, (1,))


def _cached(mesh: Mesh) -> Contender:
    """Returns the contender `bouquet cached`: lookups of persons whose answers are in the gateway's cache."""
    drive = _lookups(mesh.url, "--token", mesh.token, "--people", "own")
    return Contender("bouquet cached", drive, {"gateway": (mesh.gateway,)}, SATURATED)


def _full(mesh: Mesh, common: Mapping[str, tuple[Daemon, ...]]) -> Contender:
    """Returns the contender `bouquet full`, whose gateway accepts at most `FEW_PLACES` concurrent requests. The
    benchmark sends it exactly as many in one window, and four times as many in another."""
    # A refused caller asks again after `PAUSE_S`.
    drive = _lookups(f"{mesh.full.url}{PATH}", "--token", *mesh.tokens, "--pause-s", str(PAUSE_S))
    parts = {"gateway": (mesh.full,), "worker": mesh.workers, **common}
    return Contender("bouquet full", drive, parts, (FEW_PLACES, OVERLOADED))


@contextmanager
def _hello(folder: Path) -> Iterator[Contender]:
    port = free_port()
    with Program(folder / "hello", "bench.baselines.hello", str(port), port=port) as hello:
        drive = ("bench.load", f"{hello.url}/", "--people", "nobody", "--holding", "Hello")
        yield Contender("hello", drive, {"gateway": (hello,)}, SATURATED)


@contextmanager
def _proxy(folder: Path, upstream: Program) -> Iterator[Contender]:
    port = free_port()
    arguments = (str(port), f"{upstream.url}/qf")
    with Program(folder / "proxy", "bench.baselines.proxy", *arguments, port=port) as proxy:
        parts = {"gateway": (proxy,), "upstream": (upstream,)}
        yield Contender("proxy", _lookups(f"{proxy.url}/lookup"), parts)


@contextmanager
def _pingpong(folder: Path, broker: RabbitNode, *, tuned: bool = False) -> Iterator[Contender]:
    """Yields the contender (compared system) that uses RabbitMQ through aiormq alone, without a gateway."""
    name, options = ("aiormq tuned", ("--tuned",)) if tuned else ("aiormq", ())
    url = broker.vhost()
    with Program(
        folder / name.replace(" ", "-"), "bench.baselines.pingpong", "serve", url, *options, ready_word=READY
    ) as worker:
        drive = ("bench.baselines.pingpong", "play", url, *options)
        parts = {"worker": (worker,), "broker": (broker,)}
        yield Contender(name, drive, parts, SATURATED if tuned else EVERY, driver="client")


@contextmanager
def _faststream(folder: Path, broker: RabbitNode, upstream: Program) -> Iterator[tuple[Contender, ...]]:
    url, port = broker.vhost(), free_port()
    with (
        Program(
            folder / "faststream-worker",
            "bench.peers.faststream_worker",
            url,
            f"{upstream.url}/qf",
            ready_word=READY,
            python=PEERS_PYTHON,
        ) as worker,
        Program(
            folder / "faststream-front", "bench.peers.faststream_front", str(port), url, port=port, python=PEERS_PYTHON
        ) as front,
    ):
        parts = {"gateway": (front,), "worker": (worker,), "broker": (broker,), "upstream": (upstream,)}
        yield tuple(
            Contender(f"faststream {style}", _lookups(f"{front.url}/{style}"), parts) for style in ("queue", "request")
        )


@contextmanager
def _nameko(folder: Path, broker: RabbitNode, upstream: Program) -> Iterator[Contender]:
    port = free_port()
    environ = {"BENCH_AMQP_URL": broker.vhost(), "BENCH_UPSTREAM": f"{upstream.url}/qf", "BENCH_PORT": str(port)}
    config = ("--config", str(Path(__file__).parent / "peers" / "nameko_config.yaml"))
    run = ("nameko", "run", *config)
    with (
        Program(
            folder / "nameko-worker",
            *run,
            "bench.peers.nameko_services:Worker",
            ready_word="",  # it prints nothing
            environ=environ,
            python=PEERS_PYTHON,
        ) as worker,
        Program(
            folder / "nameko-front",
            *run,
            "bench.peers.nameko_services:Front",
            port=port,
            environ=environ,
            python=PEERS_PYTHON,
        ) as front,
    ):
        parts = {"gateway": (front,), "worker": (worker,), "broker": (broker,), "upstream": (upstream,)}
        yield Contender("nameko", _lookups(f"{front.url}/lookup"), parts)
