"""The mesh of a run: real processes and a broker, with a TCP proxy on every connection between them.

gateways (2) ── redis       registry, journal
    └── proxy ── broker ── proxy ── workers (2 per provider) ── proxy ── upstreams

In a mesh on a cluster of broker nodes, no proxy is in front of the broker, because faults cut the network itself. The
registry then uses PostgreSQL, and a separate process writes the journal.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import select

from bench.programs import Program, plain_environ
from bouquet_mesh.secret import Secret
from bouquet_proto.names import CHECK_PREFIX, JOURNAL_QUEUE, queue_of, worker_prefix
from bouquet_proto.quotient_familial import FIELDS
from bouquet_registry.journal.audit import verify
from bouquet_registry.journal.schema import journal
from bouquet_registry.store import open_store
from tests.chaos.invariants import Caller
from tests.chaos.schedule import GATEWAYS, NODES, PROVIDERS, WORKERS
from tests.chaos.upstreams import SIMULATORS
from tests.chaos.wrong_clock import CLOCK_AHEAD_S
from tests.support.broker import Broker
from tests.support.broker_users import restricted_vhost
from tests.support.daemon import Daemon, free_port
from tests.support.gateway_client import RECIPIENT
from tests.support.network import IS_POSSIBLE
from tests.support.postgres import PostgresServer
from tests.support.proxy import TcpProxy
from tests.support.rabbitmq import RabbitNode, Release
from tests.support.rabbitmq_cluster import RabbitCluster, cluster_of
from tests.support.redis import RedisServer

DEADLINE_S = 4.0
HEDGE_AFTER_S = 0.8
UPSTREAM_TIMEOUT_S = 2.0
ENDS_WITHIN_S = 30.0
QUIET = {"BOUQUET_LOG_LEVEL": "WARNING"}
_CRECHE = "cnav_participation_familiale_eaje_"
OPENED_BY = {
    **FIELDS,
    **{field: (*FIELDS[field], f"{_CRECHE}{field}") for field in ("allocataires", "enfants", "adresse")},
    "parametres_calcul_participation_familiale": (f"{_CRECHE}parametres_calcul",),
    "est_beneficiaire": ("revenu_solidarite_active",),
    "date_debut_droit": ("revenu_solidarite_active",),
    "avec_majoration": ("revenu_solidarite_active_majoration",),
}
"""Fields of the data in answers, each mapped to its scopes. Any one of them lets a caller see the field."""
CALLERS = {"everything": tuple(OPENED_BY), "persons": ("allocataires", "est_beneficiaire", "date_debut_droit")}
"""Names of the callers, each mapped to the data fields that this caller may see."""
# Every caller may see the persons (`allocataires`), because the check that an answer is about the right person reads
# their names.


class MeshProcess(Program):
    """A process that a run can hang, kill or stop, and start again with the same port and settings."""

    clock_ahead_s = 0.0
    """Seconds by which a worker's clock is ahead. A change takes effect when the worker is next started."""

    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), CLOCK_AHEAD_S: str(self.clock_ahead_s)}

    async def start_async(self) -> None:
        await asyncio.to_thread(self.start)

    async def terminate(self) -> None:
        process = self._signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, ENDS_WITHIN_S)
        self.kill()


class ChaosMesh:
    """A mesh of real processes. Proxies let a test cut the connections to the upstreams and, if the broker is a single
    node, to the broker."""

    def __init__(
        self, folder: Path, cluster: RabbitCluster, redis: RedisServer, database: PostgresServer | None = None
    ) -> None:
        """Prepares a mesh. If the server `database` is given, the registry uses it, and a separate process writes the
        journal. Otherwise, the registry uses SQLite and writes the journal itself."""
        own_writer = database is not None
        broker = cluster.nodes[0]
        guarded = restricted_vhost(
            broker, _made(folder / "passwords"), *PROVIDERS, registry_writes_journal=not own_writer
        )
        self.broker = broker
        self.cluster = cluster
        self.lost: set[str] = set()
        """Names of the nodes that a fault has made unreachable."""
        self._operator = guarded.operator
        self.redis = redis
        self.upstreams = _mesh_process(
            folder / "funds", "tests.chaos.upstreams", port=(port := free_port()), arguments=(str(port),)
        )
        self.proxies = {fund: TcpProxy(self.upstreams.url) for fund in PROVIDERS}
        users = {name: name.partition("-")[0] for name in (*GATEWAYS, *WORKERS)}
        if len(cluster.nodes) == 1:
            self.proxies |= {name: TcpProxy(guarded.url(user)) for name, user in users.items()}
            self._bus_urls = {name: self.proxies[name].url for name in users}
        else:
            self._bus_urls = {name: cluster.anywhere(guarded.url(user)) for name, user in users.items()}
        self._database = database.database() if database else f"sqlite:///{folder}/registry.db"
        self._key = secrets.token_hex(32)
        self._journal_key = f"chaos:{secrets.token_hex(32)}"
        self._registry_environ = {
            **QUIET,
            "BOUQUET_BUS_URL": cluster.anywhere(guarded.url("registry")),
            "BOUQUET_REGISTRY_DATABASE_URL": self._database,
            "BOUQUET_REGISTRY_SIGNING_KEY": self._key,
            "BOUQUET_REGISTRY_JOURNAL": f"{not own_writer}".lower(),
        }
        registry = _serving(folder / "registry", "BOUQUET_REGISTRY_PORT", self._registry_environ, "bouquet_registry")
        self.processes = {name: self._gateway(folder, name) for name in GATEWAYS}
        self.processes |= {name: self._worker(folder, name) for name in WORKERS}
        self.processes["registry"] = registry
        self.daemons: dict[str, Daemon] = {**self.processes, "redis": redis}
        """Processes and servers that can be broken, by name."""
        if database:
            self.processes["journal"] = self.daemons["journal"] = _journal(
                folder, self._database, cluster.anywhere(guarded.url("journal"))
            )
            self.daemons |= {"database": database, **dict(zip(NODES, cluster.nodes, strict=True))}

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(self.processes[name].port for name in GATEWAYS)

    @property
    def vhost(self) -> Broker:
        """Access to the mesh's vhost through a broker node that no current fault has made unreachable."""
        nodes = zip(NODES, self.cluster.nodes, strict=False)
        return Broker(next(node for name, node in nodes if name not in self.lost), self._operator)

    def node(self, name: str) -> RabbitNode:
        return self.cluster.nodes[NODES.index(name)]

    async def host_of(self, queue: str) -> str:
        # `queue` is one of `schedule.QUEUES`. Of several reply queues, it is the first one by name.
        match queue:
            case "replies":
                name = min(await self.vhost.reply_queues())
            case "journal":
                name = JOURNAL_QUEUE
            case provider:
                name = queue_of(provider)
        try:
            node = await asyncio.to_thread(self.cluster.node_of, name, self._operator)
        except RuntimeError:  # this node knows no such queue, so the mesh has not recovered from an earlier fault
            node = self.broker
        return NODES[self.cluster.nodes.index(node)]

    async def terminate(self, name: str) -> None:
        if name in NODES:
            await asyncio.to_thread(self.node(name).stop_in_order)
        else:
            await self.processes[name].terminate()

    async def open(self) -> None:
        for proxy in self.proxies.values():
            await proxy.open()
        if self._database.startswith("postgresql"):
            await asyncio.to_thread(self._registry, "migrate")
        keepers = [self.processes[name] for name in ("registry", "journal") if name in self.processes]
        await asyncio.gather(self.upstreams.start_async(), *(keeper.start_async() for keeper in keepers))
        await asyncio.gather(*(self.processes[name].start_async() for name in WORKERS))
        await asyncio.gather(*(self.processes[name].start_async() for name in GATEWAYS))

    async def close(self) -> None:
        for process in (*self.processes.values(), self.upstreams):
            process.stop()
        for proxy in self.proxies.values():
            await proxy.close()

    async def callers(self) -> tuple[Caller, ...]:
        return tuple([await asyncio.to_thread(self._caller, name, fields) for name, fields in CALLERS.items()])

    async def queues(self) -> dict[str, int]:
        rows = await self.vhost.rows("queues", "name", "messages")
        return {name: int(messages) for name, messages in rows if not name.startswith(CHECK_PREFIX)}

    async def count_records(self) -> int:
        async with open_store(Secret(self._database)) as store:
            return (await verify(store)).head.number

    async def record_counts(self) -> Counter[str]:
        async with open_store(Secret(self._database)) as store, store.reading() as connection:
            return Counter((await connection.scalars(select(journal.c.request_id))).all())

    def _caller(self, name: str, fields: tuple[str, ...]) -> Caller:
        scopes = sorted({scope for field in fields for scope in OPENED_BY[field]})
        made = self._administer("habilitation", "create", "--siret", RECIPIENT, "--name", name, "--scopes", *scopes)
        return Caller(str(self._administer("token", "issue", made["id"])["jwt"]), frozenset(fields))

    def _administer(self, *arguments: str) -> dict[str, Any]:
        return msgspec.json.decode(self._registry(*arguments, "--why", "chaos", "--json"), type=dict[str, Any])

    def _registry(self, *arguments: str) -> bytes:
        command = [sys.executable, "-m", "bouquet_registry", *arguments]
        return subprocess.check_output(command, env=plain_environ() | self._registry_environ, timeout=200)

    def _gateway(self, folder: Path, name: str) -> MeshProcess:
        settings: dict[str, str | float] = {
            "token_key": self._key,
            "journal_key": self._journal_key,
            "journal_spool": str(folder / name / "spool"),
            "providers": ",".join(PROVIDERS),
            "cache_url": self.redis.url,
            "calls_per_second": 1_000_000,
            "deadline_s": DEADLINE_S,
            "hedge_after_s": HEDGE_AFTER_S,
        }
        environ = {f"BOUQUET_GATEWAY_{setting.upper()}": str(value) for setting, value in settings.items()}
        environ |= {**QUIET, "BOUQUET_BUS_URL": self._bus_urls[name]}
        return _serving(folder / name, "BOUQUET_GATEWAY_PORT", environ, "bouquet_gateway")

    def _worker(self, folder: Path, name: str) -> MeshProcess:
        provider = name.partition("-")[0]
        simulator = SIMULATORS[provider]
        environ = {
            **simulator.settings(f"{self.proxies[provider].url.rstrip('/')}/{provider}"),
            **QUIET,
            "BOUQUET_BUS_URL": self._bus_urls[name],
            f"{worker_prefix(provider)}HUB_TIMEOUT_S": str(UPSTREAM_TIMEOUT_S),
        }
        return _serving(
            folder / name,
            "BOUQUET_WORKER_HEALTH_PORT",
            environ,
            "tests.chaos.wrong_clock",
            "bouquet_worker",
            "run",
            provider,
        )


@asynccontextmanager
async def chaos_mesh(folder: Path, release: Release) -> AsyncIterator[ChaosMesh]:
    async with AsyncExitStack() as stack:
        broker = stack.enter_context(RabbitNode(stack.enter_context(release.folder()), release=release))
        redis = stack.enter_context(RedisServer(folder / "redis"))
        yield await stack.enter_async_context(_opened(ChaosMesh(folder, RabbitCluster([broker]), redis)))


@asynccontextmanager
async def cluster_mesh(folder: Path, cluster: RabbitCluster) -> AsyncIterator[ChaosMesh]:
    """Runs a mesh on a running cluster of three nodes until the end of the context, and yields the mesh."""
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(RedisServer(folder / "redis"))
        database = stack.enter_context(PostgresServer())
        yield await stack.enter_async_context(_opened(ChaosMesh(folder, cluster, redis, database)))


@asynccontextmanager
async def chaos_cluster(folder: Path, release: Release, *, khepri: bool = False) -> AsyncIterator[ChaosMesh]:
    """Starts a cluster, runs a mesh on it until the end of the context, and yields the mesh."""
    # Where it may, it gives each node a machine of its own, which can be cut off.
    making = cluster_of(release, networked=IS_POSSIBLE, khepri=khepri)
    with making as cluster:
        async with cluster_mesh(folder, cluster) as mesh:
            yield mesh


@asynccontextmanager
async def _opened(mesh: ChaosMesh) -> AsyncIterator[ChaosMesh]:
    try:
        await mesh.open()
        yield mesh
    finally:
        await mesh.close()


def _journal(folder: Path, database_url: str, bus_url: str) -> MeshProcess:
    environ = {**QUIET, "BOUQUET_BUS_URL": bus_url, "BOUQUET_REGISTRY_DATABASE_URL": database_url}
    return _serving(folder / "journal", "BOUQUET_REGISTRY_PORT", environ, "bouquet_registry", "journal", "serve")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _serving(folder: Path, port_variable: str, environ: Mapping[str, str], module: str, *arguments: str) -> MeshProcess:
    port = free_port()
    return _mesh_process(
        folder, module, port=port, arguments=arguments or ("serve",), environ={**environ, port_variable: str(port)}
    )


def _mesh_process(
    folder: Path, module: str, *, port: int, arguments: tuple[str, ...], environ: Mapping[str, str] | None = None
) -> MeshProcess:
    """Returns a process that counts as started once `/livez` answers."""
    # Waiting for `/readyz` could take for ever, because the process may be started while a fault breaks something that
    # it needs to be ready.
    return MeshProcess(folder, module, *arguments, port=port, ready_path="/livez", environ=environ)
