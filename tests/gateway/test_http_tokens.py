"""Who may come in (docs/reference/contract.md §2.1 to §2.5), through the whole mesh."""

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

from bouquet_gateway.access.tokens import INTERNAL_ID
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
    return {"uid": INTERNAL_ID, "jti": INTERNAL_ID, "scopes": SCOPES, "exp": time.time() + 60} | changes


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
async def test_a_token_that_is_not_ours_is_refused(client: Mesh, refused: str) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE, token=REFUSED[refused])
    assert (answer.status, answer.json) == (401, NOT_VALID)


async def test_nobody_is_asked_for_a_caller_without_a_token(client: Mesh) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE, token="")
    assert (answer.status, answer.json) == (401, MISSING)
    assert client.call_counts == {"cnaf": 0, "msa": 0}


async def test_a_token_that_has_expired_says_where_to_renew_it(client: Mesh) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE, token=token(valid_s=-1))
    assert (answer.status, answer.json) == (401, EXPIRED)


async def test_a_token_of_production_is_told_where_it_counts(client: Mesh) -> None:
    """These tokens speak for themselves, as in a sandbox."""
    answer = await client.get(params=CAF_ALLOCATAIRE, token=token(id=ID, key=FOREIGN))
    assert (answer.status, answer.json) == (401, OF_PRODUCTION)


async def test_a_token_of_staging_is_told_that_this_is_production() -> None:
    """These are a registry's."""
    async with mesh(tokens_from="registry", journal=False) as client:
        answer = await client.get(params=CAF_ALLOCATAIRE, token=token(key=FOREIGN))
        assert (answer.status, answer.json) == (401, OF_STAGING)
        answer = await client.get(params=CAF_ALLOCATAIRE, token=token(id=ID, key=FOREIGN))
        assert (answer.status, answer.json) == (401, NOT_VALID)


async def test_an_expired_token_of_another_key_is_not_valid_rather_than_expired(client: Mesh) -> None:
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


async def test_an_older_token_has_roles(client: Mesh) -> None:
    older = signed(scopes=None, roles=list(SCOPES))
    assert (await client.get(params=CAF_ALLOCATAIRE, token=older)).status == 200


async def test_a_token_may_come_as_an_api_key(client: Mesh) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE, token="", headers={"X-Api-Key": token()})
    assert answer.status == 200


async def test_a_token_may_come_in_the_query(client: Mesh) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE | {"token": token()}, token="")
    assert answer.status == 200


async def test_of_two_tokens_in_the_query_the_last_counts(client: Mesh) -> None:
    """As of any parameter: a proxy that checks the one must not let the other pass."""
    theirs = urlencode(CAF_ALLOCATAIRE, doseq=True)
    good, bad = f"token={token()}", "token=x"
    assert (await client.get(query=f"{theirs}&{bad}&{good}", token="")).status == 200
    assert (await client.get(query=f"{theirs}&{good}&{bad}", token="")).json == NOT_VALID
    assert (await client.get(query=f"{theirs}&{good}&token=", token="")).json == MISSING


async def test_a_refusal_says_how_to_authenticate(client: Mesh) -> None:
    for path in (QUOTIENT_FAMILIAL_PATH, "/api/introspect", "/api/v2/composition-familiale-v2"):
        answer = await client.get(path, params=CAF_ALLOCATAIRE, token="")
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "WWW-Authenticate" not in (await client.get(params=CAF_ALLOCATAIRE)).headers


async def test_a_bearer_goes_before_an_api_key(client: Mesh) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE, token=token(valid_s=-1), headers={"X-Api-Key": token()})
    assert answer.json == EXPIRED


BAD = "not-a-token"
OURS = token()
CARRIED = [pattern for pattern in itertools.product(("", BAD, OURS), repeat=3) if pattern.count(OURS) <= 1]
"""As bearer, as API key and in the query: nothing, no token of ours, or one."""


def carrying(bearer: str, api_key: str, in_query: str) -> dict[str, Any]:
    params = CAF_ALLOCATAIRE | ({"token": in_query} if in_query else {})
    return {"params": params, "token": bearer, "headers": {"X-Api-Key": api_key} if api_key else {}}


@pytest.mark.parametrize("path", [QUOTIENT_FAMILIAL_PATH, "/api/introspect"])
async def test_whatever_carries_a_token_of_ours_opens(client: Mesh, path: str) -> None:
    """All carriers are tried in order; without one of ours, the text says whether there was any."""
    for carried in CARRIED:
        answer = await client.get(path, **carrying(*carried))
        text = NOT_VALID if BAD in carried else MISSING
        told = text["errors"][0]["detail"] in answer.body.decode()
        assert (answer.status, told) == ((200, False) if OURS in carried else (401, True)), carried


async def test_the_first_of_several_tokens_of_ours_is_the_caller_s(client: Mesh) -> None:
    ids = [str(uuid.uuid4()) for _ in range(3)]
    for first in range(3):
        texts = [BAD if number < first else token(id=id) for number, id in enumerate(ids)]
        answer = await client.get("/api/introspect", **carrying(*texts))
        assert answer.json["_id"] == ids[first]


async def test_an_expired_token_hides_those_behind_it(client: Mesh) -> None:
    answer = await client.get(**carrying(BAD, token(valid_s=-1), token()))
    assert answer.json == EXPIRED


async def test_each_bearer_that_a_call_tries_is_counted() -> None:
    """Nobody tries three for the price of one."""
    async with mesh(refused_bearers_per_minute=30, epoch_s=lambda: 0.5) as client:
        told = [(await client.get(**carrying(f"a{n}", f"b{n}", f"c{n}"))).status for n in range(20)]
    assert told == [401] * 11 + [429] * 9


async def test_bearers_tried_before_a_token_of_ours_are_counted_too() -> None:
    async with mesh(refused_bearers_per_minute=30, epoch_s=lambda: 0.5) as client:
        for n in range(16):
            assert (await client.get(**carrying(f"a{n}", f"b{n}", token()))).status == 200
        assert (await client.get(params=CAF_ALLOCATAIRE, token="another")).status == 429
        assert (await client.get(**carrying("a", "b", token()))).status == 200


async def test_the_same_bearer_is_paced_wherever_it_is_carried() -> None:
    async with mesh(calls_per_second=3, epoch_s=lambda: 0.5) as client:
        told = [(await client.get(**carrying(f"a{n}", BAD, ""))).status for n in range(4)]
    assert told == [401, 401, 401, 429]


async def test_an_expired_token_hides_the_one_in_the_query(client: Mesh) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE | {"token": token()}, token=token(valid_s=-1))
    assert answer.json == EXPIRED


async def test_a_token_behind_another_is_counted_as_any() -> None:
    async with mesh(calls_per_second=3, epoch_s=lambda: 0.5) as client:
        answers = [
            await client.get(params=CAF_ALLOCATAIRE | {"token": token()}, token=f"forged {number}")
            for number in range(4)
        ]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]


@pytest.mark.parametrize("authorization", ["bearer {}", "BEARER {}", "Basic {}", "{}", "Bearer"])
async def test_an_authorization_that_is_no_bearer_is_as_good_as_absent(client: Mesh, authorization: str) -> None:
    headers = {"Authorization": authorization.format(token())}
    assert (await client.get(params=CAF_ALLOCATAIRE, token="", headers=headers)).json == MISSING
    assert (await client.get(params=CAF_ALLOCATAIRE, token="", headers=headers | {"X-Api-Key": token()})).status == 200


async def test_introspection_tells_the_scopes_of_a_token(client: Mesh) -> None:
    answer = await client.get("/api/introspect", scopes=["cnous_email", "cnaf_adresse"])
    assert (answer.status, answer.json) == (
        200,
        {"_id": INTERNAL_ID, "name": "", "scopes": ["cnaf_adresse", "cnous_email"]},
    )


async def test_introspection_never_comes_from_a_cache_and_says_so(client: Mesh) -> None:
    headers = (await client.get("/api/introspect")).headers
    assert (headers["X-Response-Cached"], headers["X-Cache-Expires-in"]) == ("false", "")


@pytest.mark.parametrize(
    ("key", "told"), [("", MISSING), ("not-a-token", NOT_VALID), (token(id=ID, key=FOREIGN), OF_PRODUCTION)]
)
@pytest.mark.parametrize("path", ["/api/introspect", "/api/v2/composition-familiale-v2"])
async def test_version_2_says_the_same_in_its_words(client: Mesh, path: str, key: str, told: Any) -> None:
    answer = await client.get(path, token="", headers={"X-Api-Key": key} if key else {})
    text = told["errors"][0]["detail"]
    assert (answer.status, answer.json) == (401, {"error": "access_denied", "reason": text, "message": text})


async def test_introspection_speaks_v2_of_an_expired_token(client: Mesh) -> None:
    answer = await client.get("/api/introspect", token=token(valid_s=-1))
    assert (answer.status, answer.json) == (401, {"errors": [EXPIRED_TEXT]})


async def test_introspection_of_the_token_in_a_query(client: Mesh) -> None:
    assert (await client.get("/api/introspect", {"token": token()}, token="")).status == 200


async def test_a_refusal_says_nothing_of_the_token(client: Mesh) -> None:
    foreign = token(key=FOREIGN)
    answer = await client.get(QUOTIENT_FAMILIAL_PATH, CAF_ALLOCATAIRE, token=foreign)
    assert foreign not in f"{answer.body!r}{dict(answer.headers)}"
