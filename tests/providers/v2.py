"""Helpers for tests of version 2: they send a query through the contract's rules, and show the data that a caller's
scopes allow."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Raw

from bouquet_gateway.lookup.scope_filter import filter_data, open_gates
from bouquet_proto.identity import MODALITIES
from bouquet_proto.messages import Found, Reply
from bouquet_proto.offer import Operation
from bouquet_proto.query import parse_query
from bouquet_proto.rules import RuleViolations, apply_rules
from tests.providers.worker_client import PATIENCE_S, TODAY, WorkerClient


async def typed(asked: WorkerClient, operation: Operation, query: str) -> Reply:
    """Reads a query by the operation's rules, sends the resulting request to the worker, and returns the reply. Fails
    if the rules refuse the query."""
    values = apply_rules(operation.checks, parse_query(query), TODAY)
    assert not isinstance(values, RuleViolations), values
    modality = MODALITIES[operation.modality]
    own = {name: values.pop(name) for name in modality.__struct_fields__ if name in values}
    who = msgspec.convert(own, modality)
    return await asked(operation.id, who, within_s=PATIENCE_S, **values)


def first_refusal(operation: Operation, query: str) -> str:
    """Returns the code of the first error that the rules find in a query, the only one that version 2 shows."""
    values = apply_rules(operation.checks, parse_query(query), TODAY)
    assert isinstance(values, RuleViolations), values
    return values.codes[0]


def shown(reply: Reply, operation: Operation, *scopes: str) -> Any:
    """Returns the data of a `Found` reply that a caller with `scopes` sees. Without `scopes`, the caller has all scopes
    of the operation."""
    assert isinstance(reply, Found), reply
    every = {scope for opening in operation.fields.values() for scope in "&".join(opening).split("&")}
    held = frozenset(scopes or every)
    data = open_gates(Raw(reply.data), held) if operation.gated else Raw(reply.data)
    return json.loads(bytes(filter_data(data, operation.fields, held)))


def assert_retired(operation: Operation, successor: str) -> None:
    """Asserts that a version 2 operation has the expected dates of deprecation and switch-off, and that its replacement
    is the path `successor`."""
    retirement = operation.retirement
    assert retirement
    assert (retirement.deprecated_on, retirement.sunset_on) == ("2026-04-28", "2028-09-01")
    assert retirement.successor == successor
