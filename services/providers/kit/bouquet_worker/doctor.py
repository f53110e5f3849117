"""Checks of `bouquet-worker doctor NAME`: the worker's settings, broker, certificates, upstreams and tokens. The checks
send no lookup about a person."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import msgspec
from msgspec import Struct, structs

from bouquet_mesh.doctor import broker, files
from bouquet_mesh.doctor.findings import Finding, unknown, well, wrong
from bouquet_mesh.doctor.reach import check_reachable, reachability_subject
from bouquet_mesh.doctor.timing import CHECKS_S, run_checks
from bouquet_mesh.process import read_process
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import MeshSettings, Reader, SettingsError, read_all
from bouquet_proto.deadline import Deadline
from bouquet_proto.names import EMBEDDED, worker_prefix
from bouquet_worker.auth import ClientCredentials
from bouquet_worker.errors import UpstreamError, words_of
from bouquet_worker.run import PROCESS_PREFIX, ProcessSettings
from bouquet_worker.settings import WorkerSettings
from bouquet_worker.upstream import Upstream, UpstreamClient
from bouquet_worker.worker import Worker

PEM_HEADER = b"-----BEGIN CERTIFICATE-----"
RENEW_REMEDY = "renew it, and restart the worker, which reads it only when it starts"


class _Readiness(Struct, frozen=True):
    """Body of a worker's answer to `/readyz`. `causes` says what gateways refuse in the worker's operations, and why:
    `path already served: acme_dossier`."""

    status: str
    causes: tuple[str, ...] = msgspec.field(name="for", default=())


async def examine(worker: Worker, environ: Mapping[str, str], checks_s: float = CHECKS_S) -> list[Finding]:
    """Runs the checks of `bouquet-worker doctor` for a worker, and returns the result of each check. No check waits
    longer than `checks_s` seconds. Raises `SettingsError` for wrong settings."""

    def read(reader: Reader, _: MeshSettings) -> tuple[WorkerSettings, ProcessSettings]:
        return worker.read(reader), reader.read(ProcessSettings, PROCESS_PREFIX)

    mesh, (settings, process) = read_all(environ, lambda reader: read_process(reader, read))
    deadline = Deadline.after(checks_s)
    checks = {
        "settings": _upstreams(worker, settings, deadline),
        "broker": _broker(mesh.bus_url, worker.provider, deadline),
        "worker": _readiness(process, worker.provider, deadline),
    }
    findings = await run_checks(checks, deadline)
    own = _certificates(worker.provider, settings)
    return [*findings, *files.check_certificates(broker.SETTING, mesh.bus_url), *own]


async def _upstreams(worker: Worker, settings: WorkerSettings, deadline: Deadline) -> list[Finding]:
    """Checks that the worker's upstreams can be opened and reached, and that they give tokens. Raises `SettingsError`
    if an upstream refuses a setting."""
    async with AsyncExitStack() as stack:
        try:
            opened = await stack.enter_async_context(worker.connected(settings))
        except SettingsError:
            raise
        except Exception as error:  # an author's code may raise anything
            says = f"the upstreams cannot be opened with them ({type(error).__name__})"
            return [wrong("settings", says, "`bouquet-worker run` shows the traceback")]
        clients = [client for client in opened.values() if isinstance(client, UpstreamClient)]
        contexts = {url: client.upstream.ssl for client in clients for url in client.upstream.urls}
        servers = _urls(worker.provider, settings, [client.upstream for client in clients])
        reached = (check_reachable(name, url, deadline, contexts.get(url)) for name, url in servers.items())
        tokens = (_token(client, servers, deadline) for client in _with_tokens(clients))
        return [well("settings", "complete"), *await asyncio.gather(*reached, *tokens)]


def _with_tokens(clients: Iterable[UpstreamClient]) -> list[UpstreamClient]:
    """Returns the clients that authenticate their calls by OAuth 2.0 tokens. Returns only the first of several clients
    that share a token."""
    shared = {id(client.upstream.auth): client for client in reversed([*clients])}
    return [client for client in reversed(shared.values()) if isinstance(client.upstream.auth, ClientCredentials)]


async def _token(client: UpstreamClient, servers: Mapping[str, str], deadline: Deadline) -> Finding:
    """Checks that a token can be obtained from an upstream's token endpoint. `servers` holds the URLs of other checks,
    by name."""
    # A failure names the check of the token endpoint's URL as its possible cause.
    subject = f"token for {client.upstream.name}"
    causes = tuple(reachability_subject(name) for name, url in servers.items() if url in client.upstream.urls[1:])
    limit_s = deadline.left_s()
    try:
        async with asyncio.timeout(limit_s):
            await client.authenticate()
    except TimeoutError:
        return wrong(subject, f"none came in {limit_s:.1f} s", "ask the provider", causes)
    except UpstreamError as error:
        remedy = "compare the URL, the client's id and its secret with what the provider gave"
        return wrong(subject, f"cannot be obtained ({words_of(error)})", remedy, causes)
    return well(subject, "was obtained")


async def _readiness(process: ProcessSettings, provider: str, deadline: Deadline) -> list[Finding]:
    """Asks the running worker whether it is ready, at `/readyz` on its `health_host` and `health_port`. The result is
    `unknown` if the port is 0 or nothing answers there."""
    subject = "worker"
    if not process.health_port:
        return [unknown(subject, f"not asked: {PROCESS_PREFIX}HEALTH_PORT does not tell where its /readyz is")]
    url = f"http://{process.health_host}:{process.health_port}/readyz"
    try:
        async with asyncio.timeout(deadline.left_s()), aiohttp.ClientSession() as session, session.get(url) as answer:
            state = msgspec.json.decode(await answer.read(), type=_Readiness)
    except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
        return [unknown(subject, f"does not answer at {url} ({type(error).__name__}): does it run here?")]
    if state.status == "ready":
        return [well(subject, "is ready")]
    says = ": ".join(filter(None, ("is not ready", state.status, "; ".join(state.causes))))
    return [wrong(subject, says, "see its log", ("broker", broker.RIGHTS_SUBJECT, broker.queue_subject(provider)))]


def _urls(provider: str, settings: WorkerSettings, declared: Sequence[Upstream]) -> dict[str, str]:
    """Returns the URLs that `bouquet-worker doctor` checks, by name: the URLs in the settings, and in the upstreams of
    `declared`. The name is the environment variable with the URL, or else the upstream's name."""
    texts = {name: value for name, value in structs.asdict(settings).items() if isinstance(value, str) and value}
    own = {_variable(provider, name): text for name, text in texts.items() if name.endswith("url") or "://" in text}
    return own | {one.name: url for one in declared for url in one.urls if url not in own.values()}


def _certificates(provider: str, settings: WorkerSettings) -> Iterator[Finding]:
    """Checks the certificates in each file whose path a setting holds. Yields one result for each file."""
    for name, value in structs.asdict(settings).items():
        if isinstance(value, str) and _holds_certificates(Path(value)):
            yield files.check_certificate(f"certificate of {_variable(provider, name)}", Path(value), RENEW_REMEDY)


def _holds_certificates(path: Path) -> bool:
    try:
        return PEM_HEADER in path.read_bytes()
    except (OSError, ValueError):  # no path at all; the worker refuses a file of certificates that it cannot read
        return False


def _variable(provider: str, field: str) -> str:
    return worker_prefix(provider) + field.upper()


async def _broker(bus_url: Secret, provider: str, deadline: Deadline) -> list[Finding]:
    url = bus_url.reveal()
    if url == EMBEDDED:
        return [wrong("broker", "no gateway reaches a worker in its own process by memory:", f"set {broker.SETTING}")]
    async with broker.connected(url, f"bouquet-{provider} doctor", deadline) as (connection, findings):
        if connection is None:
            return findings
        remedy = f"start `bouquet-worker run {provider}`, and see its log"
        served = await broker.check_service(connection, provider, remedy, deadline)
        return [*findings, *served, *files.check_servers(broker.SETTING, bus_url)]
