"""Recorded cases: their status and body to the letter, but for the fields that the caller's scopes do not open."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from bouquet_gateway.lookup.scope_filter import filter_data
from bouquet_gateway.offers.catalogue import Served
from bouquet_gateway.paths import envelope_of
from bouquet_proto.messages import Recorded

_envelope = msgspec.json.Decoder(dict[str, Raw])


def body_of(case: Recorded, served: Served, scopes: frozenset[str]) -> bytes:
    return bytes(_filtered(case, served, scopes) if case.status == 200 else case.body)


def _filtered(case: Recorded, served: Served, scopes: frozenset[str]) -> Raw:
    fields = served.operation.fields
    if envelope_of(served.operation.path) == "v2":
        return filter_data(case.body, fields, scopes)
    members = _envelope.decode(case.body)
    if "data" in members:
        members["data"] = filter_data(members["data"], fields, scopes)
    return Raw(msgspec.json.encode(members))
