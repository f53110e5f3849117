"""Introspection of a citizen's access token by FranceConnect (docs/reference/upstreams/france_connect.md §2-5)."""

from __future__ import annotations

import time

import msgspec

from bouquet_france_connect import keys
from bouquet_france_connect.settings import Client, Settings, clients_of, private_keys_of
from bouquet_france_connect.upstream import REFUSALS, Claims, Introspection, Refusal
from bouquet_worker import Rejected, UpstreamClient, UpstreamError

CLOCK_SKEW_S = 10.0
"""Seconds for which an answer is still accepted after its expiry, since the clocks of FranceConnect and of the worker
may differ."""


class FranceConnect:
    """Client of FranceConnect's token introspection and of its public keys (JWKS). Decrypts answers with the worker's
    private keys, and verifies their signatures with FranceConnect's public keys."""

    def __init__(self, settings: Settings, checktoken: UpstreamClient, jwks: UpstreamClient) -> None:
        self._checktoken = checktoken
        self._signing_keys = keys.SigningKeys(jwks)
        self._private_keys = private_keys_of(settings)
        self._clients = clients_of(settings)
        self._issuer = settings.issuer

    async def introspect(self, token: str, resource: object) -> Introspection | Rejected:
        """Returns FranceConnect's description of a citizen's access token, or `Rejected` if FranceConnect refuses the
        token. `resource`, such as `quotient_familial`, decides which OAuth 2.0 client asks. Raises `UpstreamError` if
        the resource has no client, or if the answer cannot be trusted."""
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
    """Returns the name of the first wrong claim in FranceConnect's answer to `client`, such as `exp` if the answer has
    expired. Returns "" if no claim is wrong. `issuer` is the value that the claim `iss` must have."""
    audience = (claims.aud,) if isinstance(claims.aud, str) else claims.aud
    if claims.iss != issuer:
        return "iss"
    if client.id not in audience:
        return "aud"
    if claims.exp is not None and claims.exp + CLOCK_SKEW_S < time.time():
        return "exp"
    return ""
