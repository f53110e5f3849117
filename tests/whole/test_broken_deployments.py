"""Tests of the doctor commands on broken deployments: the cause is on the first line, what follows from it on one more,
and no check waits longer than it may."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
from aiohttp import web
from msgspec import Struct
from yarl import URL

from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.doctor import timing
from bouquet_mesh.doctor.findings import Finding, as_text, unknown, well, wrong
from bouquet_mesh.doctor.timing import CHECKS_S, END_S, run_checks
from bouquet_mesh.settings import SettingsError
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Failed, Reply, Request
from tests.support.broker_users import restricted_vhost
from tests.support.bus import serving
from tests.support.daemon import free_port
from tests.support.doctors import DOCTORS
from tests.support.mesh_with_registry import AcmeProvider
from tests.support.rabbitmq import RabbitNode
from tests.support.tls import certificate_files, tls_site
from tests.support.waiting import TEST_TIMEOUT_S

Settings: TypeAlias = Mapping[str, str]

SHORT_S = 0.5
"""Time limit of checks that meet nothing but a silent server, in seconds."""
BLOCKED_S = 8.0
"""Time limit, in seconds, of checks that the broker answers until they send it a message. Half of it is left for the
connection, more than a busy machine may stand still."""


class Servers(Struct, frozen=True):
    rabbit: RabbitNode
    folder: Path
    silent: str
    """Address of a server that accepts connections and sends nothing."""

    @property
    def closed(self) -> str:
        return f"127.0.0.1:{free_port()}"


Broken: TypeAlias = Callable[[Servers], AbstractAsyncContextManager[Settings]]


@asynccontextmanager
async def broker_down(servers: Servers) -> AsyncIterator[Settings]:
    yield {"BOUQUET_BUS_URL": f"amqp://{servers.closed}/"}


@asynccontextmanager
async def broker_silent(servers: Servers) -> AsyncIterator[Settings]:
    yield {"BOUQUET_BUS_URL": f"amqp://{servers.silent}/"}


@asynccontextmanager
async def wrong_password(servers: Servers) -> AsyncIterator[Settings]:
    yield {"BOUQUET_BUS_URL": str(URL(servers.rabbit.vhost()).with_password("wrong"))}


@asynccontextmanager
async def rights_of_another(servers: Servers) -> AsyncIterator[Settings]:
    yield {"BOUQUET_BUS_URL": restricted_vhost(servers.rabbit, servers.folder, "acme").url("acme")}


@asynccontextmanager
async def short_of_memory(servers: Servers) -> AsyncIterator[Settings]:
    await servers.rabbit.control("set_vm_memory_high_watermark", "0")
    try:
        yield {"BOUQUET_BUS_URL": servers.rabbit.vhost()}
    finally:
        await servers.rabbit.control("set_vm_memory_high_watermark", "0.4")


@asynccontextmanager
async def worker_missing(servers: Servers) -> AsyncIterator[Settings]:
    yield {"BOUQUET_BUS_URL": servers.rabbit.vhost(), "BOUQUET_GATEWAY_TOKENS_FROM": "claims"}


async def _without_database(_: Request) -> Reply:
    return Failed("registry_unavailable")


@asynccontextmanager
async def registry_without_database(servers: Servers) -> AsyncIterator[Settings]:
    url = servers.rabbit.vhost()
    async with (
        open_bus(url, "acme") as bus,
        serving(bus, AcmeProvider(), provider="acme"),
        serving(bus, _without_database, provider="registry"),
    ):
        yield {"BOUQUET_BUS_URL": url, "BOUQUET_GATEWAY_JOURNAL": "false"}


@asynccontextmanager
async def redis_silent(servers: Servers) -> AsyncIterator[Settings]:
    async with registry_without_database(servers) as settings:
        claims = {"BOUQUET_GATEWAY_TOKENS_FROM": "claims"}
        yield {**settings, **claims, "BOUQUET_GATEWAY_CACHE_URL": f"redis://{servers.silent}"}


@asynccontextmanager
async def upstream_down(servers: Servers) -> AsyncIterator[Settings]:
    yield {"BOUQUET_BUS_URL": servers.rabbit.vhost(), "BOUQUET_MSA_HUB_URL": f"http://{servers.closed}/qf"}


@asynccontextmanager
async def upstream_without_scheme(servers: Servers) -> AsyncIterator[Settings]:
    yield {"BOUQUET_MSA_HUB_URL": "hub.example.org/qf"}


@asynccontextmanager
async def upstream_of_another_authority(servers: Servers) -> AsyncIterator[Settings]:
    async with tls_site(web.Application(), certificate_files(servers.folder)) as url:
        yield {"BOUQUET_MSA_HUB_URL": url}


@asynccontextmanager
async def database_silent(servers: Servers) -> AsyncIterator[Settings]:
    yield {"BOUQUET_REGISTRY_DATABASE_URL": f"postgresql://u@{servers.silent}/registry?sslmode=disable"}


class Deployment(Struct, frozen=True):
    doctor: str
    broken: Broken
    first_line: str
    """Pattern of the first line of the report."""
    checks_s: float = TEST_TIMEOUT_S
    """Time limit of the checks, in seconds: short only where a server never answers."""


DEPLOYMENTS = (
    Deployment("gateway", broker_down, r"WRONG broker: \S+ cannot be reached"),
    Deployment("gateway", broker_silent, r"WRONG broker: \S+ does not answer in", SHORT_S),
    Deployment("gateway", wrong_password, r"WRONG broker: \S+ refuses the user or the password"),
    Deployment(
        "gateway", rights_of_another, r"WRONG rights on the broker: the user may not .*exchange bouquet\.replies"
    ),
    Deployment("gateway", short_of_memory, r"WRONG rights on the broker: .* short of memory or disk", BLOCKED_S),
    Deployment("gateway", worker_missing, r"WRONG queue of acme: is not there: no worker is connected"),
    Deployment("gateway", registry_without_database, r"WRONG registry: answers that it cannot read its database"),
    Deployment("gateway", redis_silent, r"WRONG redis: \S+ cannot be reached \(Timeout"),
    Deployment("msa", upstream_down, r"WRONG the way to BOUQUET_MSA_HUB_URL: \S+ cannot be reached"),
    Deployment("msa", upstream_without_scheme, r"BOUQUET_MSA_HUB_URL: must be http\(s\)://"),
    Deployment("msa", upstream_of_another_authority, r"WRONG the way to BOUQUET_MSA_HUB_URL: TLS to .*certificate"),
    Deployment("registry", database_silent, r"WRONG database: does not answer in", SHORT_S),
)


@pytest.fixture
async def servers(rabbit: RabbitNode, tmp_path: Path) -> AsyncIterator[Servers]:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        yield Servers(rabbit, tmp_path, f"127.0.0.1:{port}")


@pytest.mark.broker
@pytest.mark.usefixtures("short_redis_timeout")  # only a silent redis is met
@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda one: one.broken.__name__)
async def test_the_first_line_of_a_doctor_is_the_cause(
    deployment: Deployment, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "END_S", TEST_TIMEOUT_S)
    async with deployment.broken(servers) as settings:
        text = await report(deployment, settings)
    assert re.match(deployment.first_line, text), text


async def report(deployment: Deployment, settings: Settings) -> str:
    doctor = DOCTORS[deployment.doctor]
    try:
        return as_text(await doctor.examine({**doctor.environ, **settings}, checks_s=deployment.checks_s))
    except SettingsError as error:
        return str(error)


def test_what_follows_from_a_cause_is_one_line_below_it() -> None:
    findings = [
        well("settings", "valid"),
        unknown("clock", "not compared", needs=("redis",)),
        wrong("worker of acme", "does not answer", "see its log", needs=("rights", "queue of acme")),
        wrong("queue of acme", "is not there", "start it", needs=("rights",)),
        wrong("rights", "are missing", "give them"),
        unknown("redis", "not used"),
    ]
    assert as_text(findings).splitlines() == [
        "WRONG rights: are missing",
        "      -> give them",
        "      => from this follows: worker of acme, queue of acme",
        "?     clock: not compared",
        "?     redis: not used",
        "ok    settings: valid",
    ]


async def test_a_doctor_answers_within_five_seconds_whatever_hangs() -> None:
    async def never() -> list[Finding]:
        return await asyncio.Event().wait() and []

    async def soon() -> list[Finding]:
        return [well("redis", "answers")]

    assert CHECKS_S + END_S < 5
    findings = await run_checks({"broker": never(), "redis": soon()}, Deadline.after(-1))
    assert findings == [unknown("broker", "its check has not ended in time"), well("redis", "answers")]
