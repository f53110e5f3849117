"""Page that shows the state of each API: working, out of service, in maintenance or unknown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from msgspec import Struct

from bouquet_portal.content.model import Api
from bouquet_portal.documents.model import ResourceState
from bouquet_portal.etat.models import ObservedState
from bouquet_portal.site import site

ORDER = ("bad_gateway", "maintenance", "ok", "unknown")
"""Order in which the page lists APIs, by their state. `bad_gateway` stands for out of service."""


class ShownState(Struct, frozen=True):
    """Row of the page: an API with its state, such as out of service. `since` is the time at which the state began;
    None if unknown."""

    name: str
    """Name under which the gateway's `/api/pings` lists the API."""
    title: str
    uid: str
    """Uid of the API's page (fiche) on the site; empty if there is none."""
    state: str
    since: datetime | None
    last_ok: datetime | None
    until: datetime | None


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    current = site()
    reading = current.gateway.states.latest()
    kept = _observed()
    apis = {name: api for api in current.content.apis for name in api.state_names}
    states = _read_states(reading.value, kept, apis) if reading else _recorded_states(kept, apis)
    shown = sorted(states, key=lambda one: (ORDER.index(one.state), one.title))
    read_at = reading.at if reading else max((row.read_at for row in kept.values()), default=None)
    return render(
        request,
        "etat/index.html",
        {
            "states": shown,
            "troubled": [one for one in shown if one.state == "bad_gateway"],
            "maintained": [one for one in shown if one.state == "maintenance"],
            "read_at": read_at,
            "is_current": bool(reading and reading.is_current),
        },
    )


def _observed() -> Mapping[str, ObservedState]:
    """Maps each API's name in the gateway to its state recorded in the database. The mapping is empty if the database
    cannot be read."""
    try:
        return ObservedState.objects.in_bulk()
    except DatabaseError:
        return {}


def _read_states(
    states: Mapping[str, ResourceState], kept: Mapping[str, ObservedState], apis: Mapping[str, Api]
) -> list[ShownState]:
    """Converts the states that the portal has read from the gateway to rows of the page. `kept` holds the states
    recorded in the database, which tell when a state began."""
    return [
        ShownState(
            state.name,
            *_title_and_uid(state.name, apis),
            state=state.state,
            since=row.since if (row := kept.get(state.name)) and row.state == state.state else None,
            last_ok=state.last_ok or (row.last_ok if row else None),
            until=state.until,
        )
        for state in states.values()
    ]


def _recorded_states(kept: Mapping[str, ObservedState], apis: Mapping[str, Api]) -> list[ShownState]:
    """Converts the states recorded in the database to rows of the page, shown until the portal has read states from the
    gateway."""
    return [
        ShownState(
            row.name,
            *_title_and_uid(row.name, apis),
            state=row.state,
            since=row.since,
            last_ok=row.last_ok,
            until=row.until,
        )
        for row in kept.values()
    ]


def _title_and_uid(name: str, apis: Mapping[str, Api]) -> tuple[str, str]:
    """Returns the title and uid of the API that the gateway calls `name`. For an unknown API, the title is `name` with
    spaces instead of underscores, and the uid is empty."""
    api = apis.get(name)
    return (api.title, api.uid) if api else (name.replace("_", " "), "")
