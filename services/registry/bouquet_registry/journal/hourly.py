"""Counts of calls by the hour, for one habilitation, token or editor, read from the journal's roll-ups (tables of such
counts)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from sqlalchemy import BigInteger, ColumnElement, Select, cast, func, select, union

from bouquet_registry.journal.schema import hours
from bouquet_registry.schema import delegations, editor_tokens, tokens


class Callers(Struct, frozen=True):
    """Filter of the calls to count. A call counts if it matches every field that is not empty. At least one of
    `habilitation`, `token` and `editor` must be given."""

    habilitation: str = ""
    token: str = ""
    editor: str = ""
    """Id of the editor whose tokens made the calls; "" not to filter by editor."""
    operation: str = ""


def calls_by_hour(callers: Callers, first: int, end: int) -> Select[Any]:
    """Returns the SQL query that counts the calls of `callers` and sums up their durations, by hour, operation and
    outcome. Covers the hours from `first` up to but not including `end`; both are numbers of hours since 1970 (UTC)."""
    by = (hours.c.hour, hours.c.operation, hours.c.outcome)
    calls = cast(func.sum(hours.c.calls), BigInteger).label("calls")
    query = select(*by, calls, func.sum(hours.c.duration_ms).label("duration_ms"))
    within = (hours.c.hour >= first, hours.c.hour < end)
    return query.where(*_conditions(callers), *within).group_by(*by).order_by(*by)


def _conditions(callers: Callers) -> list[ColumnElement[bool]]:
    # Each names the habilitations too, with which the primary key begins.
    conditions: list[ColumnElement[bool]] = []
    if callers.habilitation:
        conditions.append(hours.c.habilitation == callers.habilitation)
    if callers.token:
        own = select(tokens.c.habilitation).where(tokens.c.id == callers.token)
        of_editor = (
            select(delegations.c.habilitation)
            .join(editor_tokens, editor_tokens.c.editor == delegations.c.editor)
            .where(editor_tokens.c.id == callers.token)
        )
        conditions += [hours.c.token == callers.token, hours.c.habilitation.in_(union(own, of_editor))]
    if callers.editor:
        by_editor = select(editor_tokens.c.id).where(editor_tokens.c.editor == callers.editor)
        delegated = select(delegations.c.habilitation).where(delegations.c.editor == callers.editor)
        conditions += [hours.c.token.in_(by_editor), hours.c.habilitation.in_(delegated)]
    if callers.operation:
        conditions.append(hours.c.operation == callers.operation)
    return conditions
