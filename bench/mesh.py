"""Processes of Bouquet that the benchmark measures: a gateway, a registry, and workers of CAF and MSA, with every
feature on. A second gateway accepts only few requests at a time."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bench.lookup import PATH, RECIPIENT, SCOPES
from bench.programs import Program, plain_environ
from bouquet_cnaf.simulator import cnaf_settings
from bouquet_gateway.access import tokens
from bouquet_hub.personas import MSA
from bouquet_hub.simulator import hub_settings
from bouquet_mesh.secret import Secret
from bouquet_proto.names import worker_prefix
from tests.support.daemon import free_port

UNREACHED = 1_000_000
CONCURRENCY = 256
"""Number of lookups that a worker handles at a time. Workers of the other frameworks have the same limit."""
PLACES = 4 * CONCURRENCY
"""Number of requests that the gateway accepts at a time."""
# One token may use a quarter of them, which is `CONCURRENCY`. This is enough, since the load uses one token and sends
# at most `CONCURRENCY` requests at a time.

FEW_PLACES = 64
"""Number of requests that the second gateway accepts at a time."""
FEW_CALLERS = 16
"""Number of tokens for calls to the second gateway."""
# One token may hold a quarter of that gateway's places; with this many tokens, no token exceeds its quarter.


class Mesh(Struct, frozen=True):
    gateway: Program
    full: Program
    """Second gateway, which accepts at most `FEW_PLACES` concurrent requests. It reads callers' rights from their
    tokens instead of asking the registry."""
    workers: tuple[Program, ...]
    registry: Program
    token: str
    tokens: tuple[str, ...]

    @property
    def url(self) -> str:
        return self.gateway.url + PATH


@contextmanager
def mesh_of(folder: Path, bus_url: str, upstream_url: str) -> Iterator[Mesh]:
    """Starts the gateways, workers and registry that the benchmark measures, and yields them. All settings have their
    defaults, except rate limits, concurrency and tracing."""
    key = secrets.token_hex(32)
    common = {
        "BOUQUET_BUS_URL": bus_url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": upstream_url,
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.01",
    }
    of_registry = common | {
        "BOUQUET_REGISTRY_DATABASE_URL": f"sqlite:///{folder}/registry.db",
        "BOUQUET_REGISTRY_SIGNING_KEY": key,
    }
    of_workers = {"cnaf": cnaf_settings(upstream_url), "msa": hub_settings(MSA, upstream_url)}
    of_gateway = common | {
        "BOUQUET_GATEWAY_TOKEN_KEY": key,
        "BOUQUET_GATEWAY_JOURNAL_KEY": f"bench:{secrets.token_hex(32)}",
        "BOUQUET_GATEWAY_PROVIDERS": ",".join(of_workers),
        "BOUQUET_GATEWAY_CALLS_PER_SECOND": str(UNREACHED),
        "BOUQUET_GATEWAY_MAX_REQUESTS": str(PLACES),
        "BOUQUET_GATEWAY_MAX_CALLS_PER_PROVIDER": str(PLACES),
    }
    with ExitStack() as stack:
        registry = _serving("BOUQUET_REGISTRY_PORT", of_registry, folder / "registry", "bouquet_registry", "serve")
        stack.enter_context(registry)
        workers = tuple(_worker(folder, provider, common | own) for provider, own in of_workers.items())
        for worker in workers:
            stack.enter_context(worker)
        few = {
            "BOUQUET_GATEWAY_MAX_REQUESTS": str(FEW_PLACES),
            "BOUQUET_GATEWAY_MAX_CALLS_PER_PROVIDER": str(FEW_PLACES),
            "BOUQUET_GATEWAY_TOKENS_FROM": "claims",
        }
        gateway, full = (
            _serving("BOUQUET_GATEWAY_PORT", environ, folder / name, "bouquet_gateway", "serve")
            for name, environ in (("gateway", of_gateway), ("full", of_gateway | few))
        )
        stack.enter_context(gateway)
        stack.enter_context(full)
        yield Mesh(gateway, full, workers, registry, _token(of_registry), tuple(_tokens(Secret(key), FEW_CALLERS)))


def gateway_of(folder: Path, bus_url: str, providers: Sequence[str]) -> Program:
    """Returns a gateway, not yet started, that calls the given providers. It reads callers' rights from their tokens
    instead of asking the registry."""
    environ = {
        "BOUQUET_BUS_URL": bus_url,
        "BOUQUET_GATEWAY_TOKEN_KEY": secrets.token_hex(32),
        "BOUQUET_GATEWAY_TOKENS_FROM": "claims",
        "BOUQUET_GATEWAY_PROVIDERS": ",".join(providers),
    }
    return _serving("BOUQUET_GATEWAY_PORT", environ, folder, "bouquet_gateway", "serve")


def _worker(folder: Path, provider: str, environ: Mapping[str, str]) -> Program:
    prefix = worker_prefix(provider)
    budgets = {f"{prefix}CONCURRENCY": str(CONCURRENCY), f"{prefix}UPSTREAM_CALLS_PER_MINUTE": str(UNREACHED)}
    command = ("bouquet_worker", "run", provider)
    return _serving("BOUQUET_WORKER_HEALTH_PORT", {**environ, **budgets}, folder / provider, *command)


def _serving(port_variable: str, environ: Mapping[str, str], folder: Path, *command: str) -> Program:
    port = free_port()
    return Program(folder, *command, port=port, ready_path="/readyz", environ={**environ, port_variable: str(port)})


def _token(environ: Mapping[str, str]) -> str:
    create = ("habilitation", "create", "--siret", RECIPIENT, "--name", "bench", "--scopes", *SCOPES)
    made = _registry(environ, *create)
    return str(_registry(environ, "token", "issue", made["id"])["jwt"])


def _tokens(key: Secret, count: int) -> Iterator[str]:
    expires_at = int(time.time()) + 24 * 3600
    for _ in range(count):
        yield tokens.issue(key, SCOPES, expires_at=expires_at, token_id=str(uuid.uuid4()), siret=RECIPIENT)


def _registry(environ: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "bouquet_registry", *arguments, "--why", "bench", "--json"]
    output = subprocess.check_output(command, env=plain_environ() | dict(environ), timeout=60)
    return msgspec.json.decode(output, type=dict[str, Any])
