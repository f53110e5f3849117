"""Answers with status 200 of every operation, from a sandbox. Tests check that generated clients can read them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from bouquet_casebook.cases import Case, read_folder
from bouquet_proto.offer import Operation
from bouquet_worker import paris_today
from tests.clients.documents import operations_of
from tests.sandbox.version_2 import OFFERED, found_for, in_v2
from tests.support.sandbox_gateway import OURS, RECIPIENT, SandboxClient, citizen_of, query_of
from tests.support.sandbox_gateway import token as token_of_all

OF_PLATFORM: Mapping[str, dict[str, str]] = {
    "/api/ping": {},
    "/api/pings": {},
    "/api/{status}/ping": {"status": "cnaf_msa_quotient_familial"},
    "/api/introspect": {},
    "/v3/token/introspect": {},
    "/api/errors": {"operation_id": "api_particulier_v3_cnav_quotient_familial_with_civility"},
}
"""Paths that the gateway answers without asking a provider. Each is mapped to the parameters with which tests call
it."""
DOSSIER: Mapping[str, Any] = {
    "recipient": RECIPIENT,
    "identite": {
        "nomNaissance": "LE GOUADEC",
        "prenoms": ["Maëlys", "Inès"],
        "anneeDateNaissance": 1989,
        "moisDateNaissance": 6,
        "jourDateNaissance": 14,
        "sexeEtatCivil": "F",
        "codeCogInseePaysNaissance": "99100",
        "codeCogInseeCommuneNaissance": "29019",
    },
    "resources": {
        "qf": {"operation": "dss/quotient_familial", "version": 3},
        "statut": {"operation": "france_travail/statut", "parameters": {"identifiant": "erreur-24003"}},
        "aeeh": {"operation": "dss/allocation_enfant_handicape", "for_each": "qf.enfants"},
    },
}
"""Dossier about a person whom the sandbox knows. Its parts are found, not found, and rejected for each child."""
OF_THE_MOMENT = ("duration_ms", "obtained_at")
"""Members of an answer to a dossier that differ from call to call."""
TIME = re.compile(r"\d{4}-\d\d-\d\dT.*")


class ExampleCall(NamedTuple):
    operation_id: str
    token: str
    by_key: bool
    """Whether the token is sent in the header `X-Api-Key` instead of `Authorization`."""
    params: Mapping[str, Any]
    body: Any
    """Body of the answer."""
    sent: Any = None
    """Body of the request; `None` for a GET."""


async def answers_of(client: SandboxClient, document: Any) -> list[ExampleCall]:
    """Calls every operation of the document at least once. Returns the calls and the bodies of their answers, all
    with status 200."""
    asked = [
        ExampleCall(operation["operationId"], token, by_key, params, await _body(client, path, token, by_key, params))
        for path, operation in operations_of(document)
        for by_key in [path.startswith("/api/v2/")]
        for token, params in _calls(path)
    ]
    return [*asked, await _dossier(client)]


async def _dossier(client: SandboxClient) -> ExampleCall:
    """Sends a dossier about a person of the sandbox and her children."""
    token, path = token_of_all(), "/bouquet/v1/dossiers"
    headers = {"Authorization": f"Bearer {token}"}
    async with client.client.post(path, json=DOSSIER, headers=headers) as response:
        return ExampleCall("dossiers", token, False, {}, await response.json(), DOSSIER)


def steady(body: Any) -> Any:
    """Returns the part of an answer's body that stays the same when the call is repeated: the whole body without
    `OF_THE_MOMENT` or, if the body has a member `last_update`, only the names of its members. Times become `datetime`:
    a client may write `Z` as `+00:00`."""
    if isinstance(body, list):
        return [steady(item) for item in body]
    if isinstance(body, str) and TIME.fullmatch(body):
        return datetime.fromisoformat(body)
    if not isinstance(body, dict):
        return body
    if "last_update" in body:
        return set(body)
    return {name: steady(value) for name, value in body.items() if name not in OF_THE_MOMENT}


def _calls(path: str) -> list[tuple[str, Mapping[str, Any]]]:
    if path in OF_PLATFORM:
        return [(token_of_all(), OF_PLATFORM[path])]
    return [call for operation in OFFERED.values() if operation.path == path for call in _calls_of(operation)]


def _calls_of(operation: Operation) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yields a token and parameters for each call to make to an operation."""
    # There are none for an operation of version 2 by FranceConnect, since paths of version 2 are called by key here.
    by_session, of_v2 = operation.by_session, bool(operation.public_id)
    if by_session and of_v2:
        return
    for case in (case for case in read_folder(OURS / operation.folder, paris_today()).cases if case.status == 200):
        params = hand_written_call(case) if by_session else case.params
        yield citizen_of(OURS, case) if by_session else token_of_all(), {"recipient": RECIPIENT, **params}
    for case in found_for(operation) if of_v2 else ():
        yield token_of_all(), {"recipient": RECIPIENT, **in_v2(operation, dict(case.params))}


TYPED_BY_HAND = ("annee", "mois", "campaignYear", "immatriculation")


def hand_written_call(case: Case) -> dict[str, Any]:
    """Returns those parameters of a case that a caller must give even if a FranceConnect session identifies the person:
    year, month, campaign and number plate."""
    return {name: value for name, value in case.params.items() if name in TYPED_BY_HAND}


async def _body(client: SandboxClient, path: str, token: str, by_key: bool, params: Mapping[str, Any]) -> Any:
    where = path.format(**params) if "{" in path else path
    headers = {"X-Api-Key": token} if by_key else {"Authorization": f"Bearer {token}"}
    answer = await client.get(f"{where}?{query_of(params)}", headers)
    assert answer.status == 200, f"{path}: {answer.body}"
    return answer.body
