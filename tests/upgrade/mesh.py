"""A mesh whose gateways, workers and registries are processes of one release or the other, replaced one by one as
Kubernetes does.

Deployments (workers, registry) start a new process before the old one ends. Gateways have a disk each: a gateway leaves
the load balancer, ends, and comes back with its disk.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import func, select
from yarl import URL

from bench.programs import Program
from bouquet_mesh.secret import Secret
from bouquet_proto.names import worker_prefix
from bouquet_proto.quotient_familial import FIELDS
from bouquet_registry.journal.audit import verify
from bouquet_registry.journal.schema import aside, found_people, journal
from bouquet_registry.store import open_store
from tests.chaos.invariants import Caller
from tests.chaos.upstreams import SIMULATORS
from tests.support.daemon import free_port
from tests.support.gateway_client import RECIPIENT, SCOPES
from tests.support.programs import until_status
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S
from tests.upgrade.releases import Release

PROVIDERS = ("cnaf", "msa")
DEADLINE_S = 30.0
"""Deadline of a call. It is long, so that a call that only a busy machine delays is still answered."""
STOPS_WITHIN_S = 100.0


class Member(Program):
    """A process of the mesh, run from the sources of one release. It counts as started once `/readyz` answers 200."""

    def __init__(self, folder: Path, release: Release, port_variable: str, environ: Mapping[str, str], *command: str):
        port = free_port()
        own = {port_variable: str(port), "BOUQUET_LOG_LEVEL": "WARNING"}
        module, *arguments = command
        super().__init__(
            folder, module, *arguments, port=port, ready_path="/readyz", environ={**environ, **own, **release.environ}
        )
        self.release = release
        self._ready_within_s = TEST_TIMEOUT_S

    async def start_ready(self) -> None:
        await asyncio.to_thread(self.start)

    async def terminate(self) -> None:
        """Ends the process by SIGTERM, and asserts that it stopped in order."""
        process = self._signal(signal.SIGTERM)
        status = await asyncio.to_thread(process.wait, STOPS_WITHIN_S)
        self.kill()
        assert status == 0, f"{self} of the {self.release.name} release ended with {status}:\n{self.output}"

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended by itself, without being stopped by a test."""
        return self._process is not None and self._process.poll() is not None

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")


class UpgradeMesh:
    """Processes of both releases on one broker, with one redis and one database.

    `rotation` holds the URLs of the gateways to which a load balancer would send calls.
    """

    def __init__(self, folder: Path, broker: RabbitNode, redis_url: str, database: str, role: str = "") -> None:
        """Prepares a mesh without any running process. `database` is the URL by which the owner of the tables connects;
        `role` is the PostgreSQL role of the registries, empty on SQLite."""
        self.rotation: list[str] = []
        self.gateways: dict[str, Member] = {}
        self.workers: dict[str, Member] = {}
        self.registries: dict[str, Member] = {}
        self._folder = folder
        self._broker = broker
        self._redis_url = redis_url
        self._vhost = broker.vhost()
        self._passwords = folder / "passwords"
        self._passwords.mkdir()
        port = free_port()
        self._upstreams = Program(
            folder / "upstreams", "tests.chaos.upstreams", str(port), port=port, ready_path="/livez"
        )
        self.database = Secret(database)
        self._role = role
        self._key = secrets.token_hex(32)
        self._journal_key = f"tests:{secrets.token_hex(32)}"
        self._started = 0

    async def open(self, release: Release) -> None:
        """Imports the definitions of `release` into the broker, migrates the database to that release, and starts the
        simulated upstreams."""
        await self.import_definitions(release)
        await asyncio.gather(asyncio.to_thread(self._upstreams.start), self.migrate(release))

    def close(self) -> None:
        for process in (*self._all(), self._upstreams):
            process.stop()

    async def import_definitions(self, release: Release) -> None:
        """Imports the RabbitMQ users, permissions and policies that `release` defines into the broker. Users keep their
        passwords."""
        await asyncio.to_thread(self._import_definitions, release)

    def _import_definitions(self, release: Release) -> None:
        vhost = URL(self._vhost).path.removeprefix("/")
        options = ("--passwords", str(self._passwords), "--vhost", vhost, "--registry-writes-journal")
        written = release.output_of(["deploy/rabbitmq/definitions.py", *options, *PROVIDERS])
        (self._broker.folder / "definitions.json").write_text(written)
        seen = self._broker.release.path(self._broker.folder)
        self._broker.ctl("import_definitions", f"{seen}/definitions.json")

    async def clear_request_policy(self) -> None:
        """Deletes the broker's policy that bounds request queues, since brokers of the former release had none."""
        vhost = URL(self._vhost).path.removeprefix("/")
        await self._broker.control("clear_policy", "--vhost", vhost, "bouquet requests")

    async def migrate(self, release: Release) -> None:
        roles = ("--registry-role", self._role, "--journal-role", self._role) if self._role else ()
        await self._registry_command(release, "migrate", *roles)

    async def caller(self, release: Release) -> Caller:
        """Creates a habilitation and a token with the registry commands of `release`."""
        own = ("--siret", RECIPIENT, "--name", f"of the {release.name} release")
        made = await self._registry_json(release, "habilitation", "create", *own, "--scopes", *SCOPES)
        issued = await self._registry_json(release, "token", "issue", made["id"])
        return Caller(str(issued["jwt"]), frozenset(FIELDS))

    async def _registry_json(self, release: Release, *arguments: str) -> dict[str, Any]:
        output = await self._registry_command(release, *arguments, "--why", "test", "--json")
        return msgspec.json.decode(output, type=dict[str, Any])

    async def _registry_command(self, release: Release, *arguments: str) -> str:
        command = ["-m", "bouquet_registry", *arguments]
        return await asyncio.to_thread(release.output_of, command, self._registry_environ())

    # Processes

    async def start_gateway(self, name: str, release: Release) -> None:
        """Starts a gateway, with the disk of an earlier gateway of the same name, and adds it to the load balancer once
        it is ready."""
        settings: dict[str, str | float] = {
            "token_key": self._key,
            "journal_key": self._journal_key,
            "journal_spool": str(self._folder / f"{name}-spool"),
            "providers": ",".join(PROVIDERS),
            "cache_url": self._redis_url,
            "calls_per_second": 1_000_000,
            "deadline_s": DEADLINE_S,
            "hedge_after_s": DEADLINE_S - 5,
        }
        environ = {f"BOUQUET_GATEWAY_{setting.upper()}": str(value) for setting, value in settings.items()}
        environ["BOUQUET_BUS_URL"] = self._bus_url("gateway")
        started = self._member(name, release, "BOUQUET_GATEWAY_PORT", environ, "bouquet_gateway", "serve")
        self.gateways[name] = started
        await started.start_ready()
        self.rotation.append(started.url)

    async def stop_gateway(self, name: str) -> None:
        """Takes a gateway from the load balancer, and ends it once it has accepted the connections of all calls made by
        then and has read their requests."""
        # In production, a pause before SIGTERM gives it time for that (`deploy/k8s/base/gateway.yaml`). Here, the first
        # connection is accepted after those of the calls, and the second one's request is read after theirs.
        stopped = self.gateways.pop(name)
        self.rotation.remove(stopped.url)
        for _ in range(2):
            await until_status(f"{stopped.url}/livez", 200)
        await stopped.terminate()

    async def start_worker(self, name: str, release: Release) -> None:
        """Starts a worker under a name that begins with its provider's name, such as `cnaf-1`."""
        provider = name.partition("-")[0]
        environ = {
            **SIMULATORS[provider].settings(f"{self._upstreams.url}/{provider}"),
            "BOUQUET_BUS_URL": self._bus_url(provider),
            f"{worker_prefix(provider)}HUB_TIMEOUT_S": str(DEADLINE_S - 5),
        }
        command = ("bouquet_worker", "run", provider)
        self.workers[name] = self._member(name, release, "BOUQUET_WORKER_HEALTH_PORT", environ, *command)
        await self.workers[name].start_ready()

    async def start_registry(self, name: str, release: Release) -> None:
        """Starts a registry, which also writes the journal."""
        command = ("bouquet_registry", "serve")
        environ = self._registry_environ()
        if self._role:
            url = str(URL(self.database.reveal()).with_user(self._role))
            environ["BOUQUET_REGISTRY_DATABASE_URL"] = url
        self.registries[name] = self._member(name, release, "BOUQUET_REGISTRY_PORT", environ, *command)
        await self.registries[name].start_ready()

    async def replace_gateway(self, name: str, release: Release) -> None:
        await self.stop_gateway(name)
        await self.start_gateway(name, release)

    async def replace_worker(self, name: str, release: Release) -> None:
        former = self.workers[name]
        await self.start_worker(name, release)
        await former.terminate()

    async def replace_registry(self, name: str, release: Release) -> None:
        former = self.registries[name]
        await self.start_registry(name, release)
        await former.terminate()

    def ended(self) -> list[str]:
        """Returns the output of each process that has ended without being stopped by a test."""
        return [f"{process}:\n{process.output}" for process in self._all() if process.has_ended]

    def _all(self) -> list[Member]:
        return [*self.gateways.values(), *self.workers.values(), *self.registries.values()]

    def _member(
        self, name: str, release: Release, port_variable: str, environ: Mapping[str, str], *command: str
    ) -> Member:
        self._started += 1
        folder = self._folder / f"{self._started}-{name}-{release.name}"
        return Member(folder, release, port_variable, environ, *command)

    def _bus_url(self, process: str) -> str:
        password = (self._passwords / f"bouquet-{process}").read_text()
        return str(URL(self._vhost).with_user(f"bouquet-{process}").with_password(password))

    def _registry_environ(self) -> dict[str, str]:
        return {
            "BOUQUET_BUS_URL": self._bus_url("registry"),
            "BOUQUET_REGISTRY_DATABASE_URL": self.database.reveal(),
            "BOUQUET_REGISTRY_SIGNING_KEY": self._key,
        }

    # Journal

    async def records(self) -> Counter[str]:
        """Verifies the journal, and returns the number of its records by request id. Raises `BrokenChain` if the
        journal was changed."""
        async with open_store(self.database) as store:
            await verify(store)
            async with store.reading() as connection:
                return Counter((await connection.scalars(select(journal.c.request_id))).all())

    async def count_aside(self) -> int:
        """Returns the number of messages that the journal's writers have set aside because they could not read them."""
        return await self._count(aside)

    async def count_people_found(self) -> int:
        """Returns the number of rows in the table `journal_found`, by which the journal finds the records whose answers
        name a person."""
        return await self._count(found_people)

    async def _count(self, table: Any) -> int:
        async with open_store(self.database) as store, store.reading() as connection:
            return await connection.scalar(select(func.count()).select_from(table)) or 0


@asynccontextmanager
async def upgrade_mesh(
    folder: Path, broker: RabbitNode, redis_url: str, database: str, release: Release, role: str = ""
) -> AsyncIterator[UpgradeMesh]:
    """Yields a mesh whose broker and database are prepared for a release; a test starts the processes."""
    made = UpgradeMesh(folder, broker, redis_url, database, role)
    try:
        await made.open(release)
        yield made
    finally:
        await asyncio.to_thread(made.close)
