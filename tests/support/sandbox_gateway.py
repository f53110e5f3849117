"""A sandbox gateway in the tests' process, which answers calls from a folder of cases."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import aiohttp

from bouquet_casebook.cases import Case, read_folder
from bouquet_casebook.serve import PREFIX, sandbox
from bouquet_gateway.access.tokens import issue
from bouquet_gateway.start import embedded
from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.secret import Secret
from bouquet_proto.offer import Operation
from bouquet_worker import paris_today
from tests.support.gateway import gateway_in_process
from tests.support.nomenclature import ErrorCode, all_codes, codes_in

OURS = Path(__file__).parents[2] / "deploy" / "sandbox" / "cases"
KEY = Secret("k" * 32)
FAR = 4_102_444_800
"""Expiry of tokens in tests: the year 2100, in epoch seconds."""
RECIPIENT = "13002526500013"

OPERATIONS: dict[str, Operation] = {
    operation.id: operation
    for offer in sandbox.offers()
    for operation in offer.operations
    if operation.path.startswith("/v")
}
"""Operations that the sandbox offers in version 3 and later versions, by id."""
BY_PATH = {operation.path: operation.folder for offer in sandbox.offers() for operation in offer.operations}
BY_PARAMETERS = [name for name, operation in OPERATIONS.items() if not operation.by_session]
BY_FRANCE_CONNECT = [name for name, operation in OPERATIONS.items() if operation.by_session]

NOBODY: dict[str, Any] = {
    "nomNaissance": "QUIDAM",
    "prenoms": ["Alix"],
    "anneeDateNaissance": paris_today().year - 20,
    "moisDateNaissance": 6,
    "jourDateNaissance": 6,
    "sexeEtatCivil": "F",
    "codeCogInseePaysNaissance": "99100",
    "codeCogInseeCommuneNaissance": "86194",
    "ine": "QUIDAM00000",
    "identifiant": "1789",
    "immatriculation": "QU-000-AM",
    "codeEtablissement": "0860001Z",
    "anneeScolaire": "2025-2026",
}
"""Parameters of an invented person about whom the sandbox has no case. They suit every operation, because an operation
ignores parameters that it does not know."""


class Answer(NamedTuple):
    status: int
    body: Any
    headers: Mapping[str, str]


class ReceivedError(NamedTuple):
    operation_id: str
    status: int
    code: str
    detail: str


class SandboxClient:
    """HTTP client of a sandbox. It collects the errors of all answers in `errors`, so that tests can check that each is
    documented."""

    def __init__(self, client: aiohttp.ClientSession, url: str) -> None:
        self.client = client
        self.url = url
        self.errors: set[ReceivedError] = set()

    async def ask(
        self,
        operation_id: str,
        params: Mapping[str, Any],
        *,
        scopes: Iterable[str] | None = None,
        citizen: str = "",
        **headers: str,
    ) -> Answer:
        """Calls an operation. Sends the FranceConnect session `citizen` if it is given, otherwise a token with
        `scopes`."""
        bearer = citizen or token(scopes)
        path = f"{OPERATIONS[operation_id].path}?{query_of(params)}"
        return await self.get(path, {"Authorization": f"Bearer {bearer}"} | headers)

    async def get(self, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET") -> Answer:
        async with self.client.request(method, path, headers=headers) as response:
            body = await response.json() if response.content_type == "application/json" else await response.text()
        errors = body.get("errors", ()) if isinstance(body, dict) and response.status >= 400 else ()
        about = BY_PATH.get(path.partition("?")[0], "") if method == "GET" else ""
        self.errors |= {
            ReceivedError(about, response.status, one["code"], one["detail"]) for one in errors if "code" in one
        }
        return Answer(response.status, body, response.headers)


def citizen_of(root: Path, case: Case) -> str:
    """Returns the token of a simulated FranceConnect session for the person in a case. The session has all scopes."""
    if "immatriculation" in case.params:  # which answers every citizen
        return "jeton-maelys"
    names = case.params["prenoms"]
    who = (case.params["nomNaissance"], names if isinstance(names, str) else ", ".join(names))
    for session in read_folder(root / "france_connect", paris_today()).cases:
        introspection = json.loads(bytes(session.payload))["token_introspection"]
        lets_all = "cnous_email" in introspection["scope"].split()
        if lets_all and (introspection["family_name"], ", ".join(introspection["given_name_array"])) == who:
            return str(session.params["token"])
    raise AssertionError(f"no token for {case.name}")


def token(scopes: Iterable[str] | None = None) -> str:
    return issue(KEY, _all_scopes() if scopes is None else frozenset(scopes), expires_at=FAR)


@cache
def _all_scopes() -> frozenset[str]:
    return frozenset(embedded.scopes_of({"casebook": sandbox}))


def query_of(params: Mapping[str, Any]) -> str:
    pairs = [
        (f"{name}[]" if isinstance(value, list) else name, item)
        for name, value in params.items()
        for item in (value if isinstance(value, list) else [value])
    ]
    return urlencode([("recipient", RECIPIENT), *((name, "" if item is None else str(item)) for name, item in pairs)])


@asynccontextmanager
async def sandbox_at(cases: Path, *, believes_cases: bool = True, **settings: Any) -> AsyncIterator[SandboxClient]:
    """Starts a sandbox that answers from the folder `cases`, with these settings of its gateway, and yields a client of
    it. At the end, asserts that every error received is documented."""
    providers = tuple(offer.provider for offer in sandbox.offers())
    async with (
        open_bus("memory:", "sandbox") as bus,
        sandbox.running(bus, {f"{PREFIX}CASES": str(cases)}),
        gateway_in_process(bus, token_key=KEY, providers=providers, sandbox=believes_cases, **settings) as (_, client),
        aiohttp.ClientSession(client.url) as session,
    ):
        await client.until_all_offers_known()
        sandbox_client = SandboxClient(session, client.url)
        yield sandbox_client
        if cases == OURS:
            assert await undocumented(sandbox_client) == set()


async def undocumented(sandbox_client: SandboxClient) -> set[ReceivedError]:
    """Returns the errors that the client has received although `GET /api/errors` does not list them."""
    nomenclature = (await sandbox_client.get("/api/errors")).body
    anywhere = codes_in(nomenclature["platform_codes"])
    of_each = {id: anywhere | codes_in(one["errors"]) for id, one in nomenclature["endpoints"].items()}
    of_each[""] = all_codes(nomenclature)  # another version of a path has no operation
    return {
        one
        for one in sandbox_client.errors
        if ErrorCode(one.status, one.code) not in of_each.get(one.operation_id, set())
    }
