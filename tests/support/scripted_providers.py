"""All providers behind a gateway. Each replies to a lookup as a test has scripted it, and otherwise with data."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from bouquet_casebook.cases import read_folder
from bouquet_gateway.http.app import GatewayServices
from bouquet_mesh.bus.memory import MemoryBus
from bouquet_mesh.outbox.api import Outbox
from bouquet_proto import france_connect_session
from bouquet_proto.france_connect_session import Session
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Describe, Found, Lookup, Rejected, Reply, Request, encode
from bouquet_proto.offer import Offer
from bouquet_worker import paris_today
from tests.support.gateway import gateway_in_process
from tests.support.gateway_client import RECIPIENT, Answer, GatewayClient, token
from tests.support.sandbox_gateway import NOBODY, OPERATIONS, OURS

SESSION = "access-token-of-maelys"
"""Access token of the only FranceConnect session that the scripted worker knows."""
CITIZEN = Identite(
    nom_naissance="LE GOUADEC",
    prenoms=("Maëlys",),
    annee_date_naissance=paris_today().year - 20,  # of an age that every operation accepts
    mois_date_naissance=2,
    jour_date_naissance=3,
    sexe_etat_civil="F",
    code_cog_insee_pays_naissance="99100",
    code_cog_insee_commune_naissance="86194",
)
ALL_SCOPES = frozenset(
    name
    for operation in OPERATIONS.values()
    for names in (operation.scopes, *operation.fields.values())
    for one in names
    for name in one.split("&")
)
OF_ONE_PART = ("codeEtablissement", "anneeScolaire", "immatriculation")
"""Parameters that a dossier gives for one part alone, since they do not describe the person."""
CIVIL_STATUS = {name: value for name, value in NOBODY.items() if name not in (*OF_ONE_PART, "ine", "identifiant")}


@cache
def offers() -> tuple[Offer, ...]:
    """Returns the offers of all workers, FranceConnect's included."""
    files = sorted((Path(__file__).parents[2] / "proto" / "offers").glob("*.json"))
    return tuple(msgspec.json.decode(file.read_bytes(), type=Offer) for file in files)


@cache
def data_of(operation_id: str) -> Any:
    """Returns the data of a case that the sandbox has for an operation, with the fields that callers get in `meta`."""
    cases = read_folder(OURS / OPERATIONS[operation_id].folder, paris_today()).cases
    body = msgspec.json.decode(next(case.payload for case in cases if case.status == 200))
    return body["data"] | body.get("meta", {})


class Script:
    """Replies of the providers by operation id, and the lookups that they got."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}
        self.asked: list[Lookup] = []
        self.held: dict[str, asyncio.Event] = {}
        """Events by operation id. The reply to a lookup of such an operation waits for its event."""

    def find(self, operation_id: str, data: Any) -> None:
        """Makes the providers answer an operation with `data`."""
        self.replies[operation_id] = Found(Raw(msgspec.json.encode(data)))

    async def reply(self, request: Request, offer: Offer) -> Reply:
        if isinstance(request, Describe):
            return Found(Raw(encode(offer)))
        assert isinstance(request, Lookup)
        self.asked.append(request)
        if (held := self.held.get(request.operation)) is not None:
            await held.wait()
        if request.operation == france_connect_session.OPERATION:
            known = getattr(request.identity, "identifiant", "") == SESSION
            session = Session(identity=CITIZEN, scopes=tuple(sorted(ALL_SCOPES)))
            return Found(Raw(msgspec.json.encode(session))) if known else Rejected("session_unknown")
        scripted = self.replies.get(request.operation)
        return scripted or Found(Raw(msgspec.json.encode(data_of(request.operation))))

    @property
    def lookups(self) -> list[Lookup]:
        """Lookups about persons, without those that open FranceConnect sessions."""
        return [lookup for lookup in self.asked if lookup.operation != france_connect_session.OPERATION]


def dossier_body(resources: Mapping[str, Any], **more: Any) -> bytes:
    """Returns the body of a dossier about an invented person. `more` replaces members of it."""
    identifiers = {name: NOBODY[name] for name in ("ine", "identifiant")}
    body = {"recipient": RECIPIENT, "identite": CIVIL_STATUS, **identifiers, "resources": resources, **more}
    return msgspec.json.encode(body)


class DossierClient(GatewayClient):
    """Client of a gateway that sends dossiers."""

    script: Script
    gateway: GatewayServices

    async def post(
        self, resources: Mapping[str, Any], *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Answer:
        """Sends a dossier about an invented person. `more` replaces members of the body; `token` and `scopes` are as in
        `get`."""
        auth = {name: more.pop(name) for name in ("token", "scopes") if name in more}
        body = dossier_body(resources, **more)
        return await self.get("/bouquet/v1/dossiers", method="POST", body=body, headers=headers, **auth)

    async def part(self, part: Mapping[str, Any], **more: Any) -> Any:
        """Sends a dossier with one part, and returns the part's result."""
        answer = await self.post({"p": part}, **more)
        assert answer.status == 200, answer.body
        return answer.json["data"]["p"]


@asynccontextmanager
async def scripted_gateway(outbox: Outbox | None = None, **settings: Any) -> AsyncIterator[DossierClient]:
    """Runs a gateway of which every provider is scripted. Yields a client with a token of all scopes."""
    bus, script = MemoryBus(), Script()
    async with AsyncExitStack() as stack:
        for offer in offers():
            await stack.enter_async_context(bus.serve(offer.provider, _handler(script, offer), concurrency=100))
        providers = tuple(offer.provider for offer in offers())
        services, client = await stack.enter_async_context(
            gateway_in_process(bus, outbox, providers=providers, **settings)
        )
        dossiers = DossierClient(client.session, client.url)
        dossiers.token, dossiers.script, dossiers.gateway = token(*ALL_SCOPES), script, services
        yield dossiers


def _handler(script: Script, offer: Offer) -> Any:
    async def handle(request: Request) -> Reply:
        return await script.reply(request, offer)

    return handle
