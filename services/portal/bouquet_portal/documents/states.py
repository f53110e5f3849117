"""State of each API (working, out of service, in maintenance or unknown), read from a gateway's `/api/pings` and
`/api/{name}/ping`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct

from bouquet_portal.documents.client import Client, GatewayError
from bouquet_portal.documents.model import ResourceState

T = TypeVar("T")

STATUSES = (200, 502)
"""HTTP statuses of valid answers of `/api/{name}/ping`: 502 for an API that is out of service, 200 for other states."""


class _Ping(Struct, frozen=True):
    name: str


class _Status(Struct, frozen=True):
    status: str
    last_update: datetime
    last_ok_status: datetime | None = None
    until: datetime | None = None


def read(client: Client) -> Mapping[str, ResourceState]:
    """Returns the state of each monitored API, by the API's name. Raises `GatewayError` if the gateway does not answer,
    or if an answer does not have the expected form."""
    names = [ping.name for ping in _understood(client.get("/api/pings").json(), list[_Ping])]
    return {name: _state(client, name) for name in names}


def _state(client: Client, name: str) -> ResourceState:
    answer = client.get(f"/api/{quote(name, safe='')}/ping")
    if answer.status not in STATUSES:
        raise GatewayError(f"the gateway answers a state with {answer.status}")
    status = _understood(answer.json(), _Status)
    return _understood(
        {
            "name": name,
            "state": status.status,
            "read_at": status.last_update,
            "last_ok": status.last_ok_status,
            "until": status.until,
        },
        ResourceState,
    )


def _understood(document: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise GatewayError("the gateway's states have another form than expected") from error
