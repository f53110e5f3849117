from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OctKey
from msgspec import structs

from bouquet_gateway.access.credentials import Credential
from bouquet_gateway.access.tokens import (
    DINUM_SIRET,
    INVALID,
    STAGING_TOKEN_ID,
    CredentialRefusal,
    Token,
    TokenVerifier,
    issue,
)
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError

SECRET = Secret("k" * 32)
OTHER = Secret("o" * 32)
ID = "6f1ed002-ab55-4b31-8f1c-0242ac120002"
NOW = 1_800_000_000.0
CLAIMS = {"uid": ID, "jti": ID, "scopes": ["a", "b"], "exp": NOW + 60}


def tokens(**options: Any) -> TokenVerifier:
    return TokenVerifier(SECRET, **options)


def verify(known: TokenVerifier, credential: Credential) -> Token:
    token = known.read(credential)
    assert isinstance(token, Token)
    return token


def signed(claims: object, secret: Secret = SECRET, **header: str) -> Credential:
    key = OctKey.import_key(secret.reveal())
    payload = msgspec.json.encode(claims)
    return Credential("bearer", jws.serialize_compact({"alg": "HS256"} | header, payload, key, ["HS256"]))


def base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def is_refused(credential: Credential, known: TokenVerifier | None = None) -> bool:
    return (known or tokens()).read(credential) == INVALID


def test_a_valid_token_gives_its_id_and_scopes() -> None:
    token = verify(tokens(), signed(CLAIMS))
    assert token == Token(id=ID, scopes=frozenset({"a", "b"}), siret="", expires_at=NOW + 60)


def test_roles_of_an_older_token_are_its_scopes() -> None:
    claims = {"uid": ID, "jti": ID, "roles": ["a"], "exp": NOW + 60}
    assert verify(tokens(), signed(claims)).scopes == {"a"}


def test_roles_do_not_add_to_scopes() -> None:
    assert verify(tokens(), signed(CLAIMS | {"roles": ["admin"]})).scopes == {"a", "b"}


def test_a_token_has_the_siret_of_its_claim() -> None:
    assert verify(tokens(), signed(CLAIMS | {"siret": "21750001600019"})).siret == "21750001600019"


def test_a_token_without_siret_claim_has_an_empty_siret() -> None:
    assert verify(tokens(), signed(CLAIMS)).siret == ""


def test_the_internal_id_has_the_siret_of_dinum_whatever_its_claim() -> None:
    claims = CLAIMS | {"uid": STAGING_TOKEN_ID, "jti": STAGING_TOKEN_ID, "siret": "21750001600019"}
    assert verify(tokens(), signed(claims)).siret == DINUM_SIRET


@pytest.mark.parametrize("wrong", [None, "", "x", ID.upper(), ID.replace("-", ""), ID + "\n", 7])
@pytest.mark.parametrize("claim", ["uid", "jti"])
def test_a_token_id_that_is_not_a_lower_case_uuid_is_invalid(claim: str, wrong: object) -> None:
    assert is_refused(signed(CLAIMS | {claim: wrong}))


@pytest.mark.parametrize("missing", ["uid", "jti", "exp"])
def test_a_token_without_a_required_claim_is_invalid(missing: str) -> None:
    assert is_refused(signed({name: value for name, value in CLAIMS.items() if name != missing}))


@pytest.mark.parametrize("claims", [None, [], "text", 1, {}])
def test_a_token_with_claims_of_wrong_types_is_invalid(claims: object) -> None:
    assert is_refused(signed(claims))


def test_a_token_signed_with_a_foreign_key_is_invalid() -> None:
    assert is_refused(signed(CLAIMS, OTHER))


def test_a_token_with_algorithm_none_is_invalid() -> None:
    payload = signed(CLAIMS).text.split(".")[1]
    assert is_refused(Credential("bearer", f"eyJhbGciOiJub25lIn0.{payload}."))


def test_a_token_with_another_algorithm_and_the_right_secret_is_invalid() -> None:
    key = OctKey.import_key("k" * 64)
    text = jws.serialize_compact({"alg": "HS512"}, msgspec.json.encode(CLAIMS), key, ["HS512"])
    assert is_refused(Credential("bearer", text), TokenVerifier(Secret("k" * 64)))


def test_a_token_with_a_tampered_payload_is_invalid() -> None:
    header, _, signature = signed(CLAIMS).text.split(".")
    payload = signed(CLAIMS | {"scopes": ["all"]}).text.split(".")[1]
    assert is_refused(Credential("bearer", f"{header}.{payload}.{signature}"))


@given(st.text())
def test_a_garbage_token_is_invalid_without_exception(text: str) -> None:
    assert is_refused(Credential("bearer", text))


def test_a_token_of_undecodable_bytes_is_invalid() -> None:
    assert is_refused(Credential("bearer", "a.\udcff.c"))


@given(st.binary(), st.binary())
def test_a_signed_garbage_payload_is_invalid(header: bytes, payload: bytes) -> None:
    key = OctKey.import_key(SECRET.reveal())
    text = jws.serialize_compact({"alg": "HS256", "kid": header.hex()}, payload, key, ["HS256"])
    assert is_refused(Credential("bearer", text))


@pytest.mark.parametrize(
    ("is_staging", "claims", "reason"),
    [
        (False, {"jti": ID, "sub": "staging"}, "token_of_staging"),
        (False, {"jti": STAGING_TOKEN_ID, "sub": "bouquet"}, "token_of_staging"),
        (False, CLAIMS, "token_invalid"),
        (True, CLAIMS, "token_of_production"),
        (True, {}, "token_of_production"),
        (True, CLAIMS | {"sub": "staging"}, "token_invalid"),
        (True, {"jti": STAGING_TOKEN_ID}, "token_invalid"),
        (True, {"jti": 42, "sub": {}}, "token_of_production"),
        (False, {"jti": [], "sub": "staging"}, "token_of_staging"),
        (True, [], "token_invalid"),
    ],
)
def test_a_token_of_the_other_environment_has_a_reason_of_its_own(
    is_staging: bool, claims: object, reason: str
) -> None:
    assert tokens(is_staging=is_staging).read(signed(claims, OTHER)) == CredentialRefusal(reason)


@pytest.mark.parametrize("is_staging", [False, True])
def test_a_token_signed_with_our_key_is_never_of_the_other_environment(is_staging: bool) -> None:
    for sub in ("staging", "production"):
        assert tokens(is_staging=is_staging).read(signed({"jti": "42", "sub": sub})) == INVALID
        assert isinstance(tokens(is_staging=is_staging).read(signed(CLAIMS | {"sub": sub})), Token)


def test_a_token_is_invalid_before_its_nbf() -> None:
    now = [NOW]
    known = tokens(clock=lambda: now[0])
    credential = signed(CLAIMS | {"nbf": NOW + 3600, "exp": NOW + 7200})
    assert is_refused(credential, known)
    now[0] = NOW + 3600
    assert verify(known, credential).id == ID


def test_a_token_whose_nbf_is_slightly_ahead_is_valid() -> None:
    assert verify(tokens(clock=lambda: NOW), signed(CLAIMS | {"nbf": NOW + 30})).id == ID


def test_a_token_with_an_invalid_time_is_invalid() -> None:
    assert is_refused(signed(CLAIMS | {"nbf": "tomorrow"}))


def test_an_expired_token_of_a_foreign_key_is_invalid() -> None:
    assert is_refused(signed(CLAIMS | {"exp": NOW - 1}, OTHER))


def test_a_remembered_token_is_not_verified_again() -> None:
    known = tokens()
    assert verify(known, signed(CLAIMS)) is verify(known, signed(CLAIMS))


def test_remembered_tokens_are_bounded_to_the_last_used() -> None:
    known = tokens(max_known=2)
    first, second, third = (signed(CLAIMS | {"siret": str(number)}) for number in range(3))
    kept, dropped = verify(known, first), verify(known, second)
    verify(known, first)
    verify(known, third)
    assert verify(known, first) is kept
    assert verify(known, second) is not dropped


def test_no_raw_token_is_remembered() -> None:
    known = tokens()
    credential = signed(CLAIMS)
    verify(known, credential)
    assert credential.text not in repr(vars(known))


def test_a_named_key_verifies_the_tokens_that_name_it() -> None:
    key = ECKey.generate_key("P-256")
    text = jws.serialize_compact({"alg": "ES256", "kid": "next"}, msgspec.json.encode(CLAIMS), key, ["ES256"])
    assert verify(tokens(named_keys=(("next", key),)), Credential("bearer", text)).id == ID


def test_a_named_key_does_not_verify_tokens_that_do_not_name_it() -> None:
    key = ECKey.generate_key("P-256")
    text = jws.serialize_compact({"alg": "ES256"}, msgspec.json.encode(CLAIMS), key, ["ES256"])
    assert is_refused(Credential("bearer", text), tokens(named_keys=(("next", key),)))


def test_a_public_key_is_never_a_shared_secret() -> None:
    key = ECKey.generate_key("P-256")
    message = ".".join(map(base64, (b'{"alg":"HS256","kid":"next"}', msgspec.json.encode(CLAIMS))))
    signature = hmac.digest(key.as_pem(private=False), message.encode(), "sha256")
    forged = Credential("bearer", f"{message}.{base64(signature)}")
    assert is_refused(forged, tokens(named_keys=(("next", key),)))


def test_a_short_token_key_is_a_wrong_setting_and_not_shown() -> None:
    with pytest.raises(SettingsError, match=r"^BOUQUET_GATEWAY_TOKEN_KEY: must have 32 bytes at least$"):
        TokenVerifier(Secret("hunter2"))


def test_an_issued_token_has_its_scopes_and_expiry() -> None:
    credential = Credential("bearer", issue(SECRET, ["a"], expires_at=int(NOW) + 1))
    token = verify(tokens(), credential)
    assert isinstance(token, Token) and token.issued_at
    expected = Token(id=STAGING_TOKEN_ID, scopes=frozenset({"a"}), siret=DINUM_SIRET, expires_at=NOW + 1)
    assert structs.replace(token, issued_at=None) == expected


def test_an_issued_token_may_have_an_id_and_siret() -> None:
    text = issue(SECRET, [], expires_at=int(NOW) + 1, token_id=ID, siret="21750001600019")
    token = verify(tokens(), Credential("bearer", text))
    assert (token.id, token.siret) == (ID, "21750001600019")
