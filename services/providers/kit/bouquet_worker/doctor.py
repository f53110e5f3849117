"""Checks of `bouquet-worker doctor NAME`: settings, broker, rights, certificates and a connection to each upstream.
No request is sent to an upstream."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct, structs

from bouquet_mesh.doctor import broker, files
from bouquet_mesh.doctor.findings import Finding, well, wrong
from bouquet_mesh.doctor.reach import check_reachable
from bouquet_mesh.process import read_process
from bouquet_mesh.settings import SettingsError, read_all
from bouquet_proto.names import EMBEDDED, worker_prefix
from bouquet_worker.settings import WorkerSettings
from bouquet_worker.worker import Worker

CA, CERTIFICATE = "_ca_path", "_certificate_path"
"""Suffixes of setting names: `_ca_path` for the path of an authority's certificate, `_certificate_path` for the path of
the worker's own certificate."""
RENEW = "renew it, and restart the worker, which reads it only when it starts"


async def examine(worker: Worker, environ: Mapping[str, str]) -> list[Finding]:
    """Runs all checks and returns their findings. Raises `SettingsError` for wrong settings."""
    mesh, settings = read_all(environ, lambda reader: read_process(reader, lambda own, _: worker.read(own)))
    bus_url = mesh.bus_url
    findings = [await _settings(worker, settings)]
    findings += await _broker(bus_url.reveal(), worker.provider)
    findings += files.check_certificates(broker.SETTING, bus_url)
    findings += files.check_servers(broker.SETTING, bus_url)
    findings += _certificates(worker.provider, settings)
    urls = _urls(settings).items()
    return findings + await asyncio.gather(
        *(check_reachable(_variable(worker.provider, name), url, _ssl_context(settings, name)) for name, url in urls)
    )


async def _settings(worker: Worker, settings: WorkerSettings) -> Finding:
    """Checks that the worker's upstreams can be opened with the settings. Raises `SettingsError` if an upstream refuses
    a setting."""
    try:
        async with worker.connected(settings):
            return well("settings", "complete")
    except SettingsError:
        raise
    except Exception as error:  # an author's code may raise anything
        why = type(error).__name__
        return wrong(
            "settings", f"the upstreams cannot be opened with them ({why})", "`bouquet-worker run` shows the traceback"
        )


async def _broker(url: str, provider: str) -> list[Finding]:
    if url == EMBEDDED:
        return [wrong("broker", "no gateway reaches a worker in its own process by memory:", f"set {broker.SETTING}")]
    async with broker.connected(url, f"bouquet-{provider} doctor") as (connection, findings):
        if connection is None:
            return findings
        remedy = f"start `bouquet-worker run {provider}`, and see its log"
        served = await broker.check_provider_queue(connection, provider, remedy)
        return [*findings, await broker.check_serve_rights(connection, provider), served]


def _variable(provider: str, field: str) -> str:
    return worker_prefix(provider) + field.upper()


def _urls(settings: Struct) -> dict[str, str]:
    """Returns the settings that are HTTP URLs, by name."""
    values = {name: value for name, value in structs.asdict(settings).items() if isinstance(value, str)}
    return {name: value for name, value in values.items() if value.startswith(("http://", "https://"))}


def _certificates(provider: str, settings: Struct) -> Iterator[Finding]:
    for name, value in structs.asdict(settings).items():
        if value and name.endswith((CA, CERTIFICATE)):
            yield files.check_certificate(f"certificate of {_variable(provider, name)}", Path(value), RENEW)


def _ssl_context(settings: Struct, url: str) -> ssl.SSLContext | None:
    """Returns the TLS context for the URL in the setting `url`, or `None` for the default context, which trusts the
    system's authorities."""
    # The setting `hub_ca_path` applies to every URL whose setting begins with `hub_`, such as `hub_token_url`. If no
    # other setting's name ends with `_ca_path`, it applies to all URLs.
    paths = {name.removesuffix(CA): value for name, value in structs.asdict(settings).items() if name.endswith(CA)}
    prefix = next((name for name in paths if len(paths) == 1 or url.startswith(f"{name}_")), "")
    try:
        return ssl.create_default_context(cafile=paths[prefix]) if paths.get(prefix) else None
    except (OSError, ValueError):  # `_certificates` reports the file
        return None
