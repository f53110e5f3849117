"""`bouquet-worker doctor NAME`: looks over what a worker needs, with its own settings: broker, rights there,
certificates, the way to each upstream. No fund is asked anything (bouquet_mesh.doctor)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct, structs

from bouquet_mesh.doctor import broker, files
from bouquet_mesh.doctor.findings import Finding, well, wrong
from bouquet_mesh.doctor.reach import reach
from bouquet_mesh.process import read_process
from bouquet_mesh.settings import SettingsError, read_all
from bouquet_proto.names import EMBEDDED, worker_prefix
from bouquet_worker.settings import WorkerSettings
from bouquet_worker.worker import Worker

CA, CERTIFICATE = "_ca_path", "_certificate_path"
RENEW = "renew it, and restart the worker, which reads it as it starts"


async def examine(worker: Worker, environ: Mapping[str, str]) -> list[Finding]:
    """Raises `SettingsError`."""
    mesh, settings = read_all(environ, lambda reader: read_process(reader, lambda own, _: worker.read(own)))
    bus_url = mesh.bus_url
    findings = [await _settings(worker, settings)]
    findings += await _broker(bus_url.reveal(), worker.provider)
    findings += files.certificates(broker.SETTING, bus_url)
    findings += _certificates(worker.provider, settings)
    ways = _urls(settings).items()
    return findings + await asyncio.gather(
        *(reach(_variable(worker.provider, name), url, _context(settings, name)) for name, url in ways)
    )


async def _settings(worker: Worker, settings: WorkerSettings) -> Finding:
    """Opens what the author makes of the settings. Raises `SettingsError`."""
    try:
        async with worker.connected(settings):
            return well("settings", "whole")
    except SettingsError:
        raise
    except Exception as error:  # of the author's code, which may raise anything
        why = type(error).__name__
        return wrong(
            "settings", f"no upstream can be made of them ({why})", "see `bouquet-worker run`, which says where"
        )


async def _broker(url: str, provider: str) -> list[Finding]:
    if url == EMBEDDED:
        return [wrong("broker", "nobody reaches a worker alone on memory:", f"set {broker.SETTING}")]
    async with broker.reached(url, f"bouquet-{provider} doctor") as (connection, findings):
        if connection is None:
            return findings
        remedy = f"start `bouquet-worker run {provider}`, and see its log"
        served = await broker.serving(connection, provider, remedy)
        return [*findings, await broker.may_serve(connection, provider), served]


def _variable(provider: str, field: str) -> str:
    return worker_prefix(provider) + field.upper()


def _urls(settings: Struct) -> dict[str, str]:
    values = {name: value for name, value in structs.asdict(settings).items() if isinstance(value, str)}
    return {name: value for name, value in values.items() if value.startswith(("http://", "https://"))}


def _certificates(provider: str, settings: Struct) -> Iterator[Finding]:
    for name, value in structs.asdict(settings).items():
        if value and name.endswith((CA, CERTIFICATE)):
            yield files.certificate(f"certificate of {_variable(provider, name)}", Path(value), RENEW)


def _context(settings: Struct, url: str) -> ssl.SSLContext | None:
    """Who vouches for it, by the names of the settings: `hub_ca_path` is for `hub_url` and `hub_token_url`, or for all
    where it is the only one. `None` is the system's."""
    paths = {name.removesuffix(CA): value for name, value in structs.asdict(settings).items() if name.endswith(CA)}
    whose = next((name for name in paths if len(paths) == 1 or url.startswith(f"{name}_")), "")
    try:
        return ssl.create_default_context(cafile=paths[whose]) if paths.get(whose) else None
    except (OSError, ValueError):  # told of the file itself
        return None
