"""FranceConnect in its own dialect (docs/reference/upstreams/france_connect.md): `POST /api/v2/checktoken`,
`GET /api/v2/jwks`.

Its signing keys are made as it starts; `POST /rotate` makes another. Whose sessions it knows: `personas`; tokens of
`LIES` get answers that no reader may believe, and `panne-html`… make it unwell (bouquet_worker.simulated_faults).

It encrypts for whoever registered a key, as the real one does; here the key is told in the client's secret, so that
a simulator and a worker in different processes need nothing else in common.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, MutableMapping
from functools import cache
from typing import Any

from aiohttp import web
from joserfc import jwe, jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from msgspec import Struct

from bouquet_france_connect.personas import CITIZENS, MAELYS, Citizen, Json
from bouquet_worker.simulate import Fault, Simulator, respond_with_fault, simulator_app
from bouquet_worker.simulated_faults import simulated_fault

RESOURCES = (
    "quotient_familial",
    "complementaire_sante_solidaire",
    "revenu_solidarite_active",
    "allocation_adulte_handicape",
    "allocation_soutien_familial",
    "prime_activite",
    "allocation_enfant_handicape",
    "allocation_rentree_scolaire",
    "participation_familiale_eaje",
    "statut_etudiant",
    "etudiant_boursier",
    "service_national",
    "service_civique",
    "extrait_immatriculation_vehicule",
)
EXPIRED = "jeton-expire"
TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
ASKED_WITH = {"token", "client_id", "client_secret"}
INVALID_REQUEST = (400, {"error": "invalid_request", "error_message": "Required parameter missing or invalid."})
INVALID_CLIENT = (401, {"error": "invalid_client", "error_message": "Client authentication failed."})


class Issuer:
    """The keys that sign, the newest last; each has a name of its own. `ill`: what is the matter with their place."""

    def __init__(self) -> None:
        self.keys: list[ECKey] = []
        self.ill: Fault | None = None
        self.rotate()

    @property
    def signer(self) -> ECKey:
        return self.keys[-1]

    def rotate(self) -> None:
        self.keys = [*self.keys[-1:], _signing_key(f"sim-fc-{len(self.keys) + 1}-{time.time_ns():x}")]


class Seal(Struct, frozen=True):
    """What an answer is made with: who signs, for whom it is, and what it says."""

    signer: ECKey
    reader: RSAKey
    claims: Json

    def answer(self, **changes: Any) -> str:
        return self.sealed(self.signed(**changes))

    def signed(self, *, key: ECKey | None = None, alg: str = "ES256", **changes: Any) -> str:
        header = {"alg": alg, "typ": "token-introspection+jwt", "kid": self.signer.kid}
        claims = json.dumps(self.claims | changes)
        return jws.serialize_compact(header, claims, key or self.signer, [alg])

    def sealed(self, text: str, *, key: RSAKey | None = None, alg: str = "RSA-OAEP", enc: str = "A256GCM") -> str:
        """With claims in the header, as oidc-provider writes them there (RFC 7519 §5.3)."""
        header = {"alg": alg, "enc": enc, "cty": "JWT", "iss": self.claims["iss"], "aud": self.claims["aud"]}
        registry = jwe.JWERegistry(algorithms=[alg, enc], strict_check_header=False)
        return jwe.encrypt_compact(header, text, key or self.reader, registry=registry)

    def unsigned(self, header: Json, signature: bytes = b"") -> str:
        return f"{_told(json.dumps(header))}.{_told(json.dumps(self.claims))}.{_segment(signature)}"

    def signed_by_a_secret(self) -> str:
        """Which is the public key: the oldest trick."""
        body = self.unsigned({"alg": "HS256", "kid": self.signer.kid}).removesuffix(".")
        mac = hmac.new(self.signer.as_pem(private=False), body.encode(), hashlib.sha256)
        return f"{body}.{_segment(mac.digest())}"

    def altered(self) -> str:
        header, _, signature = self.signed().split(".")
        return f"{header}.{_told(json.dumps(self.claims | {'iat': 0}))}.{signature}"


LIES: dict[str, Callable[[Seal], str]] = {
    "jeton-en-clair": lambda seal: json.dumps(seal.claims),
    "jeton-non-chiffre": lambda seal: seal.signed(),
    "jeton-non-signe": lambda seal: seal.sealed(seal.unsigned({"alg": "none"})),
    "jeton-sans-signature": lambda seal: seal.sealed(seal.unsigned({"alg": "ES256", "kid": seal.signer.kid})),
    "jeton-signe-par-un-secret": lambda seal: seal.sealed(seal.signed_by_a_secret()),
    "jeton-signe-par-un-autre": lambda seal: seal.answer(key=_signing_key(str(seal.signer.kid))),
    "jeton-signe-par-un-inconnu": lambda seal: Seal(_signing_key("inconnu"), seal.reader, seal.claims).answer(),
    "jeton-signe-autrement": lambda seal: seal.answer(key=ECKey.generate_key("P-384"), alg="ES384"),
    "jeton-altere": lambda seal: seal.sealed(seal.altered()),
    "jeton-altere-chiffre": lambda seal: _spoilt(seal.answer()),
    "jeton-pour-un-autre": lambda seal: seal.sealed(seal.signed(), key=RSAKey.generate_key(2048)),
    "jeton-chiffre-autrement": lambda seal: seal.sealed(seal.signed(), alg="RSA-OAEP-256"),
    "jeton-chiffre-a-moitie": lambda seal: seal.sealed(seal.signed(), enc="A128GCM"),
    "jeton-double-enveloppe": lambda seal: seal.sealed(seal.answer()),
    "jeton-creux": lambda seal: seal.sealed(""),
    "jeton-bruit": lambda seal: seal.sealed("..."),
    "jeton-autre-emetteur": lambda seal: seal.answer(iss="https://fc-ailleurs.test/api/v2"),
    "jeton-autre-destinataire": lambda seal: seal.answer(aud="sim-service_national"),
    "jeton-perime": lambda seal: seal.answer(exp=time.time() - 3600),
    "jeton-sans-introspection": lambda seal: seal.answer(token_introspection=None),
    "jeton-sans-avis": lambda seal: seal.answer(token_introspection={"sub": "…"}),
}
"""By token: how FranceConnect, or whoever speaks in its name, answers what is not to be believed."""

ISSUER = web.AppKey("issuer", Issuer)
SESSIONS = web.AppKey("sessions", MutableMapping[str, Citizen])
SAID = web.AppKey("said", MutableMapping[str, tuple[int, Any]])
"""Status and JSON that a test makes it answer to a token."""


def app() -> web.Application:
    app = simulator_app()
    app[ISSUER] = Issuer()
    app[SESSIONS] = dict(CITIZENS)
    app[SAID] = {}
    app.add_routes(
        [
            web.post("/api/v2/checktoken", _checktoken),
            web.get("/api/v2/jwks", _jwks),
            web.post("/rotate", _rotate),
        ]
    )
    return app


def settings(base_url: str) -> dict[str, str]:
    clients = {resource: {"id": _client_id(resource), "secret": _registered(_our_key())} for resource in RESOURCES}
    return {
        "BOUQUET_FRANCE_CONNECT_CHECKTOKEN_URL": f"{base_url}/api/v2/checktoken",
        "BOUQUET_FRANCE_CONNECT_JWKS_URL": f"{base_url}/api/v2/jwks",
        "BOUQUET_FRANCE_CONNECT_ISSUER": f"{base_url}/api/v2",
        "BOUQUET_FRANCE_CONNECT_CLIENTS": json.dumps(clients),
        "BOUQUET_FRANCE_CONNECT_PRIVATE_KEYS": " ".join(_our_key().as_pem(private=True).decode().split("\n")),
    }


simulator = Simulator(provider="france_connect", app=app, settings=settings)


async def _checktoken(request: web.Request) -> web.StreamResponse:
    form = {name: str(value) for name, value in (await request.post()).items()}
    token, reader = form.get("token", ""), _reader(form)
    if form.keys() != ASKED_WITH:
        return _say(*INVALID_REQUEST)
    if fault := await simulated_fault(request, token):
        return fault
    if said := request.app[SAID].get(token):
        return _say(*said)
    if not TOKEN.fullmatch(token):
        return _say(*INVALID_REQUEST)
    told = _introspection(request, token)
    if reader is None or told is None:
        return _say(*INVALID_CLIENT)
    issuer = str(request.url).removesuffix("/checktoken")
    claims = {"aud": form["client_id"], "iat": int(time.time()), "iss": issuer, "token_introspection": told}
    seal = Seal(request.app[ISSUER].signer, reader, claims)
    body = LIES[token](seal) if token in LIES else seal.answer()
    return web.Response(text=body, content_type="application/token-introspection+jwt")


def _introspection(request: web.Request, token: str) -> Json | None:
    """`None` for what was never a token, or no longer is known to be one."""
    if token == EXPIRED:
        return {"active": False}
    citizen = MAELYS if token in LIES else request.app[SESSIONS].get(token)
    if citizen is None:
        return None
    now = int(time.time())
    return {
        "active": True,
        "aud": "sim-service-mairie",
        "sub": f"{hashlib.sha256(token.encode()).hexdigest()}v1",
        "iat": now - 10,
        "exp": now + 50,
        "acr": "eidas1",
        "jti": f"sim-jti-{now}",
        "scope": citizen.scopes,
        **citizen.pivot(),
    }


async def _jwks(request: web.Request) -> web.StreamResponse:
    """With keys that are not for signing answers, which a reader must pass over."""
    issuer = request.app[ISSUER]
    if issuer.ill:
        return await respond_with_fault(request, issuer.ill)
    signing = [key.as_dict(private=False) for key in issuer.keys]
    others = [
        {"kty": "EC", "crv": "P-256", "kid": "sim-fc-abimee", "use": "sig", "x": "AQAB", "y": "?"},
        {"kty": "oct", "k": "AQAB", "kid": str(issuer.signer.kid)},
        {**signing[0], "use": "enc", "kid": "sim-fc-enc"},
    ]
    return web.json_response({"keys": [*others, *signing]})


async def _rotate(request: web.Request) -> web.Response:
    request.app[ISSUER].rotate()
    return web.Response(status=204)


def _say(status: int, body: Any) -> web.Response:
    return web.json_response(body, status=status)


@cache
def _our_key() -> RSAKey:
    """The worker's; a process has one."""
    return RSAKey.generate_key(2048)


def _signing_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})


def _client_id(resource: str) -> str:
    return f"sim-{resource}"


def _registered(key: RSAKey) -> str:
    """A public key as a client's secret: its modulus."""
    return str(key.as_dict(private=False)["n"])


def _reader(form: Mapping[str, str]) -> RSAKey | None:
    """For whom the answer is; `None` for a client that nobody registered."""
    if form.get("client_id", "") not in map(_client_id, RESOURCES):
        return None
    try:
        return RSAKey.import_key({"kty": "RSA", "n": form.get("client_secret", ""), "e": "AQAB"})
    except (JoseError, ValueError):
        return None


def _segment(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _told(text: str) -> str:
    return _segment(text.encode())


def _spoilt(message: str) -> str:
    """The same but for a letter of its ciphertext."""
    header, key, vector, ciphertext, tag = message.split(".")
    letter = "B" if ciphertext[0] == "A" else "A"
    return ".".join((header, key, vector, letter + ciphertext[1:], tag))
