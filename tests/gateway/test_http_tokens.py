"""Who may come in (http-contract §2.1 to §2.5), through the whole mesh."""

from __future__ import annotations

import time
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
from tests.support.door import QF, SCOPES, TOKEN_KEY, token
from tests.support.mesh import Mesh, mesh
from tests.support.people import CAF_ALLOCATAIRE

NOT_VALID = {
    "errors": [
        {
            "code": "00101",
            "title": "Interdit",
            "detail": "Votre token n'est pas valide ou n'est pas renseigné",
            "source": {"parameter": "token"},
            "meta": {},
        }
    ]
}
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
    "none": "",
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
    await client.get(params=CAF_ALLOCATAIRE, token="")
    assert client.calls == {"cnaf": 0, "msa": 0}


async def test_a_token_that_has_expired_says_where_to_renew_it(client: Mesh) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE, token=token(valid_s=-1))
    assert (answer.status, answer.json) == (401, EXPIRED)


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
    assert (await client.get(query=f"{theirs}&{good}&token=", token="")).json == NOT_VALID


async def test_a_refusal_says_how_to_authenticate(client: Mesh) -> None:
    for path in (QF, "/api/introspect", "/api/v2/composition-familiale-v2"):
        answer = await client.get(path, params=CAF_ALLOCATAIRE, token="")
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "WWW-Authenticate" not in (await client.get(params=CAF_ALLOCATAIRE)).headers


async def test_a_bearer_goes_before_an_api_key(client: Mesh) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE, token=token(valid_s=-1), headers={"X-Api-Key": token()})
    assert answer.json == EXPIRED


@pytest.mark.parametrize("path", [QF, "/api/introspect"])
@pytest.mark.parametrize("headers", [{"Authorization": "Bearer not-a-token"}, {"X-Api-Key": token(key=FOREIGN)}])
async def test_what_is_no_token_of_ours_does_not_hide_the_one_in_the_query(
    client: Mesh, path: str, headers: dict[str, str]
) -> None:
    answer = await client.get(path, CAF_ALLOCATAIRE | {"token": token()}, token="", headers=headers)
    assert answer.status == 200


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
    assert (await client.get(params=CAF_ALLOCATAIRE, token="", headers=headers)).json == NOT_VALID
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


async def test_introspection_speaks_v2_of_a_token_that_is_not_ours(client: Mesh) -> None:
    answer = await client.get("/api/introspect", token="")
    text = "Votre token n'est pas valide ou n'est pas renseigné"
    assert (answer.status, answer.json) == (401, {"error": "access_denied", "reason": text, "message": text})


async def test_introspection_speaks_v2_of_an_expired_token(client: Mesh) -> None:
    answer = await client.get("/api/introspect", token=token(valid_s=-1))
    assert (answer.status, answer.json) == (401, {"errors": [EXPIRED_TEXT]})


async def test_introspection_of_the_token_in_a_query(client: Mesh) -> None:
    assert (await client.get("/api/introspect", {"token": token()}, token="")).status == 200


async def test_a_refusal_says_nothing_of_the_token(client: Mesh) -> None:
    foreign = token(key=FOREIGN)
    answer = await client.get(QF, CAF_ALLOCATAIRE, token=foreign)
    assert foreign not in f"{answer.body!r}{dict(answer.headers)}"
