"""`/api/pings` and `/api/{status}/ping`: what callers' own calls say of each resource
(docs/reference/contract.md §5.3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import get_args

from msgspec import UNSET, Struct, UnsetType

from bouquet_gateway import metrics
from bouquet_gateway.lookup.maintenance import PARIS, MaintenanceWindows, has_ended_since, open_until
from bouquet_gateway.offers.catalogue import Watched
from bouquet_gateway.offers.discovery import Discovery
from bouquet_gateway.public.health_window import WINDOW_S, Circumstances, HealthWindows, State, judge


class Status(Struct, frozen=True):
    """Times as ISO 8601, with milliseconds and offset."""

    status: State
    last_update: str
    last_ok_status: str | None | UnsetType = UNSET
    """When a call has last ended well; null when none has since this process began."""
    until: str | UnsetType = UNSET
    """End of the maintenance."""


class Ping(Struct, frozen=True):
    name: str
    url: str


class Pings:
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
        """Every resource that has a status, and where it is. `origin`: `https://host`, or nothing."""
        return [Ping(name, f"{origin}/api/{name}/ping") for name in sorted(self._offers.catalogue.watched)]

    def status(self, name: str) -> Status | None:
        """`None` for no resource's name."""
        watched = self._offers.catalogue.watched.get(name)
        return None if watched is None else self._status(name, watched)

    def measure(self) -> None:
        """Writes every status into the metrics, and forgets those of resources that are offered no longer."""
        metrics.RESOURCE_STATE.clear()
        for name, watched in self._offers.catalogue.watched.items():
            now = self._status(name, watched).status
            for state in get_args(State):
                metrics.RESOURCE_STATE.labels(name, state).set(state == now)

    def _status(self, name: str, watched: Watched) -> Status:
        """In a sandbox, which asks no provider, all is always well."""
        now = self._clock()
        if self._is_sandbox:
            return Status("ok", _iso(now.astimezone(UTC)))
        label, window = watched.authority.label, self._health.of(name)
        until = open_until(self._windows, label, now)
        circumstances = Circumstances(
            maintenance_until=until,
            just_reopened=has_ended_since(self._windows, label, now - timedelta(seconds=WINDOW_S), now),
            is_silent=not self._offers.silent.isdisjoint(watched.providers),
        )
        return Status(
            judge(window, circumstances, now),
            last_update=_iso(now),
            last_ok_status=_iso(window.last_success) if window.last_success else None,
            until=_iso(until.astimezone(PARIS)) if until else UNSET,
        )


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
