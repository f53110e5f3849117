"""Checks of `bouquet-registry doctor api`: what the internal API needs, and whether clients reach it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout
from msgspec import Struct

from bouquet_mesh.doctor import files
from bouquet_mesh.doctor.findings import Finding, unknown, well, wrong
from bouquet_mesh.doctor.timing import CHECKS_S, run_checks
from bouquet_mesh.process import read_process
from bouquet_mesh.settings import SettingsError, read_all
from bouquet_mesh.tls.context import tls_error_of
from bouquet_proto.deadline import Deadline
from bouquet_registry import doctor, token_signing
from bouquet_registry.api import openapi
from bouquet_registry.api.access import CERTIFICATE, Clients
from bouquet_registry.api.process import read_settings
from bouquet_registry.roles import API_RIGHTS
from bouquet_registry.settings import RegistrySettings

RESTART_REMEDY = "renew it, and restart the API, which reads it as it starts"
ROTATE_REMEDY = "give the gateways the key's public half first: docs/operations/keys.md"


class DoctorOptions(Struct, frozen=True):
    """Command-line options of `bouquet-registry doctor api`."""

    url: str = ""
    """Address at which `bouquet-registry doctor api` checks that the API answers; empty to skip this check."""
    ca: str = ""
    """Path of a PEM file with the certificates to trust for `url`; empty for the system's authorities."""
    token_keys: bytes = b""
    """Key set (JWKS) with which gateways verify tokens; empty to skip the check of the signing key."""


async def examine_api(environ: Mapping[str, str], options: DoctorOptions, checks_s: float = CHECKS_S) -> list[Finding]:
    """Runs all checks of `bouquet-registry doctor api`, and returns the result of each. No check takes longer than
    `checks_s` seconds. Raises `SettingsError` for wrong settings."""
    _, parts = read_all(environ, lambda reader: read_process(reader, read_settings))
    settings = parts.registry
    findings = [well("settings", "whole; clients: " + (", ".join(parts.clients.names) or "those with a certificate"))]
    findings.append(_check_signing_key(settings, options.token_keys))
    deadline = Deadline.after(checks_s)
    rights = doctor.rights_check(API_RIGHTS)
    checks = {
        "database": doctor.check_database(settings, deadline, doctor.check_clock, rights),
        "api": _check_api(options, parts.clients, deadline),
    }
    return [*findings, *await run_checks(checks, deadline), *_check_certificates(settings)]


def _check_signing_key(settings: RegistrySettings, token_keys: bytes) -> Finding:
    """Checks that gateways accept the tokens that this process signs: `token_keys`, the gateways' key set, must contain
    the signing key. The result is "unknown" if `token_keys` is empty."""
    subject = "signing key"
    if not token_keys:
        return unknown(subject, "not compared with the gateways' keys", "give those by --token-keys")
    try:
        kid = token_signing.kid_if_known(settings.signing_key, token_keys)
    except SettingsError as error:
        return wrong(subject, str(error), "give the file `token-keys` of the gateways, a key set")
    if kid is None:
        return wrong(subject, "the gateways do not know it: they refuse each token that it signs", ROTATE_REMEDY)
    return well(subject, f"the gateways know it as {kid}")


def _check_certificates(settings: RegistrySettings) -> Iterator[Finding]:
    if settings.api_certificate:
        yield files.check_certificate(f"certificate of {CERTIFICATE}", Path(settings.api_certificate), RESTART_REMEDY)
    if settings.api_client_ca:
        yield files.check_certificate("authority of the clients", Path(settings.api_client_ca), RESTART_REMEDY)


async def _check_api(options: DoctorOptions, clients: Clients, deadline: Deadline) -> list[Finding]:
    """Calls the API at `options.url`, and checks that it answers and that its certificate is trusted. The result is
    "unknown" if `options.url` is empty."""
    subject = "api"
    if not options.url:
        return [unknown(subject, "not called", "give its address by --url, and its authority by --ca")]
    try:
        trusted = ssl.create_default_context(cafile=options.ca or None)
        async with (
            ClientSession(timeout=ClientTimeout(total=deadline.left_s()), headers=clients.authorization()) as session,
            session.get(f"{options.url.rstrip('/')}{openapi.PATH}", ssl=trusted, allow_redirects=False) as answer,
        ):
            status = answer.status
    except (TimeoutError, ClientError, OSError, ValueError) as error:
        why = tls_error_of(error) or type(error).__name__
        return [wrong(subject, f"does not answer at {options.url} ({why})", "is it up, and is --ca its authority?")]
    if status != 200:
        return [wrong(subject, f"answers {status} at {options.url}", "is it this API, with the same settings?")]
    return [well(subject, f"answers at {options.url}")]
