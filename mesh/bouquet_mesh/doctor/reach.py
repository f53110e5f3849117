"""Whether another server can be reached: a connection is made, with TLS where that is asked for, and closed. Nothing is
said to it, so that no fund is asked."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from socket import gaierror
from urllib.parse import urlsplit

from bouquet_mesh.doctor.files import until
from bouquet_mesh.doctor.findings import Finding, well, wrong
from bouquet_mesh.server_url import names_one_server
from bouquet_mesh.tls.context import system_context, trouble_of

LOOK_S = 5.0
PORTS = {"http": 80, "https": 443, "smtp": 25, "smtps": 465}
ENCRYPTED = ("https", "smtps")
WAY = "is it up, and is there a way to it (proxy, firewall, network policy)?"


async def reach(setting: str, url: str, context: ssl.SSLContext | None = None) -> Finding:
    """`context`: where the system's is not the one."""
    subject = f"the way to {setting}"
    if not names_one_server(url):
        return wrong(subject, "is not the URL of one server", f"mend {setting}: one host, or host:port")
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
    where = f"{host}:{port}"
    tls = (context or system_context()) if parts.scheme in ENCRYPTED else None
    try:
        async with asyncio.timeout(LOOK_S):
            _, writer = await asyncio.open_connection(host, port, ssl=tls)
    except TimeoutError:
        return wrong(subject, f"{where} does not answer in {LOOK_S:g} s", WAY)
    except gaierror:
        return wrong(subject, f"{host} has no address", f"mend {setting}, or the resolver")
    except OSError as error:
        if words := trouble_of(error):
            return wrong(subject, f"TLS to {where} fails: {words}", f"compare the certificates with {setting}")
        return wrong(subject, f"{where} cannot be reached ({type(error).__name__})", WAY)
    shown = tls and writer.get_extra_info("peercert")
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(LOOK_S):
            await writer.wait_closed()
    if not shown:
        return well(subject, f"{where} can be reached")
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), UTC)
    finding = until(subject, ends, "it is theirs: tell them")
    return Finding(subject, finding.state, f"{where} can be reached; its certificate: {finding.says}", finding.remedy)
