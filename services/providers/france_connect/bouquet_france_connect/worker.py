"""The worker of FranceConnect: identity and granted scopes of a session. Owner: team-france-connect. Gateways ask this
worker before they ask a provider's worker (docs/adr/0007). Upstreams: FranceConnect's token introspection and public
keys (docs/reference/upstreams/france_connect.md)."""

from __future__ import annotations

from typing import Any

from bouquet_france_connect import keys, pivot
from bouquet_france_connect.introspection import FranceConnect
from bouquet_france_connect.settings import Settings, clients_of, private_keys_of
from bouquet_france_connect.upstream import Introspection
from bouquet_proto import france_connect_session
from bouquet_proto.france_connect_session import Session
from bouquet_worker import (
    Identifiant,
    InternalOperation,
    Question,
    Rejected,
    Upstream,
    UpstreamClient,
    Worker,
)

worker = Worker(
    france_connect_session.PROVIDER,
    Settings,
    owner="team-france-connect",
    authority=france_connect_session.AUTHORITY,
    checks=(clients_of, private_keys_of),
)


@worker.document("/api/france_connect_jwks")
def jwks(settings: Settings) -> dict[str, Any]:
    """Returns the JWKS document that gateways publish: the worker's public key, with which FranceConnect encrypts its
    answers."""
    return {"keys": [keys.published(private_keys_of(settings)[0])]}


@worker.upstream
def checktoken_api(settings: Settings) -> Upstream:
    """Declares FranceConnect's token introspection as an upstream."""
    return Upstream("france_connect checktoken", settings.checktoken_url)


@worker.upstream
def jwks_api(settings: Settings) -> Upstream:
    """Declares FranceConnect's public keys as an upstream."""
    return Upstream("france_connect jwks", settings.jwks_url)


@worker.upstream
def france_connect(settings: Settings, checktoken_api: UpstreamClient, jwks_api: UpstreamClient) -> FranceConnect:
    """Returns the client through which the handler calls both APIs of FranceConnect: token introspection and public
    keys."""
    return FranceConnect(settings, checktoken_api, jwks_api)


@worker.answers(InternalOperation(france_connect_session.OPERATION, "identifiant"))
async def session_of(question: Question[Identifiant], france_connect: FranceConnect) -> Session | Rejected:
    """Answers with the session of an access token: the citizen's identity and granted scopes. Returns `Rejected` for an
    unknown or inactive token, and for a citizen whose identity is unusable."""
    resource = question.parameters.get(france_connect_session.RESOURCE)
    match await france_connect.introspect(question.identity.identifiant, resource):
        case Introspection(active=True) as introspection:
            return pivot.session_of(introspection, question.today)
        case Introspection():
            return Rejected("session_unknown")
        case refused:
            return refused
