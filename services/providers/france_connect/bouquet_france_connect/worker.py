"""The worker of FranceConnect: identity and granted scopes of a session. Owner: team-france-connect. Gateways ask it
before they ask a provider's worker (docs/adr/0007). Upstreams: FranceConnect's token introspection and public keys
(docs/reference/upstreams/france_connect.md)."""

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

CLOCK_SKEW_S = 10.0
"""Seconds by which the clocks of FranceConnect and of the worker may differ."""


class Settings(WorkerSettings, frozen=True, kw_only=True):
    """Settings of the worker, from `BOUQUET_FRANCE_CONNECT_*`."""

    checktoken_url: str
    """URL of FranceConnect's token introspection."""
    jwks_url: str
    """URL of FranceConnect's public keys."""
    issuer: str
    """Issuer of FranceConnect's answers (`iss`), such as `https://…/api/v2`."""
    clients: Secret
    """JSON object of the OAuth 2.0 clients by resource: `{"quotient_familial": {"id": "…", "secret": "…"}}`."""
    private_keys: Secret
    """RSA private keys in PEM: the published one first, then older ones for which FranceConnect may still encrypt."""
    timeout_s: float = 5.0
    """Timeout of one call to FranceConnect, in seconds. The default, half of the time for a question, leaves the
    provider the other half."""


class Client(Struct, frozen=True):
    id: str
    secret: str


class FranceConnect:
    """Client of FranceConnect's two APIs, with the keys to decrypt and verify answers."""

    def __init__(self, settings: Settings, checktoken: UpstreamClient, jwks: UpstreamClient) -> None:
        self._checktoken = checktoken
        self._signing_keys = keys.SigningKeys(jwks)
        self._private_keys = private_keys_of(settings)
        self._clients = clients_of(settings)
        self._issuer = settings.issuer

    async def introspect(self, token: str, resource: object) -> Introspection | Rejected:
        """Asks FranceConnect about a citizen's access token. Returns FranceConnect's description of the token, or a
        refusal. Raises `UpstreamError` if the answer cannot be trusted."""
        # The client of the resource asks: FranceConnect has one OAuth 2.0 client for each resource.
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
    """Returns the name of the first claim that makes an answer invalid, such as `exp` if the answer has expired.
    Returns "" for a valid answer."""
    audience = (claims.aud,) if isinstance(claims.aud, str) else claims.aud
    if claims.iss != issuer:
        return "iss"
    if client.id not in audience:
        return "aud"
    if claims.exp is not None and claims.exp + CLOCK_SKEW_S < time.time():
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
    """Returns the document that gateways publish: the public key with which FranceConnect encrypts its answers."""
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
    """Declares the client through which the handler calls both APIs of FranceConnect."""
    return FranceConnect(settings, checktoken_api, jwks_api)


@worker.answers(InternalOperation(france_connect_session.OPERATION, "identifiant"))
async def session_of(question: Question[Identifiant], france_connect: FranceConnect) -> Session | Rejected:
    """Answers with the session of an access token: the citizen's identity and granted scopes."""
    resource = question.parameters.get(france_connect_session.RESOURCE)
    match await france_connect.introspect(question.identity.identifiant, resource):
        case Introspection(active=True) as introspection:
            return pivot.session_of(introspection, question.today)
        case Introspection():
            return Rejected("session_unknown")
        case refused:
            return refused
