"""Mesh in which tests can provoke each alert, and the Prometheus that watches it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from aiohttp import ClientError, ClientSession
from msgspec import Struct
from sqlalchemy import select, update
from yarl import URL

from bouquet_mesh.secret import Secret
from bouquet_proto.names import JOURNAL_QUEUE
from bouquet_registry import transactions
from bouquet_registry.clock import utc_now
from bouquet_registry.datapass import inbox
from bouquet_registry.datapass.inbox import ReceivedEvent
from bouquet_registry.habilitations import Token
from bouquet_registry.journal.schema import journal
from bouquet_registry.store import open_store
from bouquet_registry.token_signing import Signer
from tests.deploy.fast_rules import write_fast_rules
from tests.deploy.manifests import ROOT
from tests.deploy.monitored_mesh import QUEUES, api_beside, gateway_at, portal_beside, registry_at
from tests.support.clock import DatetimeClock
from tests.support.daemon import free_port
from tests.support.gateway_client import TOKEN_KEY, GatewayClient
from tests.support.habilitations import ADMINISTRATOR, habilitation_of, issue_token
from tests.support.people import staged_query
from tests.support.processes import Process, ProcessMesh, process_mesh, running_command
from tests.support.prometheus import PrometheusServer
from tests.support.proxy import TcpProxy
from tests.support.rabbitmq import RabbitNode
from tests.support.tls import HOST, TlsRedis, certificate_files

RULES = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yaml"))
EVERY_MS = 500
IN_TIME_S = 150.0
SPOOL_BYTES = 60_000
"""Size of the gateway's spool, in bytes: room for some 150 journal records."""
ALMOST_A_LIFE = timedelta(days=540)
"""Age of a token that is about to expire."""
# Tokens last 18 months.
MOST_CLIENTS = 30

Alert = tuple[str, ...]
LABELS = ("alertname", "severity", "provider", "queue", "anomaly", "service", "document")


class Load(Struct):
    """Load on the gateway: the number of clients, the pause that each client makes after a call, and the names of the
    people about whom clients ask."""

    clients: int = 2
    pause_s: float = 0.2
    asking: tuple[str, ...] = ("CAF-FOUND", "MSA-FOUND", "CAF-NO-FILE MSA-NO-FILE")


class Mesh:
    """A mesh of running processes that tests can stop, slow or change."""

    _gateway: dict[str, str | float]
    _portal: dict[str, str]
    redis: TcpProxy
    gateway: Process
    cnaf: Process
    journal: Process
    api: Process
    portal: Process
    client: GatewayClient
    prometheus: PrometheusServer

    def __init__(self, folder: Path, rabbit: RabbitNode, system: ProcessMesh, stack: AsyncExitStack) -> None:
        self.rabbit = rabbit
        self.system = system
        self.load = Load()
        self._folder = folder
        self._stack = stack
        self._authority = trustme.CA()
        self._registry = registry_at(folder, system.bus_url) | {"BOUQUET_REGISTRY_JOURNAL": "false"}
        self._journal = {**self._registry, "BOUQUET_REGISTRY_PORT": str(free_port())}
        self._api = api_beside(self._registry)
        self._health = {name: str(free_port()) for name in ("cnaf", "msa")}

    async def start(self) -> None:
        registry = await self._stack.enter_async_context(running_command(self._registry, "bouquet-registry", "serve"))
        await registry.until_logged("registry started")
        self.journal = await self.start_journal()
        self.api = await self.start_api()
        self.cnaf, _ = await asyncio.gather(*map(self.start_worker, self._health))
        self._gateway = await self._gateway_with_redis()
        self.gateway, self.client = await self.start_gateway()
        self.client.token, _ = await self.token()
        self._portal = portal_beside(self._folder, self.client.url)
        self.portal = await self.start_portal()
        self._watch()
        for number in range(MOST_CLIENTS):
            self._stack.push_async_callback(_cancel, asyncio.create_task(self._call_on(number)))

    async def start_worker(self, provider: str) -> Process:
        return await self.system.worker(provider, BOUQUET_WORKER_HEALTH_PORT=self._health[provider])

    async def start_gateway(self, **changes: str) -> tuple[Process, GatewayClient]:
        """Starts the gateway, or starts it again, with `changes` to its settings. Port and spool stay the same."""
        return await self.system.gateway(**self._gateway | changes)

    def providers_file(self, text: str) -> str:
        """Writes the names of the providers that the gateway may ask to a file, and returns its path."""
        path = self._folder / "providers"
        path.write_text(text)
        return str(path)

    async def start_journal(self, *, keep_months: int = 0) -> Process:
        environ = self._journal | {"BOUQUET_REGISTRY_JOURNAL_KEEP_MONTHS": str(keep_months)}
        process = await self._stack.enter_async_context(
            running_command(environ, "bouquet-registry", "journal", "serve")
        )
        await process.until_logged("journal started")
        return process

    async def start_api(self) -> Process:
        process = await self._stack.enter_async_context(running_command(self._api, "bouquet-registry", "api"))
        await process.until_logged("registry api started")
        return process

    async def start_portal(self) -> Process:
        process = await self._stack.enter_async_context(
            running_command(self._portal, "bouquet-portal", "serve", "--migrate")
        )
        await process.until_logged("portal started")
        return process

    def remove_portal_database(self) -> None:
        for path in self._folder.glob("portal.db*"):
            path.unlink()

    async def visit_reference(self, times: int) -> None:
        """Requests a page of the portal's API reference `times` times, with a pause after each request."""
        url = f"http://127.0.0.1:{self._portal['BOUQUET_PORTAL_PORT']}/developpeurs/openapi/any"
        async with ClientSession() as session:
            for _ in range(times):
                async with session.get(url):
                    await asyncio.sleep(0.02)

    async def call_api_without_secret(self, times: int) -> None:
        """Calls the internal API `times` times with a wrong secret. Pauses between the calls, so that Prometheus sees
        the number of refused calls grow."""
        url = f"http://127.0.0.1:{self._api['BOUQUET_REGISTRY_API_PORT']}/acts"
        async with ClientSession(headers={"Authorization": "Bearer wrong"}) as session:
            for _ in range(times):
                async with session.get(url):
                    await asyncio.sleep(0.1)

    async def delete_journal_queue(self) -> None:
        vhost = self.system.bus_url.rpartition("/")[2]
        await self.rabbit.control("delete_queue", JOURNAL_QUEUE, "--vhost", vhost)

    async def date_first_record(self, at: float) -> float:
        """Changes the time of the journal's first record, and returns its former time."""
        first = journal.c.number == 1
        async with open_store(self._database_url) as store, store.writing() as connection:
            former: float = (await connection.execute(select(journal.c.at).where(first))).scalar_one()
            await connection.execute(update(journal).where(first).values(at=at))
        return former

    async def set_event_aside(self) -> str:
        """Stores an event as if DataPass had sent it and Bouquet could not read it. Returns the event's digest."""
        received = ReceivedEvent("v1", b"no event", utc_now())
        async with open_store(self._database_url) as store:
            await inbox.set_aside(store, received, "is no event in format v1")
        return received.digest

    async def discard_event(self, digest: str) -> None:
        async with open_store(self._database_url) as store:
            await inbox.discard(store, digest, utc_now, ADMINISTRATOR)

    async def token(self, *, issued_ago: timedelta = timedelta(0)) -> tuple[str, Token]:
        """Issues a token whose date of issue lies `issued_ago` in the past. Returns the signed token and its record."""
        async with open_store(self._database_url) as store:
            token = await issue_token(store, DatetimeClock(utc_now() - issued_ago), scopes=("cnaf_quotient_familial",))
            return Signer(TOKEN_KEY).sign(token, await habilitation_of(store, token)), token

    async def revoke(self, token: Token) -> None:
        async with (
            open_store(self._database_url) as store,
            transactions.begin(store, ADMINISTRATOR, utc_now) as transaction,
        ):
            await transaction.revoke(token, "leaked", None)

    def certify_gateway(self, *, for_days: float) -> dict[str, Path]:
        """Makes a client certificate for the gateway's connection to redis, valid for `for_days` days. Returns the
        paths of its files, each under the name of its redis URL parameter, such as `ssl_keyfile`."""
        made = certificate_files(
            self._folder / "gateway-papers", self._authority, datetime.now(UTC) + timedelta(days=for_days)
        )
        return {"ssl_ca_certs": made.ca, "ssl_certfile": made.certificate, "ssl_keyfile": made.key}

    async def served(self) -> None:
        """Waits until Prometheus sees the gateway answer more than one call a second with 200."""
        query = 'sum(rate(bouquet_gateway_requests_total{status="200"}[3s])) > 1'
        async with asyncio.timeout(IN_TIME_S):
            while not await asyncio.to_thread(self.prometheus.query, query):  # noqa: ASYNC110 - another process's, without an event
                await asyncio.sleep(EVERY_MS / 1000)

    async def firing(self) -> set[Alert]:
        found = await asyncio.to_thread(self.prometheus.query, 'ALERTS{alertstate="firing"}')
        return {tuple(one["metric"][label] for label in LABELS if label in one["metric"]) for one in found}

    async def until(self, holds: Callable[[set[Alert]], bool]) -> set[Alert]:
        """Waits until `holds` returns true for the set of firing alerts, or until a timeout. Returns the alerts that
        are firing then."""
        give_up_at = time.monotonic() + IN_TIME_S
        while True:
            firing = await self.firing()
            if holds(firing) or time.monotonic() > give_up_at:
                return firing
            await asyncio.sleep(EVERY_MS / 1000)

    @property
    def _database_url(self) -> Secret:
        return Secret(self._registry["BOUQUET_REGISTRY_DATABASE_URL"])

    async def _gateway_with_redis(self) -> dict[str, str | float]:
        """Starts a redis with TLS behind a proxy that can slow it down, and returns a gateway's settings for it."""
        files = self.certify_gateway(for_days=90)
        own = certificate_files(self._folder / "redis-papers", self._authority)
        server = self._stack.enter_context(TlsRedis(self._folder / "redis", own))
        self.redis = await self._stack.enter_async_context(TcpProxy(f"rediss://{HOST}:{server.port}/0"))
        await self.redis.open()
        cache_url = str(URL(self.redis.url).with_query({name: str(path) for name, path in files.items()}))
        chosen: dict[str, str | float] = {
            "providers": ",".join(self._health),
            "port": free_port(),
            "max_requests": 100,
            "max_calls_per_provider": 100,
            "journal_spool_max_bytes": SPOOL_BYTES,
        }
        return gateway_at(self._folder, cache_url) | chosen

    def _watch(self) -> None:
        ours = [environ["BOUQUET_REGISTRY_PORT"] for environ in (self._registry, self._journal, self._api)]
        jobs = {
            "bouquet": [f"{self.client.url}/metrics"],
            "rabbitmq": [f"{self.rabbit.metrics_url}/metrics"],
            "rabbitmq-queues": [f"{self.rabbit.metrics_url}{QUEUES}"],
        }
        ours.append(self._portal["BOUQUET_PORTAL_METRICS_PORT"])
        jobs["bouquet"] += [f"http://127.0.0.1:{port}/metrics" for port in [*self._health.values(), *ours]]
        rules = write_fast_rules(RULES, self._folder / "rules")
        server = PrometheusServer(self._folder / "prometheus", jobs, rules, every_ms=EVERY_MS)
        self.prometheus = self._stack.enter_context(server)

    async def _call_on(self, number: int) -> None:
        """Runs one client of the load. It asks about another person each time, since answers are cached."""
        for turn in itertools.count():
            if number < self.load.clients:
                nom = self.load.asking[turn % len(self.load.asking)]
                day, commune = 1 + turn % 28, f"29{turn // 28 % 300:03}"
                born = {"anneeDateNaissance": 1940 + number, "jourDateNaissance": day}
                with suppress(ClientError, TimeoutError):
                    await self.client.get(params=staged_query(nom, **born, codeCogInseeCommuneNaissance=commune))
            await asyncio.sleep(self.load.pause_s)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def alert_mesh(folder: Path, rabbit: RabbitNode) -> AsyncIterator[Mesh]:
    async with process_mesh(rabbit.vhost()) as system, AsyncExitStack() as stack:
        mesh = Mesh(folder, rabbit, system, stack)
        await mesh.start()
        yield mesh
