"""Health of resources, as `/api/pings` and `/api/{status}/ping` show it (docs/reference/contract.md §5.3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import get_args

from msgspec import UNSET, Struct, UnsetType

from bouquet_gateway import metrics
from bouquet_gateway.lookup.maintenance import MaintenanceWindows, has_ended_since, open_until
from bouquet_gateway.offers.catalogue import MonitoredResource
from bouquet_gateway.offers.discovery import Discovery
from bouquet_gateway.paris import PARIS
from bouquet_gateway.public.health_window import WINDOW_S, Circumstances, HealthWindows, State, state_of


class Status(Struct, frozen=True):
    """Body of `/api/{status}/ping`: the health of a resource. All times are ISO 8601 with milliseconds and UTC
    offset."""

    status: State
    last_update: str
    last_ok_status: str | None | UnsetType = UNSET
    """Time (despite the name) of the last call without an outage (HTTP status 502, 503 or 504). `None` if this process
    has seen no such call; absent in a sandbox."""
    until: str | UnsetType = UNSET
    """End of the maintenance window that is open now; absent if none is open."""


class Ping(Struct, frozen=True):
    name: str
    url: str


class Pings:
    """Health of all monitored resources. A resource is a group of operations that `/api/{status}/ping` shows under one
    name."""

    def __init__(
        self,
        offers: Discovery,
        health: HealthWindows,
        windows: MaintenanceWindows,
        clock: Callable[[], datetime],
        *,
        is_sandbox: bool,
    ) -> None:
        self._offers = offers
        self._health = health
        self._windows = windows
        self._clock = clock
        self._is_sandbox = is_sandbox

    def all(self, origin: str) -> list[Ping]:
        """Returns the name of every monitored resource, with the URL of its health. Each URL begins with `origin`, a
        scheme and a host such as `https://host`."""
        return [Ping(name, f"{origin}/api/{name}/ping") for name in sorted(self._offers.catalogue.monitored)]

    def status(self, name: str) -> Status | None:
        """Returns the health of the resource with this name, or `None` for an unknown name."""
        monitored = self._offers.catalogue.monitored.get(name)
        return None if monitored is None else self._status(name, monitored)

    def measure(self) -> None:
        """Sets the metric `bouquet_gateway_resource_state` of each monitored resource."""
        metrics.RESOURCE_STATE.clear()
        for name, monitored in self._offers.catalogue.monitored.items():
            now = self._status(name, monitored).status
            for state in get_args(State):
                metrics.RESOURCE_STATE.labels(name, state).set(state == now)

    def _status(self, name: str, monitored: MonitoredResource) -> Status:
        """Returns the health of a monitored resource. In a sandbox, the state is always `ok`."""
        now = self._clock()
        if self._is_sandbox:
            return Status("ok", _iso(now.astimezone(UTC)))
        label, window = monitored.authority.label, self._health.of(name)
        until = open_until(self._windows, label, now)
        circumstances = Circumstances(
            maintenance_until=until,
            just_reopened=has_ended_since(self._windows, label, now - timedelta(seconds=WINDOW_S), now),
            is_silent=not self._offers.silent.isdisjoint(monitored.providers),
        )
        return Status(
            state_of(window, circumstances, now),
            last_update=_iso(now),
            last_ok_status=_iso(window.last_success) if window.last_success else None,
            until=_iso(until.astimezone(PARIS)) if until else UNSET,
        )


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
