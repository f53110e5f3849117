"""Tests of callers' tokens over HTTP, accepted and refused (docs/reference/contract.md §2.1 to §2.5)."""

from __future__ import annotations

import itertools
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import OctKey

from bouquet_gateway.access.tokens import STAGING_TOKEN_ID
from bouquet_mesh.secret import Secret
from tests.support.gateway_client import QUOTIENT_FAMILIAL_PATH, SCOPES, TOKEN_KEY, token
from tests.support.mesh import Mesh, mesh
from tests.support.people import CAF_ALLOCATAIRE


def forbidden(detail: str, code: str = "00101", title: str = "Interdit") -> Any:
    error = {"code": code, "title": title, "detail": detail, "source": {"parameter": "token"}, "meta": {}}
    return {"errors": [error]}


NOT_VALID = forbidden("Votre token n'est pas valide")
MISSING = forbidden("Votre token n'est pas renseigné")
OF_PRODUCTION = forbidden(
    "Ce jeton est un jeton de production, il n'est pas valide sur l'environnement de staging. Utilisez le jeton "
    "public de staging : https://github.com/datagouv/apistration/blob/develop/mocks/tokens/default",
    "00108",
    "Jeton de production sur staging",
)
OF_STAGING = forbidden(
    "Ce jeton est un jeton de staging, il ne fonctionne que sur https://staging.particulier.api.gouv.fr. En "
    "production, utilisez le jeton de votre habilitation, disponible sur votre espace personnel : "
    "https://particulier.api.gouv.fr/compte",
    "00109",
    "Jeton de staging en production",
)
EXPIRED_TEXT = (
    "Votre token est expiré. Vous devez refaire une demande à API Particulier, un guide est disponible sur "
    "https://particulier.api.gouv.fr/faq#comment-renouveler-mon-jeton-arrivant-a-expiration"
)
EXPIRED = {
    "errors": [
        {
            "code": "00103",
            "title": "Jeton expiré",
            "detail": EXPIRED_TEXT,
            "source": {"parameter": "token"},
            "meta": {},
        }
    ]
}
FOREIGN = Secret("the key of somebody else altogether")
ID = "6f1ed002-ab55-4b31-8f1c-0242ac120002"


@pytest.fixture
async def client() -> AsyncIterator[Mesh]:
    async with mesh() as opened:
        yield opened


def claims(**changes: Any) -> dict[str, Any]:
    return {"uid": STAGING_TOKEN_ID, "jti": STAGING_TOKEN_ID, "scopes": SCOPES, "exp": time.time() + 60} | changes


def signed(**changes: Any) -> str:
    key = OctKey.import_key(TOKEN_KEY.reveal())
    return jws.serialize_compact({"alg": "HS256"}, msgspec.json.encode(claims(**changes)), key, ["HS256"])


def unsigned(alg: str) -> str:
    parts = [msgspec.json.encode({"alg": alg}), msgspec.json.encode(claims())]
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def tampered() -> str:
    head, _, signature = token().split(".")
    payload = urlsafe_b64encode(msgspec.json.encode(claims(scopes=["everything"]))).rstrip(b"=").decode()
    return f"{head}.{payload}.{signature}"


REFUSED = {
    "no token at all": "not-a-token",
    "a token without a signature": unsigned("none"),
    "a token that says it has none": unsigned("NONE"),
    "a token of another algorithm": unsigned("HS512"),
    "a token of another key": token(key=FOREIGN),
    "a token with other claims than were signed": tampered(),
    "an id that is no uuid": signed(jti="42"),
    "an owner that is no uuid": signed(uid="me"),
    "an id in capitals": signed(jti="6F1ED002-AB55-4B31-8F1C-0242AC120002"),
    "no end": signed(exp=None),
    "letters beyond ASCII": "jeton-périmé",
}


@pytest.mark.parametrize("refused", REFUSED)
async def test_a_token_with_another_signature_is_refused(client: Mesh, refused: str) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE, token=REFUSED[refused])
    assert (answer.status, answer.json) == (401, NOT_VALID)


async def test_no_provider_is_asked_for_a_caller_without_token(client: Mesh) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE, token="")
    assert (answer.status, answer.json) == (401, MISSING)
    assert client.call_counts == {"cnaf": 0, "msa": 0}


async def test_an_expired_token_is_refused_with_the_address_for_renewal(client: Mesh) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE, token=token(valid_s=-1))
    assert (answer.status, answer.json) == (401, EXPIRED)


async def test_a_production_token_is_refused_as_such_in_a_sandbox(client: Mesh) -> None:
    """Tests that a sandbox, which reads scopes from the tokens themselves, refuses a production token with an error
    that says so."""
    answer = await client.get(params=CAF_ALLOCATAIRE, token=token(id=ID, key=FOREIGN))
    assert (answer.status, answer.json) == (401, OF_PRODUCTION)


async def test_a_staging_token_is_refused_as_such_in_production() -> None:
    """Tests that the error about a staging token mentions staging, and the error about a production token does not.
    Both tokens are signed with an unknown key."""
    async with mesh(tokens_from="registry", journal=False) as client:
        answer = await client.get(params=CAF_ALLOCATAIRE, token=token(key=FOREIGN))
        assert (answer.status, answer.json) == (401, OF_STAGING)
        answer = await client.get(params=CAF_ALLOCATAIRE, token=token(id=ID, key=FOREIGN))
        assert (answer.status, answer.json) == (401, NOT_VALID)


async def test_an_expired_token_of_another_key_is_invalid_not_expired(client: Mesh) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE, token=token(valid_s=-1, key=FOREIGN))
    assert answer.json == NOT_VALID


@pytest.mark.parametrize("scopes", [("cnous_email",), ("CNAF_ADRESSE",), ("cnaf_adresse ",)])
async def test_a_token_without_a_scope_of_the_resource_is_refused(client: Mesh, scopes: tuple[str, ...]) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE, scopes=scopes)
    assert (answer.status, answer.json) == (
        403,
        {
            "errors": [
                {
                    "code": "00100",
                    "title": "Privilèges insuffisants",
                    "detail": "Votre token est valide mais vos privilèges sont insuffisants. "
                    "Listez vos privilèges sur /api/introspect",
                    "source": {"parameter": "token"},
                    "meta": {},
                }
            ]
        },
    )


@pytest.mark.parametrize("scope", SCOPES)
async def test_one_scope_of_the_resource_is_enough(client: Mesh, scope: str) -> None:
    assert (await client.get(params=CAF_ALLOCATAIRE, scopes=[scope])).status == 200


async def test_roles_of_an_older_token_count_as_scopes(client: Mesh) -> None:
    older = signed(scopes=None, roles=list(SCOPES))
    assert (await client.get(params=CAF_ALLOCATAIRE, token=older)).status == 200


async def test_a_token_may_come_as_an_api_key(client: Mesh) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE, token="", headers={"X-Api-Key": token()})
    assert answer.status == 200


async def test_a_token_may_come_in_the_query(client: Mesh) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE | {"token": token()}, token="")
    assert answer.status == 200


async def test_of_two_tokens_in_the_query_the_last_counts(client: Mesh) -> None:
    """Tests that the last of two tokens in the query counts, as for every repeated parameter."""
    theirs = urlencode(CAF_ALLOCATAIRE, doseq=True)
    good, bad = f"token={token()}", "token=x"
    assert (await client.get(query=f"{theirs}&{bad}&{good}", token="")).status == 200
    assert (await client.get(query=f"{theirs}&{good}&{bad}", token="")).json == NOT_VALID
    assert (await client.get(query=f"{theirs}&{good}&token=", token="")).json == MISSING


async def test_a_401_has_www_authenticate(client: Mesh) -> None:
    for path in (QUOTIENT_FAMILIAL_PATH, "/api/introspect", "/api/v2/composition-familiale-v2"):
        answer = await client.get(path, params=CAF_ALLOCATAIRE, token="")
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "WWW-Authenticate" not in (await client.get(params=CAF_ALLOCATAIRE)).headers


async def test_a_bearer_has_precedence_over_an_api_key(client: Mesh) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE, token=token(valid_s=-1), headers={"X-Api-Key": token()})
    assert answer.json == EXPIRED


BAD = "not-a-token"
OURS = token()
CARRIED = [pattern for pattern in itertools.product(("", BAD, OURS), repeat=3) if pattern.count(OURS) <= 1]
"""Combinations of three credentials in one call: bearer token, API key and query parameter `token`. Each is absent,
invalid or valid; at most one is valid."""


def carrying(bearer: str, api_key: str, in_query: str) -> dict[str, Any]:
    params = CAF_ALLOCATAIRE | ({"token": in_query} if in_query else {})
    return {"params": params, "token": bearer, "headers": {"X-Api-Key": api_key} if api_key else {}}


@pytest.mark.parametrize("path", [QUOTIENT_FAMILIAL_PATH, "/api/introspect"])
async def test_a_valid_token_counts_wherever_it_is_sent(client: Mesh, path: str) -> None:
    """Tests that every combination of `CARRIED` with a valid credential is accepted. Without a valid one, the error
    says whether the credentials were invalid or missing."""
    for carried in CARRIED:
        answer = await client.get(path, **carrying(*carried))
        text = NOT_VALID if BAD in carried else MISSING
        told = text["errors"][0]["detail"] in answer.body.decode()
        assert (answer.status, told) == ((200, False) if OURS in carried else (401, True)), carried


async def test_of_several_valid_tokens_the_first_counts(client: Mesh) -> None:
    ids = [str(uuid.uuid4()) for _ in range(3)]
    for first in range(3):
        texts = [BAD if number < first else token(id=id) for number, id in enumerate(ids)]
        answer = await client.get("/api/introspect", **carrying(*texts))
        assert answer.json["_id"] == ids[first]


async def test_an_expired_token_hides_later_credentials(client: Mesh) -> None:
    answer = await client.get(**carrying(BAD, token(valid_s=-1), token()))
    assert answer.json == EXPIRED


async def test_each_invalid_credential_of_a_call_is_counted() -> None:
    async with mesh(refused_bearers_per_minute=30, epoch_s=lambda: 0.5) as client:
        told = [(await client.get(**carrying(f"a{n}", f"b{n}", f"c{n}"))).status for n in range(20)]
    assert told == [401] * 11 + [429] * 9


async def test_invalid_credentials_before_a_valid_token_are_counted() -> None:
    async with mesh(refused_bearers_per_minute=30, epoch_s=lambda: 0.5) as client:
        for n in range(16):
            assert (await client.get(**carrying(f"a{n}", f"b{n}", token()))).status == 200
        assert (await client.get(params=CAF_ALLOCATAIRE, token="another")).status == 429
        assert (await client.get(**carrying("a", "b", token()))).status == 200


async def test_a_credential_has_one_rate_limit_wherever_it_is_sent() -> None:
    async with mesh(calls_per_second=3, epoch_s=lambda: 0.5) as client:
        told = [(await client.get(**carrying(f"a{n}", BAD, ""))).status for n in range(4)]
    assert told == [401, 401, 401, 429]


async def test_an_expired_token_hides_the_one_in_the_query(client: Mesh) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE | {"token": token()}, token=token(valid_s=-1))
    assert answer.json == EXPIRED


async def test_a_second_credential_is_rate_limited_like_a_first() -> None:
    async with mesh(calls_per_second=3, epoch_s=lambda: 0.5) as client:
        answers = [
            await client.get(params=CAF_ALLOCATAIRE | {"token": token()}, token=f"forged {number}")
            for number in range(4)
        ]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]


@pytest.mark.parametrize("authorization", ["bearer {}", "BEARER {}", "Basic {}", "{}", "Bearer"])
async def test_an_authorization_without_bearer_counts_as_absent(client: Mesh, authorization: str) -> None:
    headers = {"Authorization": authorization.format(token())}
    assert (await client.get(params=CAF_ALLOCATAIRE, token="", headers=headers)).json == MISSING
    assert (await client.get(params=CAF_ALLOCATAIRE, token="", headers=headers | {"X-Api-Key": token()})).status == 200


async def test_introspection_shows_the_scopes_of_a_token(client: Mesh) -> None:
    answer = await client.get("/api/introspect", scopes=["cnous_email", "cnaf_adresse"])
    assert (answer.status, answer.json) == (
        200,
        {"_id": STAGING_TOKEN_ID, "name": "", "scopes": ["cnaf_adresse", "cnous_email"]},
    )


async def test_introspection_has_headers_of_an_uncached_answer(client: Mesh) -> None:
    headers = (await client.get("/api/introspect")).headers
    assert (headers["X-Response-Cached"], headers["X-Cache-Expires-in"]) == ("false", "")


@pytest.mark.parametrize(
    ("key", "told"), [("", MISSING), ("not-a-token", NOT_VALID), (token(id=ID, key=FOREIGN), OF_PRODUCTION)]
)
@pytest.mark.parametrize("path", ["/api/introspect", "/api/v2/composition-familiale-v2"])
async def test_version_2_refuses_a_token_in_its_own_envelope(client: Mesh, path: str, key: str, told: Any) -> None:
    answer = await client.get(path, token="", headers={"X-Api-Key": key} if key else {})
    text = told["errors"][0]["detail"]
    assert (answer.status, answer.json) == (401, {"error": "access_denied", "reason": text, "message": text})


async def test_introspection_of_an_expired_token_is_a_v2_error(client: Mesh) -> None:
    answer = await client.get("/api/introspect", token=token(valid_s=-1))
    assert (answer.status, answer.json) == (401, {"errors": [EXPIRED_TEXT]})


async def test_introspection_accepts_a_token_in_the_query(client: Mesh) -> None:
    assert (await client.get("/api/introspect", {"token": token()}, token="")).status == 200


INTROSPECTION = "/v3/token/introspect"


async def test_version_3_describes_a_token_by_its_claims_where_there_is_no_registry(client: Mesh) -> None:
    text = signed(scopes=["cnous_email", "cnaf_adresse"], iat=1_700_000_000, exp=4_102_444_800)
    answer = await client.get(INTROSPECTION, token=text)
    assert answer.status == 200
    assert answer.json == {
        "data": {
            "id": STAGING_TOKEN_ID,
            "type": "standard",
            "scopes": ["cnaf_adresse", "cnous_email"],
            "datapass_id": None,
            "siret_souscripteur": "13002526500013",
            "date_emission": "2023-11-14T22:13:20Z",
            "date_expiration": "2100-01-01T00:00:00Z",
            "rate_limit_par_minute": None,
            "delegation": None,
        },
        "links": {"datapass": None},
        "meta": {},
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [("", MISSING), ("not-a-token", NOT_VALID), (signed(exp=1), EXPIRED), (token(id=ID, key=FOREIGN), OF_PRODUCTION)],
)
async def test_version_3_describes_no_refused_token(client: Mesh, text: str, told: Any) -> None:
    answer = await client.get(INTROSPECTION, token=text)
    assert (answer.status, answer.json) == (401, told)


@pytest.mark.parametrize("version", [0, 2, 4, 99])
async def test_another_version_of_introspection_is_unknown_to_those_who_have_a_token(
    client: Mesh, version: int
) -> None:
    path = INTROSPECTION.replace("3", str(version))
    answer = await client.get(path)
    assert (answer.status, answer.error["code"]) == (404, "00402")
    assert answer.error["detail"] == f"La version v{version} n'est pas supportée pour cet endpoint"
    assert (await client.get(path, token="")).json == MISSING


@pytest.mark.parametrize("path", ["/v03/token/introspect", "/v3/token/introspect/x", "/v3beta/token/introspect"])
async def test_introspection_has_one_spelling(client: Mesh, path: str) -> None:
    assert (await client.get(path)).error["code"] == "00493"


@pytest.mark.parametrize(("at", "told"), [(1e18, "9999-12-31T23:59:59Z"), (-1e18, "1970-01-01T00:00:00Z")])
async def test_an_impossible_time_is_shown_as_the_nearest_possible_one(client: Mesh, at: float, told: str) -> None:
    answer = await client.get(INTROSPECTION, token=signed(iat=at, exp=1e18))
    assert (answer.json["data"]["date_emission"], answer.json["data"]["date_expiration"]) == (
        told,
        "9999-12-31T23:59:59Z",
    )


async def test_a_refusal_does_not_repeat_the_token(client: Mesh) -> None:
    foreign = token(key=FOREIGN)
    answer = await client.get(QUOTIENT_FAMILIAL_PATH, CAF_ALLOCATAIRE, token=foreign)
    assert foreign not in f"{answer.body!r}{dict(answer.headers)}"
