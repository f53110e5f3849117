"""Storage of APIs' states (such as out of service) in the database, each with the time at which it began."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from django.db import DatabaseError, close_old_connections

from bouquet_portal.documents.model import ResourceState
from bouquet_portal.etat.models import ObservedState

log = logging.getLogger(__name__)


def note_states(states: Mapping[str, ResourceState]) -> None:
    """Records the states of APIs (such as out of service) that a gateway has just reported. If the database fails, logs
    a warning and records nothing."""
    close_old_connections()
    try:
        known = ObservedState.objects.in_bulk()
        rows = [_row(state, known.get(state.name)) for state in states.values()]
        ObservedState.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["name"],
            update_fields=["state", "since", "read_at", "last_ok", "until"],
        )
    except DatabaseError as error:
        log.warning("states not recorded", extra={"error": type(error).__name__})


def _row(state: ResourceState, former: ObservedState | None) -> ObservedState:
    return ObservedState(
        name=state.name,
        state=state.state,
        since=former.since if former and former.state == state.state else state.read_at,
        read_at=state.read_at,
        last_ok=state.last_ok or (former.last_ok if former else None),
        until=state.until,
    )
