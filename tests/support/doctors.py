"""The doctor of each process that has one, with valid settings of the process and malformed ones to try."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterator, Mapping
from functools import partial
from importlib.metadata import entry_points
from typing import Protocol

from msgspec import Struct, structs

from bouquet_gateway.doctor.examination import examine as examine_gateway
from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh.doctor.findings import Finding
from bouquet_mesh.settings import MeshSettings
from bouquet_proto.names import GATEWAY_PREFIX, MESH_PREFIX, SIMULATORS, WORKERS, worker_prefix
from bouquet_registry.doctor import examine as examine_registry
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import PREFIX as REGISTRY_PREFIX
from bouquet_worker import WorkerSettings
from bouquet_worker.doctor import examine as examine_worker
from tests.support.gateway_client import TOKEN_KEY


class Examine(Protocol):
    """Examination of a deployment by its environment, with checks that wait for at most `checks_s` seconds."""

    def __call__(self, environ: Mapping[str, str], /, *, checks_s: float = ...) -> Awaitable[list[Finding]]: ...


NOBODY = "127.0.0.1:1"
BUS = {"BOUQUET_BUS_URL": f"amqp://{NOBODY}/"}
PASSWORD = "swordfish-of-the-tests"
MALFORMED_URLS = (
    "",
    f"{NOBODY},{NOBODY}/",
    f"u:{PASSWORD}@127.0.0.1:port/",
    "127.0.0.1:65536/",
    "[::1",
    f"{64 * 'a'}/",
    f"{NOBODY}/?nonsense=1",
    f"{NOBODY}/?cafile=/nowhere&ssl_ca_certs=/nowhere&timeout=x",
)
NUMBERS = ("", "x", "-1", 20 * "9", "nan")
TEXTS = ("", " ", "localhost", "é", "[1]", "{}", '{"keys": [{}]}', "/nowhere", "a:b,c")


class Doctor(Struct, frozen=True):
    """Doctor command of a process, with settings to try it with."""

    command: tuple[str, ...]
    examine: Examine
    environ: Mapping[str, str]
    """Valid settings of the process. The URLs among them lead to no server."""
    prefix: str
    settings: type[Struct]
    schemes: tuple[str, ...]
    """URL schemes, besides `amqp`, with which `malformed` builds malformed URLs for this process."""
    common: type[Struct] | None = None
    """Settings of every worker, which `malformed` leaves out; None for the process that tries them for all."""

    def malformed(self) -> Iterator[tuple[str, str]]:
        """Yields the malformed settings to try: the name of a variable and a malformed value."""
        urls = [f"{scheme}://{rest}" for scheme in ("amqp", *self.schemes) for rest in MALFORMED_URLS]
        of_mesh = [] if self.common else [(MESH_PREFIX, field) for field in structs.fields(MeshSettings)]
        common = {field.name for field in structs.fields(self.common)} if self.common else set()
        own = [(self.prefix, field) for field in structs.fields(self.settings) if field.name not in common]
        for prefix, field in (*of_mesh, *own):
            is_text = re.search(r"\bstr\b|Secret", str(field.type))
            yield from ((prefix + field.name.upper(), value) for value in ((*TEXTS, *urls) if is_text else NUMBERS))


def worker_doctor(provider: str) -> Doctor:
    """Returns the doctor of a provider's worker."""
    [worker] = (entry.load() for entry in entry_points(group=WORKERS) if entry.name == provider)
    [simulator] = (entry.load() for entry in entry_points(group=SIMULATORS) if entry.name == provider)
    environ = BUS | simulator.settings(f"http://{NOBODY}")
    settings = type(worker.settings(environ))
    command = ("bouquet-worker", "doctor", provider)
    common = None if provider == "msa" else WorkerSettings
    return Doctor(
        command, partial(examine_worker, worker), environ, worker_prefix(provider), settings, ("https",), common
    )


DOCTORS = {
    "gateway": Doctor(
        ("bouquet-gateway", "doctor"),
        examine_gateway,
        BUS
        | {
            "BOUQUET_GATEWAY_PROVIDERS": "acme",
            "BOUQUET_GATEWAY_TOKEN_KEY": TOKEN_KEY.reveal(),
            "BOUQUET_GATEWAY_JOURNAL_KEY": f"2026:{TOKEN_KEY.reveal()}",
        },
        GATEWAY_PREFIX,
        GatewaySettings,
        ("redis",),
    ),
    "registry": Doctor(
        ("bouquet-registry", "doctor"),
        examine_registry,
        BUS | {"BOUQUET_REGISTRY_SIGNING_KEY": TOKEN_KEY.reveal()},
        REGISTRY_PREFIX,
        RegistrySettings,
        ("postgresql", "sqlite", "smtp"),
    ),
    **{entry.name: worker_doctor(entry.name) for entry in entry_points(group=WORKERS)},
}
