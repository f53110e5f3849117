"""Recorded cases: their status and body to the letter, but for the fields that the caller's scopes do not open."""

from __future__ import annotations

import msgspec
from aiohttp import web
from msgspec import Raw

from bouquet_gateway.http.responses import json_bytes
from bouquet_gateway.lookup.scope_filter import filter_data
from bouquet_gateway.offers.catalogue import Served
from bouquet_gateway.paths import envelope_of
from bouquet_proto.messages import Recorded

_envelope = msgspec.json.Decoder(dict[str, Raw])


def render(case: Recorded, served: Served, scopes: frozenset[str]) -> web.Response:
    body = _filtered(case, served, scopes) if case.status == 200 else case.body
    return json_bytes(bytes(body), case.status)


def _filtered(case: Recorded, served: Served, scopes: frozenset[str]) -> Raw:
    fields = served.operation.fields
    if envelope_of(served.operation.path) == "v2":
        return filter_data(case.body, fields, scopes)
    members = _envelope.decode(case.body)
    if "data" in members:
        members["data"] = filter_data(members["data"], fields, scopes)
    return Raw(msgspec.json.encode(members))
