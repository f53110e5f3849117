"""`/api/pings` and `/api/{status}/ping`: what callers' own calls say of each resource (http-contract §5.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

from aiohttp import web
from msgspec import UNSET, Struct, UnsetType

from bouquet_gateway import metrics
from bouquet_gateway.access.addresses import is_in
from bouquet_gateway.http.responses import json_of
from bouquet_gateway.lookup.maintenance import PARIS, has_ended_since, open_until
from bouquet_gateway.offers.catalogue import Watched
from bouquet_gateway.public.health_window import WINDOW_S, Circumstances, Word, judge
from bouquet_gateway.state import GATEWAY, Gateway


class Status(Struct, frozen=True):
    """Times as ISO 8601, with milliseconds and offset."""

    status: Word
    last_update: str
    last_ok_status: str | None | UnsetType = UNSET
    """When a call has last ended well; null when none has since this process began."""
    until: str | UnsetType = UNSET
    """End of the maintenance."""


class Ping(Struct, frozen=True):
    name: str
    url: str


async def pings(request: web.Request) -> web.Response:
    """Every resource that has a status, and where it is told."""
    origin = f"{_scheme(request)}://{request.host}"
    names = sorted(request.app[GATEWAY].catalogue.watched)
    return json_of([Ping(name, f"{origin}/api/{name}/ping") for name in names])


async def ping(request: web.Request) -> web.Response:
    gateway, name = request.app[GATEWAY], request.match_info["status"]
    watched = gateway.catalogue.watched.get(name)
    if watched is None:
        return json_of({}, 404)
    status = status_of(gateway, name, watched)
    return json_of(status, 502 if status.status == "bad_gateway" else 200)


def status_of(gateway: Gateway, name: str, watched: Watched) -> Status:
    """In a sandbox, which asks nobody, all is always well."""
    now = gateway.clock()
    if gateway.settings.sandbox:
        return Status("ok", _iso(now.astimezone(UTC)))
    label, pulse = watched.authority.label, gateway.vitals[name]
    until = open_until(gateway.windows, label, now)
    circumstances = Circumstances(
        maintenance_until=until,
        just_reopened=has_ended_since(gateway.windows, label, now - timedelta(seconds=WINDOW_S), now),
        is_silent=not gateway.discovery.silent.isdisjoint(watched.providers),
    )
    return Status(
        judge(pulse, circumstances, now),
        last_update=_iso(now),
        last_ok_status=_iso(pulse.last_success) if pulse.last_success else None,
        until=_iso(until.astimezone(PARIS)) if until else UNSET,
    )


def measure(gateway: Gateway) -> None:
    """The same, for whoever reads the metrics."""
    for name, watched in gateway.catalogue.watched.items():
        told = status_of(gateway, name, watched).status
        for word in get_args(Word):
            metrics.RESOURCE_STATE.labels(name, word).set(word == told)


def _scheme(request: web.Request) -> str:
    """Our own proxies may say that the caller speaks TLS."""
    told = request.headers.get("X-Forwarded-Proto", "")
    believed = told in ("http", "https") and is_in(request.remote or "", request.app[GATEWAY].trusted_proxies)
    return told if believed else request.scheme


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
