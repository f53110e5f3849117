"""A 200 of every operation, each asked of a gateway as one of our own cases tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from bouquet_casebook.cases import Case, read_folder
from bouquet_casebook.serve import sandbox
from bouquet_proto.offer import Operation
from bouquet_worker.worker import paris_today
from tests.clients.documents import operations_of
from tests.sandbox.gateway import OURS, RECIPIENT, Door, citizen_of, query_of, token

OFFERED = {operation.path: operation for offer in sandbox.offers() for operation in offer.operations}
"""One operation a path: all of its modalities share a folder of cases, and what they answer."""
OF_PLATFORM: Mapping[str, dict[str, str]] = {
    "/api/ping": {},
    "/api/pings": {},
    "/api/{status}/ping": {"status": "cnaf_msa_quotient_familial"},
    "/api/introspect": {},
    "/api/errors": {"operation_id": "api_particulier_v3_cnav_quotient_familial_with_civility"},
}
"""Paths that are nobody's offer, and with what each is asked."""


class Asked(NamedTuple):
    operation_id: str
    token: str
    params: Mapping[str, Any]
    body: Any
    """Of its 200."""


async def answers_of(door: Door, document: Any) -> list[Asked]:
    """At least one of every operation of the document."""
    return [
        Asked(operation["operationId"], bearer, params, await _body(door, path, bearer, params))
        for path, operation in operations_of(document)
        for bearer, params in _calls(path)
    ]


def steady(body: Any) -> Any:
    """But for the moments of statuses, which pass."""
    return set(body) if isinstance(body, dict) and "last_update" in body else body


def _calls(path: str) -> list[tuple[str, Mapping[str, Any]]]:
    if path in OF_PLATFORM:
        return [(token(), OF_PLATFORM[path])]
    return list(_calls_of(OFFERED[path]))


def _calls_of(operation: Operation) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for case in found(operation):
        if operation.path.endswith("/france_connect"):
            yield citizen_of(OURS, case), {"recipient": RECIPIENT, **typed_by_hand(case)}
        else:
            yield token(), {"recipient": RECIPIENT, **case.params}


def found(operation: Operation) -> list[Case]:
    """Its cases that find somebody."""
    return [case for case in read_folder(OURS / operation.folder, paris_today()).cases if case.status == 200]


def typed_by_hand(case: Case) -> dict[str, Any]:
    """Of a case by FranceConnect: what the session does not tell."""
    return {name: value for name, value in case.params.items() if name in ("annee", "mois", "campaignYear")}


async def _body(door: Door, path: str, bearer: str, params: Mapping[str, Any]) -> Any:
    where = path.format(**params) if "{" in path else path
    answer = await door.get(f"{where}?{query_of(params)}", {"Authorization": f"Bearer {bearer}"})
    assert answer.status == 200, f"{path}: {answer.body}"
    return answer.body
