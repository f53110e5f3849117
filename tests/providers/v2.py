"""What version 2 asks and shows: a query through an operation's rules, and data through a caller's scopes."""

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
from bouquet_proto.rules import Refusals, apply_rules
from tests.providers.asking import PATIENCE_S, TODAY, Asked


async def typed(asked: Asked, operation: Operation, query: str) -> Reply:
    """Of parameters that pass the rules."""
    values = apply_rules(operation.checks, parse_query(query), TODAY)
    assert not isinstance(values, Refusals), values
    modality = MODALITIES[operation.modality]
    own = {name: values.pop(name) for name in modality.__struct_fields__ if name in values}
    who = msgspec.convert(own, modality)
    return await asked(operation.id, who, within_s=PATIENCE_S, **values)


def first_refusal(operation: Operation, query: str) -> str:
    """All that v2 tells."""
    values = apply_rules(operation.checks, parse_query(query), TODAY)
    assert isinstance(values, Refusals), values
    return values.codes[0]


def shown(reply: Reply, operation: Operation, *scopes: str) -> Any:
    """To a caller with these scopes; with all that there are when none is named."""
    assert isinstance(reply, Found), reply
    every = {scope for opening in operation.fields.values() for scope in "&".join(opening).split("&")}
    held = frozenset(scopes or every)
    data = open_gates(Raw(reply.data), held) if operation.gated else Raw(reply.data)
    return json.loads(bytes(filter_data(data, operation.fields, held)))


def assert_retired(operation: Operation, successor: str) -> None:
    """Its days are the same for all of v2."""
    retirement = operation.retirement
    assert retirement
    assert (retirement.deprecated_on, retirement.sunset_on) == ("2026-04-28", "2028-09-01")
    assert retirement.successor == successor
