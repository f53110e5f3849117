"""Check, made by the `doctor` commands, that a server can be reached. Sends no request to the server."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from socket import gaierror
from urllib.parse import urlsplit

from bouquet_mesh.doctor.files import validity_finding
from bouquet_mesh.doctor.findings import Finding, well, wrong
from bouquet_mesh.doctor.timing import CLOSE_S
from bouquet_mesh.server_url import names_one_server
from bouquet_mesh.tls.context import system_context, tls_error_of
from bouquet_proto.deadline import Deadline

PORTS = {"http": 80, "https": 443, "smtp": 25, "smtps": 465}
ENCRYPTED = ("https", "smtps")
REACH_REMEDY = "is it up, and is there a way to it (proxy, firewall, network policy)?"


def reachability_subject(setting: str) -> str:
    """Returns the name of the check that a server can be reached, such as `the way to BOUQUET_CNAF_HUB_URL`. `setting`
    names the setting that holds the server's URL."""
    return f"the way to {setting}"


async def check_reachable(setting: str, url: str, deadline: Deadline, context: ssl.SSLContext | None = None) -> Finding:
    """Checks that the server of `url` accepts a connection, with TLS if the URL's scheme requires TLS. The setting
    named `setting` holds the URL. By default, `context` trusts the system's authorities. With TLS, the result also says
    when the server's certificate expires."""
    subject = reachability_subject(setting)
    if "://" not in url:
        return wrong(subject, "has no scheme, such as https://", f"mend {setting}")
    if not names_one_server(url):
        return wrong(subject, "is not the URL of one server", f"mend {setting}: one host, or host:port")
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
    address = f"{host}:{port}"
    tls = (context or system_context()) if parts.scheme in ENCRYPTED else None
    limit_s = deadline.left_s()
    try:
        async with asyncio.timeout(limit_s):
            _, writer = await asyncio.open_connection(host, port, ssl=tls)
    except TimeoutError:
        return wrong(subject, f"{address} does not answer in {limit_s:.1f} s", REACH_REMEDY)
    except gaierror:
        return wrong(subject, f"{host} has no address", f"mend {setting}, or the resolver")
    except OSError as error:
        if words := tls_error_of(error):
            return wrong(subject, f"TLS to {address} fails: {words}", f"compare the certificates with {setting}")
        return wrong(subject, f"{address} cannot be reached ({type(error).__name__})", REACH_REMEDY)
    shown = tls and writer.get_extra_info("peercert")
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(CLOSE_S):
            await writer.wait_closed()
    if not shown:
        return well(subject, f"{address} can be reached")
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), UTC)
    finding = validity_finding(subject, ends, "ask its owner to renew it")
    return Finding(subject, finding.state, f"{address} can be reached; its certificate: {finding.says}", finding.remedy)
