"""Process `bouquet-registry api`, which serves the internal API until SIGTERM."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from msgspec import Struct

from bouquet_mesh.listen import listening
from bouquet_mesh.process import Process, run_process
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import MeshSettings, Reader, SettingsError
from bouquet_registry.administration import Administration
from bouquet_registry.api.access import Clients, check_access, clients_of
from bouquet_registry.api.app import make_app
from bouquet_registry.api.routes import routes_of
from bouquet_registry.datapass.forms import NO_FORMS, Catalogue, forms_of
from bouquet_registry.serve import warn_of_unused_keys
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import PREFIX, open_store
from bouquet_registry.worker import registry

log = logging.getLogger(__name__)

SERVICE = "bouquet-registry-api"
"""Name of the process `bouquet-registry api` in logs and traces."""


class ApiParts(Struct, frozen=True):
    """Settings of `bouquet-registry api`, checked, and the objects made from them: the API's clients, the TLS context
    of its port, and the prefilled forms."""

    registry: RegistrySettings
    clients: Clients
    tls: ssl.SSLContext | None
    forms: Catalogue = NO_FORMS


async def serve_api(environ: Mapping[str, str]) -> None:
    """Serves the API until SIGTERM. Raises `SettingsError` for wrong settings."""
    await run_process(SERVICE, environ, read_settings, _serving)


def read_settings(reader: Reader, _: MeshSettings) -> ApiParts:
    """Reads and checks the settings of `bouquet-registry api`. Problems are added to `reader`, which reports them all
    together."""
    settings = registry.read(reader)
    reader.check(_check_key, settings)
    tls = reader.check(check_access, settings)
    clients = reader.check(clients_of, settings)
    forms = reader.check(forms_of, settings)
    return ApiParts(settings, clients or Clients(Secret("")), tls, forms or NO_FORMS)


def _check_key(settings: RegistrySettings) -> None:
    if not settings.signing_key:
        raise SettingsError([f"{PREFIX}SIGNING_KEY: is required: the API issues tokens"])


@asynccontextmanager
async def _serving(process: Process, settings: ApiParts) -> AsyncIterator[None]:
    own = settings.registry
    warn_of_unused_keys(own, "journal_keys")
    async with (
        open_store(own.database_url) as store,
        process.probing(own.host, own.port),  # probes show no certificate
        listening(
            make_app(Administration(store, own.signing_key), routes_of(settings.forms), settings.clients),
            own.api_host,
            own.api_port,
            limits=process.http_limits,
            drain_s=own.drain_s,
            ends_with_client=False,
            tls=settings.tls,
        ) as url,
    ):
        process.ready_when(dict)
        log.info("registry api started", extra={"port": urlsplit(url).port, "tls": settings.tls is not None})
        yield
        log.info("registry api stopping")
