"""The mesh of a run: real processes and a broker, with a TCP proxy on every connection between them.

gateways (2) ── redis       registry, journal
    └── proxy ── broker ── proxy ── workers (2 per provider) ── proxy ── upstreams
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
from bouquet_proto.names import worker_prefix
from bouquet_proto.quotient_familial import FIELDS
from bouquet_registry.journal.audit import verify
from bouquet_registry.journal.schema import journal
from bouquet_registry.store import open_store
from tests.chaos.invariants import Caller
from tests.chaos.schedule import GATEWAYS, PROVIDERS, WORKERS
from tests.chaos.upstreams import SIMULATORS
from tests.chaos.wrong_clock import CLOCK_AHEAD_S
from tests.support.broker import Broker
from tests.support.broker_users import restricted_vhost
from tests.support.daemon import free_port
from tests.support.gateway_client import RECIPIENT
from tests.support.proxy import TcpProxy
from tests.support.rabbitmq import RabbitNode, Release
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
"""For each field of an answer's data, the scopes that open it. One of them is enough."""
CALLERS = {"everything": tuple(OPENED_BY), "persons": ("allocataires", "est_beneficiaire", "date_debut_droit")}
"""For each caller's name, the fields that the caller may see."""
# Every caller may see the persons (`allocataires`), because the check that an answer is about the right person reads
# their names.


class MeshProcess(Program):
    """A process that a run can hang, kill or stop, and start again with the same port and settings."""

    clock_ahead_s = 0.0
    """Seconds by which a worker's clock is ahead from its next start on, negative if behind."""

    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), CLOCK_AHEAD_S: str(self.clock_ahead_s)}

    async def start_async(self) -> None:
        await asyncio.to_thread(self.start)

    async def terminate(self) -> None:
        process = self._signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, ENDS_WITHIN_S)
        self.kill()


class ChaosMesh:
    """A mesh of real processes. `proxies` holds the proxy between each process and the broker by the process's name,
    and the proxy before each upstream by the provider's name."""

    def __init__(self, folder: Path, broker: RabbitNode, redis: RedisServer) -> None:
        guarded = restricted_vhost(broker, _made(folder / "passwords"), *PROVIDERS)
        self.broker = broker
        self.vhost = Broker(broker, guarded.operator)
        self.redis = redis
        self.upstreams = _mesh_process(
            folder / "funds", "tests.chaos.upstreams", port=(port := free_port()), arguments=(str(port),)
        )
        self.proxies = {name: TcpProxy(guarded.url(name.partition("-")[0])) for name in (*GATEWAYS, *WORKERS)}
        self.proxies |= {fund: TcpProxy(self.upstreams.url) for fund in PROVIDERS}
        self._database = f"sqlite:///{folder}/registry.db"
        self._key = secrets.token_hex(32)
        self._journal_key = f"chaos:{secrets.token_hex(32)}"
        self._registry_environ = {
            **QUIET,
            "BOUQUET_BUS_URL": guarded.url("registry"),
            "BOUQUET_REGISTRY_DATABASE_URL": self._database,
            "BOUQUET_REGISTRY_SIGNING_KEY": self._key,
        }
        registry = _serving(folder / "registry", "BOUQUET_REGISTRY_PORT", self._registry_environ, "bouquet_registry")
        self.processes = {name: self._gateway(folder, name) for name in GATEWAYS}
        self.processes |= {name: self._worker(folder, name) for name in WORKERS}
        self.processes["registry"] = registry

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(self.processes[name].port for name in GATEWAYS)

    async def open(self) -> None:
        for proxy in self.proxies.values():
            await proxy.open()
        await asyncio.gather(self.upstreams.start_async(), self.processes["registry"].start_async())
        await asyncio.gather(*(self.processes[name].start_async() for name in WORKERS))
        await asyncio.gather(*(self.processes[name].start_async() for name in GATEWAYS))

    async def close(self) -> None:
        for process in (*self.processes.values(), self.upstreams):
            process.stop()
        for proxy in self.proxies.values():
            await proxy.close()

    async def callers(self) -> tuple[Caller, ...]:
        """Creates a token for each of `CALLERS` by the registry's commands, and returns the callers."""
        return tuple([await asyncio.to_thread(self._caller, name, fields) for name, fields in CALLERS.items()])

    async def queues(self) -> dict[str, int]:
        return {name: int(messages) for name, messages in await self.vhost.rows("queues", "name", "messages")}

    async def count_records(self) -> int:
        """Verifies the chain of the access journal and returns the number of records. Raises `BrokenChain` if it is
        broken."""
        async with open_store(Secret(self._database)) as store:
            return (await verify(store)).head.number

    async def record_counts(self) -> Counter[str]:
        async with open_store(Secret(self._database)) as store, store.reading() as connection:
            return Counter((await connection.scalars(select(journal.c.request_id))).all())

    def _caller(self, name: str, fields: tuple[str, ...]) -> Caller:
        scopes = sorted({scope for field in fields for scope in OPENED_BY[field]})
        made = self._registry("habilitation", "create", "--siret", RECIPIENT, "--name", name, "--scopes", *scopes)
        return Caller(str(self._registry("token", "issue", made["id"])["jwt"]), frozenset(fields))

    def _registry(self, *arguments: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "bouquet_registry", *arguments, "--json"]
        output = subprocess.check_output(command, env=plain_environ() | self._registry_environ, timeout=200)
        return msgspec.json.decode(output, type=dict[str, Any])

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
        environ |= {**QUIET, "BOUQUET_BUS_URL": self.proxies[name].url}
        return _serving(folder / name, "BOUQUET_GATEWAY_PORT", environ, "bouquet_gateway")

    def _worker(self, folder: Path, name: str) -> MeshProcess:
        provider = name.partition("-")[0]
        simulator = SIMULATORS[provider]
        environ = {
            **simulator.settings(f"{self.proxies[provider].url.rstrip('/')}/{provider}"),
            **QUIET,
            "BOUQUET_BUS_URL": self.proxies[name].url,
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
        made = ChaosMesh(folder, broker, redis)
        stack.push_async_callback(made.close)
        await made.open()
        yield made


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
