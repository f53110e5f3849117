"""Simulator of FranceConnect (docs/reference/upstreams/france_connect.md), which knows the citizens of `personas`. The
access tokens in `FORGED_ANSWERS` get answers that a worker must refuse."""
# It makes a signing key when it starts, and another at `POST /rotate`. Tokens like `panne-html` cause faults
# (bouquet_worker.simulated_faults). The real FranceConnect encrypts for the public key that a client has registered.
# This simulator reads the key from the client's secret instead, so that a simulator and a worker in different processes
# need nothing else in common.

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


class SigningKeyRing:
    """Signing keys of the simulated FranceConnect, the current one last."""

    def __init__(self) -> None:
        self.keys: list[ECKey] = []
        self.fault: Fault | None = None
        """Fault with which the simulator answers requests for FranceConnect's public keys; `None` to answer with the
        keys."""
        self.rotate()

    @property
    def signer(self) -> ECKey:
        """The newest key, which signs the answers."""
        return self.keys[-1]

    def rotate(self) -> None:
        """Makes a new signing key. The simulator then publishes the new key and the previous key."""
        self.keys = [*self.keys[-1:], _signing_key(f"sim-fc-{len(self.keys) + 1}-{time.time_ns():x}")]


class AnswerMaker(Struct, frozen=True):
    """Makes the simulator's genuine and forged answers. A genuine answer is signed with the key `signer`, then
    encrypted with `client_key`, the public key of the client."""

    signer: ECKey
    client_key: RSAKey
    claims: Json

    def answer(self, **changes: Any) -> str:
        """Returns a signed and encrypted answer. Each of `changes`, such as `exp=0`, replaces the claim of the same
        name. `key` and `alg` replace the key and the algorithm of the signature instead."""
        return self.sealed(self.signed(**changes))

    def signed(self, *, key: ECKey | None = None, alg: str = "ES256", **changes: Any) -> str:
        header = {"alg": alg, "typ": "token-introspection+jwt", "kid": self.signer.kid}
        claims = json.dumps(self.claims | changes)
        return jws.serialize_compact(header, claims, key or self.signer, [alg])

    def sealed(self, text: str, *, key: RSAKey | None = None, alg: str = "RSA-OAEP", enc: str = "A256GCM") -> str:
        """Returns `text` encrypted for the public key `key`, by default the client's. `alg` and `enc` are the JOSE
        algorithms for the content key and for the content."""
        # The header repeats the claims `iss` and `aud`, as the OpenID server oidc-provider writes them (RFC 7519 §5.3).
        header = {"alg": alg, "enc": enc, "cty": "JWT", "iss": self.claims["iss"], "aud": self.claims["aud"]}
        registry = jwe.JWERegistry(algorithms=[alg, enc], strict_check_header=False)
        return jwe.encrypt_compact(header, text, key or self.client_key, registry=registry)

    def unsigned(self, header: Json, signature: bytes = b"") -> str:
        """Returns a forged answer that is neither signed nor encrypted: the JOSE header `header`, the claims, and the
        bytes `signature` where a valid signature belongs."""
        return f"{_text_segment(json.dumps(header))}.{_text_segment(json.dumps(self.claims))}.{_segment(signature)}"

    def signed_by_a_secret(self) -> str:
        """Returns a forged answer with an HMAC signature, whose secret is FranceConnect's public key."""
        # Everybody knows the public key, so that anyone can make such a signature.
        # A worker that trusted the algorithm named in the header would accept it.
        body = self.unsigned({"alg": "HS256", "kid": self.signer.kid}).removesuffix(".")
        mac = hmac.new(self.signer.as_pem(private=False), body.encode(), hashlib.sha256)
        return f"{body}.{_segment(mac.digest())}"

    def altered(self) -> str:
        """Returns a signed answer whose claims were changed after signing."""
        header, _, signature = self.signed().split(".")
        return f"{header}.{_text_segment(json.dumps(self.claims | {'iat': 0}))}.{signature}"


FORGED_ANSWERS: dict[str, Callable[[AnswerMaker], str]] = {
    "jeton-en-clair": lambda maker: json.dumps(maker.claims),
    "jeton-non-chiffre": lambda maker: maker.signed(),
    "jeton-non-signe": lambda maker: maker.sealed(maker.unsigned({"alg": "none"})),
    "jeton-sans-signature": lambda maker: maker.sealed(maker.unsigned({"alg": "ES256", "kid": maker.signer.kid})),
    "jeton-signe-par-un-secret": lambda maker: maker.sealed(maker.signed_by_a_secret()),
    "jeton-signe-par-un-autre": lambda maker: maker.answer(key=_signing_key(str(maker.signer.kid))),
    "jeton-signe-par-un-inconnu": lambda maker: AnswerMaker(
        _signing_key("inconnu"), maker.client_key, maker.claims
    ).answer(),
    "jeton-signe-autrement": lambda maker: maker.answer(key=ECKey.generate_key("P-384"), alg="ES384"),
    "jeton-altere": lambda maker: maker.sealed(maker.altered()),
    "jeton-altere-chiffre": lambda maker: _with_changed_ciphertext(maker.answer()),
    "jeton-pour-un-autre": lambda maker: maker.sealed(maker.signed(), key=RSAKey.generate_key(2048)),
    "jeton-chiffre-autrement": lambda maker: maker.sealed(maker.signed(), alg="RSA-OAEP-256"),
    "jeton-chiffre-a-moitie": lambda maker: maker.sealed(maker.signed(), enc="A128GCM"),
    "jeton-double-enveloppe": lambda maker: maker.sealed(maker.answer()),
    "jeton-creux": lambda maker: maker.sealed(""),
    "jeton-bruit": lambda maker: maker.sealed("..."),
    "jeton-autre-emetteur": lambda maker: maker.answer(iss="https://fc-ailleurs.test/api/v2"),
    "jeton-autre-destinataire": lambda maker: maker.answer(aud="sim-service_national"),
    "jeton-perime": lambda maker: maker.answer(exp=time.time() - 3600),
    "jeton-sans-introspection": lambda maker: maker.answer(token_introspection=None),
    "jeton-sans-avis": lambda maker: maker.answer(token_introspection={"sub": "…"}),
}
"""Maps each access token that causes a forged answer to the function that makes this answer."""

KEY_RING = web.AppKey("key_ring", SigningKeyRing)
SESSIONS = web.AppKey("sessions", MutableMapping[str, Citizen])
SIMULATED_ANSWERS = web.AppKey("simulated_answers", MutableMapping[str, tuple[int, Any]])
"""Key under which the simulator's aiohttp application keeps the answers that tests set: pairs of HTTP status and body,
by access token."""


def app() -> web.Application:
    app = simulator_app()
    app[KEY_RING] = SigningKeyRing()
    app[SESSIONS] = dict(CITIZENS)
    app[SIMULATED_ANSWERS] = {}
    app.add_routes(
        [
            web.post("/api/v2/checktoken", _checktoken),
            web.get("/api/v2/jwks", _jwks),
            web.post("/rotate", _rotate),
        ]
    )
    return app


def settings(base_url: str) -> dict[str, str]:
    """Returns the environment variables that make a worker call the simulator at `base_url`."""
    clients = {
        resource: {"id": _client_id(resource), "secret": _client_secret(_worker_key())} for resource in RESOURCES
    }
    return {
        "BOUQUET_FRANCE_CONNECT_CHECKTOKEN_URL": f"{base_url}/api/v2/checktoken",
        "BOUQUET_FRANCE_CONNECT_JWKS_URL": f"{base_url}/api/v2/jwks",
        "BOUQUET_FRANCE_CONNECT_ISSUER": f"{base_url}/api/v2",
        "BOUQUET_FRANCE_CONNECT_CLIENTS": json.dumps(clients),
        "BOUQUET_FRANCE_CONNECT_PRIVATE_KEYS": " ".join(_worker_key().as_pem(private=True).decode().split("\n")),
    }


simulator = Simulator(provider="france_connect", app=app, settings=settings)


async def _checktoken(request: web.Request) -> web.StreamResponse:
    form = {name: str(value) for name, value in (await request.post()).items()}
    token, client_key = form.get("token", ""), _worker_public_key(form)
    if form.keys() != ASKED_WITH:
        return _say(*INVALID_REQUEST)
    if fault := await simulated_fault(request, token):
        return fault
    if answer := request.app[SIMULATED_ANSWERS].get(token):
        return _say(*answer)
    if not TOKEN.fullmatch(token):
        return _say(*INVALID_REQUEST)
    introspection = _introspection(request, token)
    if client_key is None or introspection is None:
        return _say(*INVALID_CLIENT)
    issuer = str(request.url).removesuffix("/checktoken")
    claims = {"aud": form["client_id"], "iat": int(time.time()), "iss": issuer, "token_introspection": introspection}
    maker = AnswerMaker(request.app[KEY_RING].signer, client_key, claims)
    body = FORGED_ANSWERS[token](maker) if token in FORGED_ANSWERS else maker.answer()
    return web.Response(text=body, content_type="application/token-introspection+jwt")


def _introspection(request: web.Request, token: str) -> Json | None:
    """Returns the simulated introspection of a token, or `None` for an unknown token. The token `EXPIRED` is reported
    as inactive."""
    if token == EXPIRED:
        return {"active": False}
    citizen = MAELYS if token in FORGED_ANSWERS else request.app[SESSIONS].get(token)
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
    """Answers with the signing keys, mixed with other keys that the worker must ignore."""
    # These are a damaged one, a symmetric one, and one for encryption.
    key_ring = request.app[KEY_RING]
    if key_ring.fault:
        return await respond_with_fault(request, key_ring.fault)
    signing = [key.as_dict(private=False) for key in key_ring.keys]
    others = [
        {"kty": "EC", "crv": "P-256", "kid": "sim-fc-abimee", "use": "sig", "x": "AQAB", "y": "?"},
        {"kty": "oct", "k": "AQAB", "kid": str(key_ring.signer.kid)},
        {**signing[0], "use": "enc", "kid": "sim-fc-enc"},
    ]
    return web.json_response({"keys": [*others, *signing]})


async def _rotate(request: web.Request) -> web.Response:
    request.app[KEY_RING].rotate()
    return web.Response(status=204)


def _say(status: int, body: Any) -> web.Response:
    return web.json_response(body, status=status)


@cache
def _worker_key() -> RSAKey:
    """Returns the worker's private key, which is made at the first call."""
    return RSAKey.generate_key(2048)


def _signing_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})


def _client_id(resource: str) -> str:
    return f"sim-{resource}"


def _client_secret(key: RSAKey) -> str:
    """Returns the client secret that the simulator gives a worker: the modulus of the worker's public key."""
    # A worker sends its secret with each request, and the simulator makes the public key from it
    # (`_worker_public_key`).
    return str(key.as_dict(private=False)["n"])


def _worker_public_key(form: Mapping[str, str]) -> RSAKey | None:
    """Returns the public key of the worker that sent a form, made from the form's client secret. Returns `None` for an
    unknown client or an invalid secret."""
    if form.get("client_id", "") not in map(_client_id, RESOURCES):
        return None
    try:
        return RSAKey.import_key({"kty": "RSA", "n": form.get("client_secret", ""), "e": "AQAB"})
    except (JoseError, ValueError):
        return None


def _segment(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _text_segment(text: str) -> str:
    return _segment(text.encode())


def _with_changed_ciphertext(message: str) -> str:
    header, key, vector, ciphertext, tag = message.split(".")
    letter = "B" if ciphertext[0] == "A" else "A"
    return ".".join((header, key, vector, letter + ciphertext[1:], tag))
