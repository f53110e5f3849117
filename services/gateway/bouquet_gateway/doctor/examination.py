"""The whole examination, from the settings to the providers."""

from __future__ import annotations

from collections.abc import Mapping

from bouquet_gateway.access.tokens import Tokens, named_keys
from bouquet_gateway.doctor import broker, disk, gateway, mesh, stores
from bouquet_gateway.lookup.maintenance import parse_windows
from bouquet_gateway.settings import GatewaySettings
from bouquet_gateway.start.serve import checked, with_providers
from bouquet_mesh.doctor import files
from bouquet_mesh.doctor.findings import Finding, unknown, well
from bouquet_mesh.settings import load, load_mesh
from bouquet_mesh.tls.context import verified
from bouquet_proto.names import EMBEDDED, GATEWAY_PREFIX, MESH_PREFIX


async def examine(environ: Mapping[str, str], url: str = "") -> list[Finding]:
    """`url`: where a gateway of the deployment answers, which is asked what only it knows. Raises `SettingsError`."""
    bus_url = load_mesh(environ).bus_url
    settings = checked(load(GatewaySettings, environ, GATEWAY_PREFIX))
    is_embedded = bus_url.reveal() == EMBEDDED
    findings = [_keys(settings)]
    if is_embedded:
        findings.append(unknown("broker", "memory: has none, the gateway hosts its workers itself"))
    else:
        settings = with_providers(settings, ())
        address = verified(bus_url, f"{MESH_PREFIX}BUS_URL")
        found, connected = await broker.examine(address, settings)
        findings += found
        if connected:
            findings += await mesh.examine(address, settings)
    findings += files.certificates(f"{MESH_PREFIX}BUS_URL", bus_url)
    findings += files.certificates(f"{GATEWAY_PREFIX}CACHE_URL", settings.cache_url)
    if settings.has_journal:
        findings.append(disk.spool(settings))
    findings += await stores.examine(settings)
    findings += await gateway.examine(url)
    return findings


def _keys(settings: GatewaySettings) -> Finding:
    """Those that cannot be used are wrong settings."""
    named = named_keys(settings.token_keys)
    Tokens(settings.token_key, named_keys=named)
    settings.cache_secret()
    parse_windows(settings.maintenance)
    names = ", ".join(name for name, _ in named) or "none with a name"
    return well("settings", f"whole; keys of tokens: {names}{', and one without' if settings.token_key else ''}")
