"""Check of the URLs that settings give to upstreams, before a worker starts."""

from __future__ import annotations

from msgspec import structs

from bouquet_mesh.server_url import ServerUrl
from bouquet_mesh.settings import SettingsError
from bouquet_proto.names import worker_prefix
from bouquet_worker.settings import WorkerSettings
from bouquet_worker.upstream import Upstream

_HTTP = ServerUrl(("http",))


def check_urls(provider: str, settings: WorkerSettings, upstream: Upstream) -> None:
    """Raises `SettingsError` if a URL of an upstream is not an HTTP or HTTPS URL of exactly one server."""
    faults = {url: _HTTP.fault(url) for url in upstream.urls}
    texts = {name: value for name, value in structs.asdict(settings).items() if isinstance(value, str)}
    names = {text: worker_prefix(provider) + name.upper() for name, text in texts.items()}
    if problems := [f"{names.get(url, upstream.name)}: {fault}" for url, fault in faults.items() if fault]:
        raise SettingsError(problems)
