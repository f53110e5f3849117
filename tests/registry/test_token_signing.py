"""Tests that gateways accept the tokens signed by the registry."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from bouquet_gateway.access.credentials import Credential
from bouquet_gateway.access.tokens import INVALID, CredentialRefusal, TokenVerifier, named_keys
from bouquet_gateway.access.tokens import Token as Read
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_registry.habilitations import Token
from bouquet_registry.token_signing import Signer, new_key, verification_keys
from tests.support.habilitations import SIRET
from tests.support.unstored_token import HABILITATION, TOKEN

SHARED = Secret("s" * 32)
OCT = Secret(json.dumps({"kty": "oct", "kid": "2026", "k": "YWFh" * 10 + "YWE"}))


NONE = Secret("")

pytestmark = pytest.mark.filterwarnings("ignore:Key size should be:joserfc.errors.SecurityWarning")


def read(signed: str, secret: Secret = NONE, jwks: str = "") -> Read | CredentialRefusal:
    return TokenVerifier(secret, named_keys=named_keys(Secret(jwks))).read(Credential("bearer", signed))


def test_a_gateway_accepts_a_token_signed_with_the_shared_secret() -> None:
    found = read(Signer(SHARED).sign(TOKEN, HABILITATION), SHARED)
    issued_at, until = TOKEN.issued_at.timestamp(), TOKEN.expires_at.timestamp()
    assert found == Read(id=TOKEN.id, scopes=frozenset({"a", "b"}), siret=SIRET, expires_at=until, issued_at=issued_at)


@pytest.mark.parametrize("key", [OCT, Secret(new_key("2027"))], ids=["HS256", "ES256"])
def test_a_gateway_accepts_a_token_signed_with_a_private_key(key: Secret) -> None:
    signed = Signer(key).sign(TOKEN, HABILITATION)
    found = read(signed, jwks=verification_keys(key))
    assert isinstance(found, Read)
    assert found.id == TOKEN.id


def test_the_key_set_for_gateways_has_no_private_key() -> None:
    assert set(json.loads(verification_keys(Secret(new_key("2027"))))["keys"][0]) >= {"x", "y", "kid"}
    assert "d" not in json.loads(verification_keys(Secret(new_key("2027"))))["keys"][0]


def test_no_token_is_refused_during_a_key_rotation() -> None:
    old, new = Secret(new_key("2026")), Secret(new_key("2027"))
    both = {"keys": [json.loads(verification_keys(key))["keys"][0] for key in (old, new)]}
    of_each = [Signer(key).sign(TOKEN, HABILITATION) for key in (SHARED, old, new)]
    assert all(isinstance(read(signed, SHARED, json.dumps(both)), Read) for signed in of_each)
    only_new = verification_keys(new)
    assert [isinstance(read(signed, jwks=only_new), Read) for signed in of_each] == [False, False, True]


def test_a_token_signed_by_another_key_of_the_same_kid_is_refused() -> None:
    forged = Signer(Secret(new_key("2027"))).sign(TOKEN, HABILITATION)
    assert read(forged, jwks=verification_keys(Secret(new_key("2027")))) == INVALID


def test_the_signed_text_of_a_token_is_the_same_each_time() -> None:
    assert Signer(SHARED).sign(TOKEN, HABILITATION) == Signer(SHARED).sign(TOKEN, HABILITATION)


def jwk(**changes: Any) -> Secret:
    return Secret(json.dumps(json.loads(new_key("2027")) | changes))


@pytest.mark.parametrize(
    "wrong",
    [
        Secret(""),
        Secret("short"),
        Secret("{"),
        Secret("{}"),
        jwk(kid=""),
        jwk(crv="P-1"),
        jwk(d=None),
        Secret(json.dumps(json.loads(verification_keys(Secret(new_key("k"))))["keys"][0])),
        Secret(json.dumps({"kty": "oct", "kid": "x", "k": "YWJj"})),
    ],
)
def test_an_unusable_signing_key_is_refused_without_being_shown(wrong: Secret) -> None:
    with pytest.raises(SettingsError, match=r"^BOUQUET_REGISTRY_SIGNING_KEY: must be [^{]*$"):
        Signer(wrong)


GOOD = json.loads(verification_keys(OCT))["keys"][0]


@pytest.mark.parametrize(
    "wrong",
    [
        "nonsense",
        "{}",
        '{"keys": []}',
        "[]",
        json.dumps({"keys": [GOOD, GOOD | {"kid": ""}]}),
        '{"keys": [{"kty": "x"}]}',
    ]
    + [json.dumps({"keys": [GOOD | {"k": "YWJj"}]})],
)
def test_a_gateway_refuses_an_invalid_key_set(wrong: str) -> None:
    with pytest.raises(SettingsError, match=r"^BOUQUET_GATEWAY_TOKEN_KEYS: must be a JWKS"):
        named_keys(Secret(wrong))


def test_a_gateway_without_any_key_does_not_start() -> None:
    with pytest.raises(SettingsError, match="BOUQUET_GATEWAY_TOKEN_KEY: is required without"):
        TokenVerifier(Secret(""))


def test_a_prolonged_token_has_another_text_and_the_same_name() -> None:
    later = TOKEN.expires_at + timedelta(days=1)
    prolonged = Token(id=TOKEN.id, habilitation="h", siret=SIRET, name="", issued_at=TOKEN.issued_at, expires_at=later)
    found = read(Signer(SHARED).sign(prolonged, HABILITATION), SHARED)
    assert isinstance(found, Read)
    assert (found.id, found.expires_at) == (TOKEN.id, later.timestamp())
