"""Examination of a deployment by the command `bouquet-gateway doctor`: settings, broker, workers, certificates, the
journal's spool (a folder of unsent records), redis, and a running gateway."""

from __future__ import annotations

from collections.abc import Mapping

from bouquet_gateway.access.tokens import named_keys
from bouquet_gateway.doctor import broker, disk, gateway, proof_keys, stores
from bouquet_gateway.settings import GatewaySettings, safeguards_off
from bouquet_gateway.start.serve import read
from bouquet_mesh.doctor import files, hosts
from bouquet_mesh.doctor.findings import Finding, well, wrong
from bouquet_mesh.doctor.timing import CHECKS_S, run_checks
from bouquet_mesh.process import read_process
from bouquet_mesh.settings import read_all
from bouquet_proto.deadline import Deadline
from bouquet_proto.names import GATEWAY_PREFIX, MESH_PREFIX


async def examine(
    environ: Mapping[str, str], url: str = "", queues: bytes = b"", checks_s: float = CHECKS_S
) -> list[Finding]:
    """Examines a deployment, and returns the findings (results of checks). No check waits longer than `checks_s`
    seconds. Raises `SettingsError` for wrong settings.

    `url` is the URL of a running gateway; if it is empty, no gateway is examined. `queues` is RabbitMQ's answer to `GET
    /api/queues/VHOST`; if it is empty, the nodes that host the queues are not examined.
    """
    shared, hosting = read_all(environ, lambda reader: read_process(reader, read))
    bus_url, settings = shared.bus_url, hosting.settings
    deadline = Deadline.after(checks_s)
    checks = {
        "broker": broker.examine(bus_url, settings, deadline),
        "redis": stores.examine(settings, deadline),
        "gateway": gateway.examine(url, settings.providers, deadline),
    }
    findings = [_keys(settings), *await run_checks(checks, deadline)]
    if queues:
        findings += hosts.check_hosts(queues)
    findings += files.check_certificates(f"{MESH_PREFIX}BUS_URL", bus_url)
    findings += files.check_certificates(f"{GATEWAY_PREFIX}CACHE_URL", settings.cache_url)
    if settings.has_journal:
        findings.append(disk.examine(settings))
    findings += [proof_keys.examine(settings), _safeguards(settings)]
    return findings


def _safeguards(settings: GatewaySettings) -> Finding:
    off = [f"{GATEWAY_PREFIX}{safeguard.setting}: {safeguard.means}" for safeguard in safeguards_off(settings)]
    if not off:
        return well("safeguards", "the registry decides what tokens allow, and each answer leaves a record")
    return wrong("safeguards", "; ".join(off), "take the setting away, unless no real data is behind this gateway")


def _keys(settings: GatewaySettings) -> Finding:
    names = ", ".join(name for name, _ in named_keys(settings.token_keys)) or "none with a name"
    return well("settings", f"valid; keys of tokens: {names}{', and one without a name' if settings.token_key else ''}")
