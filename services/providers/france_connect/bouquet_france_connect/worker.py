"""FranceConnect: whose is this session, and what do they let be read?  Owner: team-france-connect.

A worker like any other, but for whom it answers: gateways alone, before they ask anybody else (docs/adr/0007).
Upstream: FranceConnect v2's token introspection, one client for each resource
(docs/reference/upstreams/france_connect.md).
"""

from __future__ import annotations

import time
from typing import Any

import msgspec
from msgspec import Struct

from bouquet_france_connect import keys, pivot
from bouquet_france_connect.upstream import REFUSALS, Claims, Introspection, Refusal
from bouquet_proto import france_connect_session
from bouquet_proto.france_connect_session import Session
from bouquet_worker import (
    Identifiant,
    InternalOperation,
    Question,
    Rejected,
    Secret,
    SettingsError,
    Upstream,
    UpstreamClient,
    UpstreamError,
    Worker,
    WorkerSettings,
    worker_prefix,
)

LATE_S = 10.0
"""What two clocks may differ by."""


class Settings(WorkerSettings, frozen=True, kw_only=True):
    checktoken_url: str
    jwks_url: str
    issuer: str
    """`iss` of every answer: `https://…/api/v2`."""
    clients: Secret
    """Ours, by resource, as JSON: `{"quotient_familial": {"id": "…", "secret": "…"}}`."""
    private_keys: Secret
    """RSA, PEM: the one that we publish, then older ones that FranceConnect may still encrypt for."""
    timeout_s: float = 5.0
    """Seconds that one call to FranceConnect may take: half of a lookup's time, as the provider is asked next."""


class Client(Struct, frozen=True):
    id: str
    secret: str


class FranceConnect:
    """Both of its APIs, and all that its answers are opened with."""

    def __init__(self, settings: Settings, checktoken: UpstreamClient, jwks: UpstreamClient) -> None:
        self._checktoken = checktoken
        self._signing_keys = keys.SigningKeys(jwks)
        self._private_keys = private_keys_of(settings)
        self._clients = clients_of(settings)
        self._issuer = settings.issuer

    async def introspect(self, token: str, resource: object) -> Introspection | Rejected:
        client = self._clients.get(resource)
        if client is None:
            raise UpstreamError("upstream_refused_us", cause="no client for the resource")
        form = {"client_id": client.id, "client_secret": client.secret, "token": token}
        answer = await self._checktoken.post(data=form, idempotent=True)
        match answer.status:
            case 200:
                return await self._opened(answer.body, client)
            case 400 | 401 if reason := REFUSALS.get(answer.decode(Refusal).error):
                return Rejected(reason)
            case _:
                raise answer.unexpected()

    async def _opened(self, body: bytes, client: Client) -> Introspection:
        payload = await self._signing_keys.verified(keys.decrypted(body, self._private_keys))
        try:
            claims = msgspec.json.decode(payload, type=Claims)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise UpstreamError("upstream_unknown", cause="not an introspection") from None
        if wrong := _wrong_claim(claims, self._issuer, client):
            raise UpstreamError("upstream_unknown", field=wrong)
        return claims.token_introspection


def _wrong_claim(claims: Claims, issuer: str, client: Client) -> str:
    """The first that does not say that FranceConnect answers us, now."""
    audience = (claims.aud,) if isinstance(claims.aud, str) else claims.aud
    if claims.iss != issuer:
        return "iss"
    if client.id not in audience:
        return "aud"
    if claims.exp is not None and claims.exp + LATE_S < time.time():
        return "exp"
    return ""


def clients_of(settings: Settings) -> dict[object, Client]:
    try:
        return dict(msgspec.json.decode(settings.clients.reveal(), type=dict[str, Client]))
    except msgspec.DecodeError:
        raise _wrong("CLIENTS", "must be a JSON object of `id` and `secret` by resource") from None


def private_keys_of(settings: Settings) -> keys.PrivateKeys:
    try:
        return keys.private_keys(settings.private_keys.reveal())
    except ValueError:
        raise _wrong("PRIVATE_KEYS", f"must be RSA keys of {keys.KEY_BITS} bits or more, unencrypted, in PEM") from None


def _wrong(name: str, what: str) -> SettingsError:
    return SettingsError([f"{worker_prefix(france_connect_session.PROVIDER)}{name}: {what}"])


worker = Worker(
    france_connect_session.PROVIDER,
    Settings,
    owner="team-france-connect",
    authority=france_connect_session.AUTHORITY,
    checks=(clients_of, private_keys_of),
)


@worker.document("/api/france_connect_jwks")
def jwks(settings: Settings) -> dict[str, Any]:
    """The current key alone: an older one is no longer to be encrypted for."""
    return {"keys": [keys.published(private_keys_of(settings)[0])]}


@worker.upstream
def checktoken_api(settings: Settings) -> Upstream:
    return Upstream("france_connect checktoken", settings.checktoken_url)


@worker.upstream
def jwks_api(settings: Settings) -> Upstream:
    return Upstream("france_connect jwks", settings.jwks_url)


@worker.upstream
def france_connect(settings: Settings, checktoken_api: UpstreamClient, jwks_api: UpstreamClient) -> FranceConnect:
    return FranceConnect(settings, checktoken_api, jwks_api)


@worker.answers(InternalOperation(france_connect_session.OPERATION, "identifiant"))
async def session_of(question: Question[Identifiant], france_connect: FranceConnect) -> Session | Rejected:
    resource = question.parameters.get(france_connect_session.RESOURCE)
    match await france_connect.introspect(question.identity.identifiant, resource):
        case Introspection(active=True) as told:
            return pivot.session_of(told, question.today)
        case Introspection():
            return Rejected("session_unknown")
        case refused:
            return refused
