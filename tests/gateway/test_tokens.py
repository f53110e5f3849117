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

from bouquet_gateway.access.credentials import Credential
from bouquet_gateway.access.tokens import DINUM_SIRET, INTERNAL_ID, INVALID, Refusal, Token, TokenVerifier, issue
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


def test_a_good_token_gives_its_id_and_scopes() -> None:
    token = verify(tokens(), signed(CLAIMS))
    assert token == Token(id=ID, scopes=frozenset({"a", "b"}), siret="", expires_at=NOW + 60)


def test_an_older_token_has_roles_for_scopes() -> None:
    claims = {"uid": ID, "jti": ID, "roles": ["a"], "exp": NOW + 60}
    assert verify(tokens(), signed(claims)).scopes == {"a"}


def test_roles_do_not_add_to_scopes() -> None:
    assert verify(tokens(), signed(CLAIMS | {"roles": ["admin"]})).scopes == {"a", "b"}


def test_the_siret_is_that_of_the_claim() -> None:
    assert verify(tokens(), signed(CLAIMS | {"siret": "21750001600019"})).siret == "21750001600019"


def test_a_token_without_siret_has_none() -> None:
    assert verify(tokens(), signed(CLAIMS)).siret == ""


def test_the_internal_id_is_the_dinum_whatever_it_claims() -> None:
    claims = CLAIMS | {"uid": INTERNAL_ID, "jti": INTERNAL_ID, "siret": "21750001600019"}
    assert verify(tokens(), signed(claims)).siret == DINUM_SIRET


@pytest.mark.parametrize("wrong", [None, "", "x", ID.upper(), ID.replace("-", ""), ID + "\n", 7])
@pytest.mark.parametrize("claim", ["uid", "jti"])
def test_an_id_that_is_no_lower_case_uuid_is_invalid(claim: str, wrong: object) -> None:
    assert is_refused(signed(CLAIMS | {claim: wrong}))


@pytest.mark.parametrize("missing", ["uid", "jti", "exp"])
def test_a_missing_claim_is_invalid(missing: str) -> None:
    assert is_refused(signed({name: value for name, value in CLAIMS.items() if name != missing}))


@pytest.mark.parametrize("claims", [None, [], "text", 1, {}])
def test_claims_that_are_not_an_identity_are_invalid(claims: object) -> None:
    assert is_refused(signed(claims))


def test_a_foreign_key_is_invalid() -> None:
    assert is_refused(signed(CLAIMS, OTHER))


def test_algorithm_none_is_invalid() -> None:
    payload = signed(CLAIMS).text.split(".")[1]
    assert is_refused(Credential("bearer", f"eyJhbGciOiJub25lIn0.{payload}."))


def test_another_algorithm_with_the_right_secret_is_invalid() -> None:
    key = OctKey.import_key("k" * 64)
    text = jws.serialize_compact({"alg": "HS512"}, msgspec.json.encode(CLAIMS), key, ["HS512"])
    assert is_refused(Credential("bearer", text), TokenVerifier(Secret("k" * 64)))


def test_a_tampered_payload_is_invalid() -> None:
    header, _, signature = signed(CLAIMS).text.split(".")
    payload = signed(CLAIMS | {"scopes": ["all"]}).text.split(".")[1]
    assert is_refused(Credential("bearer", f"{header}.{payload}.{signature}"))


@given(st.text())
def test_garbage_is_invalid_and_nothing_worse(text: str) -> None:
    assert is_refused(Credential("bearer", text))


def test_bytes_that_are_no_text_are_invalid() -> None:
    assert is_refused(Credential("bearer", "a.\udcff.c"))


@given(st.binary(), st.binary())
def test_a_signature_does_not_make_a_garbage_payload_good(header: bytes, payload: bytes) -> None:
    key = OctKey.import_key(SECRET.reveal())
    text = jws.serialize_compact({"alg": "HS256", "kid": header.hex()}, payload, key, ["HS256"])
    assert is_refused(Credential("bearer", text))


@pytest.mark.parametrize(
    ("is_staging", "claims", "reason"),
    [
        (False, {"jti": ID, "sub": "staging"}, "token_of_staging"),
        (False, {"jti": INTERNAL_ID, "sub": "bouquet"}, "token_of_staging"),
        (False, CLAIMS, "token_invalid"),
        (True, CLAIMS, "token_of_production"),
        (True, {}, "token_of_production"),
        (True, CLAIMS | {"sub": "staging"}, "token_invalid"),
        (True, {"jti": INTERNAL_ID}, "token_invalid"),
        (True, {"jti": 42, "sub": {}}, "token_of_production"),
        (False, {"jti": [], "sub": "staging"}, "token_of_staging"),
        (True, [], "token_invalid"),
    ],
)
def test_a_token_of_the_other_environment_is_told_as_such(is_staging: bool, claims: object, reason: str) -> None:
    """By what it says of itself, since another key has signed it."""
    assert tokens(is_staging=is_staging).read(signed(claims, OTHER)) == Refusal(reason)


@pytest.mark.parametrize("is_staging", [False, True])
def test_only_what_another_key_has_signed_may_be_of_the_other_environment(is_staging: bool) -> None:
    """A token of ours that is wrong otherwise is wrong, whatever it says."""
    for sub in ("staging", "production"):
        assert tokens(is_staging=is_staging).read(signed({"jti": "42", "sub": sub})) == INVALID
        assert isinstance(tokens(is_staging=is_staging).read(signed(CLAIMS | {"sub": sub})), Token)


def test_a_token_for_later_is_invalid_until_then() -> None:
    now = [NOW]
    known = tokens(clock=lambda: now[0])
    credential = signed(CLAIMS | {"nbf": NOW + 3600, "exp": NOW + 7200})
    assert is_refused(credential, known)
    now[0] = NOW + 3600
    assert verify(known, credential).id == ID


def test_a_token_signed_by_a_clock_that_is_a_little_ahead_is_good_at_once() -> None:
    assert verify(tokens(clock=lambda: NOW), signed(CLAIMS | {"nbf": NOW + 30})).id == ID


def test_a_time_that_is_none_makes_a_token_invalid() -> None:
    assert is_refused(signed(CLAIMS | {"nbf": "tomorrow"}))


def test_an_expired_token_of_a_foreign_key_is_invalid() -> None:
    assert is_refused(signed(CLAIMS | {"exp": NOW - 1}, OTHER))


def test_a_known_token_is_not_verified_again() -> None:
    known = tokens()
    assert verify(known, signed(CLAIMS)) is verify(known, signed(CLAIMS))


def test_the_memory_of_tokens_is_bounded_and_keeps_the_last_used() -> None:
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


def test_a_public_key_is_no_shared_secret() -> None:
    key = ECKey.generate_key("P-256")
    message = ".".join(map(base64, (b'{"alg":"HS256","kid":"next"}', msgspec.json.encode(CLAIMS))))
    signature = hmac.digest(key.as_pem(private=False), message.encode(), "sha256")
    forged = Credential("bearer", f"{message}.{base64(signature)}")
    assert is_refused(forged, tokens(named_keys=(("next", key),)))


def test_a_short_signing_secret_is_refused_by_name_and_not_shown() -> None:
    with pytest.raises(SettingsError, match=r"^BOUQUET_GATEWAY_TOKEN_KEY: must have 32 bytes at least$"):
        TokenVerifier(Secret("hunter2"))


def test_an_issued_token_says_what_it_was_issued_for() -> None:
    credential = Credential("bearer", issue(SECRET, ["a"], expires_at=int(NOW) + 1))
    token = verify(tokens(), credential)
    assert token == Token(id=INTERNAL_ID, scopes=frozenset({"a"}), siret=DINUM_SIRET, expires_at=NOW + 1)


def test_an_issued_token_may_be_somebody_s() -> None:
    text = issue(SECRET, [], expires_at=int(NOW) + 1, token_id=ID, siret="21750001600019")
    token = verify(tokens(), Credential("bearer", text))
    assert (token.id, token.siret) == (ID, "21750001600019")
