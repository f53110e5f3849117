"""Tests of calls with a citizen's FranceConnect session (docs/reference/contract.md §2.4), through every worker that
accepts one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from joserfc import jwe
from joserfc.jwk import RSAKey
from jsonschema import Draft202012Validator
from msgspec import structs

from bouquet_france_connect.keys import decrypted
from bouquet_france_connect.personas import MAELYS, Citizen
from bouquet_france_connect.simulator import EXPIRED, FORGED_ANSWERS, KEY_RING, SESSIONS, _worker_key
from bouquet_gateway.offers.catalogue import Catalogue
from bouquet_proto import quotient_familial
from bouquet_proto.offer import Authority, Offer
from bouquet_worker.simulate import RECEIVED, Fault, Received
from tests.support import mesh as meshes
from tests.support.france_connect_workers import WORKERS
from tests.support.gateway_client import RECIPIENT, Answer, token
from tests.support.mesh import Mesh
from tests.support.nomenclature import codes_in

QF = "/v3/dss/quotient_familial/france_connect"
C2S = "/v3/dss/complementaire_sante_solidaire/france_connect"
MESRI = "/v3/mesri/statut_etudiant/france_connect"
CNOUS = "/v5/cnous/etudiant_boursier/france_connect"
ANTS = "/v3/ants/extrait_immatriculation_vehicule/france_connect"
DSNJ = "/v3/dsnj/service_national/france_connect"
JWKS = "/api/france_connect_jwks"


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Mesh]:
    monkeypatch.setattr(meshes, "PROVIDERS", WORKERS)
    async with meshes.mesh(workers=tuple(WORKERS)) as opened:
        yield opened


async def get(client: Mesh, path: str, session: str, **params: Any) -> Answer:
    return await client.get(path, {"recipient": RECIPIENT} | params, token=session)


def let_in(client: Mesh, session: str, **changes: Any) -> None:
    """Makes the simulated FranceConnect accept `session` as a session of Maëlys. `changes` replace members of her
    identity."""
    citizen: Citizen = structs.replace(MAELYS, **changes)
    client.simulators["france_connect"][SESSIONS][session] = citizen


def introspections(client: Mesh) -> int:
    return sum(received.path.endswith("/checktoken") for received in client.received("france_connect"))


# Answers with data


@pytest.mark.parametrize(
    ("path", "session"),
    [
        (QF, "jeton-maelys"),
        (QF, "jeton-remi"),
        (QF, "jeton-samira"),
        (C2S, "jeton-maelys"),
        ("/v3/dss/revenu_solidarite_active/france_connect", "jeton-maelys"),
        ("/v3/dss/prime_activite/france_connect", "jeton-maelys"),
        ("/v3/dss/allocation_adulte_handicape/france_connect", "jeton-samira"),
        ("/v3/dss/allocation_soutien_familial/france_connect", "jeton-remi"),
        ("/v3/dss/allocation_enfant_handicape/france_connect", "jeton-maelys"),
        ("/v3/dss/allocation_rentree_scolaire/france_connect", "jeton-maelys"),
        ("/v3/dss/participation_familiale_eaje/france_connect", "jeton-maelys"),
        (MESRI, "jeton-maiwenn"),
        (MESRI, "jeton-aissata"),
        ("/v3/cnous/etudiant_boursier/france_connect", "jeton-maiwenn"),
        ("/v4/cnous/etudiant_boursier/france_connect", "jeton-maiwenn"),
        (CNOUS, "jeton-maiwenn"),
        (CNOUS, "jeton-aissata"),
    ],
)
async def test_every_resource_answers_a_citizen_s_session(client: Mesh, path: str, session: str) -> None:
    answer = await get(client, path, session)
    assert answer.status == 200, answer.json
    assert answer.json["data"]


async def test_a_citizen_gets_a_quotient_with_its_headers(client: Mesh) -> None:
    answer = await get(client, QF, "jeton-maelys")
    data = answer.json["data"]
    assert (data["quotient_familial"]["fournisseur"], data["quotient_familial"]["valeur"]) == ("CNAF", 612)
    assert {"allocataires", "enfants", "adresse"} < data.keys()
    assert answer.headers["X-Response-Cached"] == "false"


async def test_the_provider_receives_the_identity_as_france_connect_gives_it(client: Mesh) -> None:
    answer = await get(client, QF, "jeton-marie-claire", nomNaissance="LE GOUADEC", anneeDateNaissance=1989)
    assert answer.codes == ["35560"]
    asked = dict(client.received("cnaf")[0].query)
    assert (asked["nomNaissance"], asked["listePrenoms"]) == ("VALADIER", "Marie Claire Josette")
    assert (asked["dateNaissance"], asked["genre"]) == ("1961-02-28", "F")
    await get(client, MESRI, "jeton-marie-claire")
    [search] = [json.loads(received.body) for received in client.received("mesr")]
    assert search["prenom1"] == "Marie Claire"


async def test_a_citizen_s_answer_has_only_the_fields_of_the_session_s_scopes(client: Mesh) -> None:
    assert (await get(client, QF, "jeton-peu-de-droits")).json["data"].keys() == {"quotient_familial"}
    for path in (QF, C2S, MESRI, CNOUS):
        answer = await get(client, path, "jeton-sans-droits")
        assert (answer.status, answer.codes) == (403, ["00100"])


@pytest.mark.parametrize(("path", "scope"), [(MESRI, "mesri_identite"), (CNOUS, "cnous_identite")])
async def test_an_identity_scope_alone_opens_nothing_by_session_from_v3_on(client: Mesh, path: str, scope: str) -> None:
    let_in(client, "jeton-identite", scopes=f"openid {scope}")
    assert (await get(client, path, "jeton-identite")).codes == ["00100"]


# Refusals


@pytest.mark.parametrize(
    ("session", "status", "code"),
    [
        (EXPIRED, 401, "51502"),
        ("jeton-de-personne", 401, "51502"),
        ("jeton(mal)forme", 401, "51501"),
        ("jeton-sans-nom", 422, "51564"),
        ("jeton-sans-annee", 422, "51564"),
        ("jeton-mois-impossible", 422, "51564"),
        ("jeton-jour-impossible", 422, "51564"),
        ("jeton-date-impossible", 422, "51564"),
        ("panne-internal", 502, "51999"),
        ("panne-html", 502, "51999"),
        ("panne-unavailable", 502, "51001"),
        ("panne-gateway-timeout", 504, "51002"),
        *((lie, 502, "51999") for lie in FORGED_ANSWERS),
    ],
)
async def test_a_session_without_a_scope_of_the_resource_is_refused(
    client: Mesh, session: str, status: int, code: str
) -> None:
    answer = await get(client, QF, session)
    assert (answer.status, answer.codes) == (status, [code])
    assert client.received("cnaf") == client.received("msa") == []


async def test_a_refused_session_has_the_contract_s_error(client: Mesh) -> None:
    malformed, unknown = await get(client, QF, "jeton(mal)forme"), await get(client, QF, EXPIRED)
    assert malformed.error == {
        "code": "51501",
        "title": "Accès non autorisé",
        "detail": "Le jeton d'accès est mal formaté.",
        "meta": {"provider": "FranceConnect"},
    }
    assert unknown.error["detail"] == "Le jeton d'accès n'a pas été trouvé ou est expiré."
    assert unknown.error["meta"] == {"provider": "FranceConnect"}
    assert (await get(client, QF, "panne-html")).error["meta"] == {"provider": "FranceConnect"}


async def test_a_missing_session_has_the_contract_s_error(client: Mesh) -> None:
    answer = await client.get(QF, {"recipient": RECIPIENT}, token="")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.error == {
        "code": "51504",
        "title": "Accès non autorisé",
        "detail": "Le jeton d'accès FranceConnect est manquant. Cet endpoint requiert un jeton d'accès FranceConnect "
        "transmis via l'en-tête Authorization: Bearer.",
        "meta": {"provider": "FranceConnect"},
    }


async def test_a_session_token_that_is_not_ascii_is_malformed(client: Mesh) -> None:
    reader, writer = await asyncio.open_connection(*client.url.removeprefix("http://").split(":"))
    head = f"GET {QF}?recipient={RECIPIENT} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "
    writer.write(head.encode() + b"\xff\xfe\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"51501" in answer


@pytest.mark.parametrize("recipient", ["", "13002526500014", None])
async def test_a_recipient_is_mandatory_by_session(client: Mesh, recipient: str | None) -> None:
    answer = await client.get(QF, {} if recipient is None else {"recipient": recipient}, token="jeton-maelys")
    assert (answer.status, answer.codes) == (422, ["00210"])


async def test_only_a_session_opens_france_connect_paths(client: Mesh) -> None:
    """Tests that a caller's token does not replace a FranceConnect session. The token is ignored as API key or in the
    query, and refused as an unknown session if sent as bearer (docs/contract.md, D9, D10)."""
    jwt = token()
    for headers, params in (({}, {"token": jwt}), ({"X-Api-Key": jwt}, {}), ({}, {}), ({}, {"token": "jeton-maelys"})):
        answer = await client.get(QF, {"recipient": RECIPIENT} | params, token="", headers=headers)
        assert (answer.status, answer.codes) == (401, ["51504"])
    assert introspections(client) == 0
    answer = await get(client, QF, jwt)
    assert (answer.status, answer.codes) == (401, ["51502"])


async def test_an_api_key_beside_a_session_is_ignored(client: Mesh) -> None:
    answer = await client.get(QF, {"recipient": RECIPIENT}, token="jeton-maelys", headers={"X-Api-Key": "nonsense"})
    assert answer.status == 200


async def test_a_session_opens_no_other_path(client: Mesh) -> None:
    answer = await get(client, "/v3/dss/quotient_familial/identite", "jeton-maelys")
    assert (answer.status, answer.codes) == (401, ["00101"])
    assert introspections(client) == 0


@pytest.mark.parametrize("path", [MESRI, CNOUS])
@pytest.mark.parametrize("birthdate", ["1989-00-00", "1989-00-14", "1989-06-00"])
async def test_a_provider_that_needs_a_whole_birth_date_refuses_a_partial_one(
    client: Mesh, path: str, birthdate: str
) -> None:
    let_in(client, "jeton-date", birthdate=birthdate)
    answer = await get(client, path, "jeton-date")
    assert (answer.status, answer.codes) == (422, ["51564"])
    assert (await get(client, QF, "jeton-date")).codes == ["35560"]
    assert client.call_counts["cnaf"] == 1


async def test_a_citizen_of_an_age_without_national_service_is_refused_and_nobody_asked(client: Mesh) -> None:
    """Tests that the age of a citizen has the code of its own, `39400`, and not that of an unusable identity."""
    assert (await get(client, DSNJ, "jeton-maiwenn")).json["data"]["statut_service_national"] == "en_regle"
    answer = await get(client, DSNJ, "jeton-maelys")
    assert answer.status == 422
    [error] = answer.json["errors"]
    assert (error["code"], error["title"]) == ("39400", "Age non pertinent pour le Service National")
    assert error["meta"] == {"provider": "DSNJ"}
    assert len(client.received("dsnj")) == 1


async def test_a_vehicle_is_shown_with_how_its_holder_was_recognised(client: Mesh) -> None:
    """Tests that `meta` tells how the citizen was recognised, and that the holder's identity, whose scope no session
    has, is always there."""
    answer = await get(client, ANTS, "jeton-maelys", immatriculation="bz-290-ma")
    assert answer.status == 200
    assert answer.json["meta"] == {
        "identity_matching": {"family_name": 1.0, "given_name": 1.0, "birth_date": 1.0, "overall_match": True}
    }
    assert answer.json["data"].keys() == {
        "identite_particulier",
        "adresse_particulier",
        "statut_rattachement",
        "donnees_immatriculation_vehicule",
        "caracteristiques_techniques_vehicule",
    }
    let_in(client, "jeton-statut", scopes="openid ants_extrait_immatriculation_vehicule_statut_rattachement")
    part = await get(client, ANTS, "jeton-statut", immatriculation="BZ-290-MA")
    assert part.json["data"].keys() == {"identite_particulier", "statut_rattachement"}
    document = (await client.get("/api/openapi.json", token="")).json
    schema = document["paths"][ANTS]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator(schema | {"components": document["components"]})
    for valid in (answer.json, part.json):
        validator.validate(valid)
    assert not validator.is_valid(answer.json | {"meta": {}})


async def test_a_vehicle_of_somebody_else_is_not_shown(client: Mesh) -> None:
    for plate, code in (("BZ-290-MA", "42404"), ("CR-118-SA", "42404"), ("ZZ-999-ZZ", "42003")):
        answer = await get(client, ANTS, "jeton-remi", immatriculation=plate)
        assert (answer.status, answer.codes) == (404, [code])
        assert answer.json["errors"][0]["meta"] == {"provider": "ANTS"}
    answer = await get(client, ANTS, "jeton-remi")
    assert (answer.status, answer.codes) == (422, ["00430"])


async def test_an_unusable_identity_has_the_contract_s_error(client: Mesh) -> None:
    for session in ("jeton-sans-nom", "jeton-lieu"):
        let_in(client, "jeton-lieu", birthcountry="")
        answer = await get(client, QF, session)
        assert answer.json["errors"] == [
            {
                "code": "51564",
                "title": "Identité inexploitable renvoyée par le fournisseur de données",
                "detail": "L'identité renvoyée par le fournisseur de données est incomplète ou invalide.",
                "meta": {"provider": "FranceConnect"},
            }
        ]
    assert client.received("cnaf") == []


BROUGHT: dict[str, dict[str, Any]] = {
    "in another form": {"birthdate": "14/06/1989"},
    "unspecified sex": {"gender": "unspecified"},
    "no sex": {"changed_claims": {"gender": None}},
    "no first name": {"given_names": ()},
    "a ligature": {"family_name": "LEBŒUF"},
    "a diaeresis": {"family_name": "L'HAŸ"},
    "an apostrophe of word processors": {"family_name": "L’HERMINE"},
    "another alphabet": {"family_name": "Лебедев"},
    "abroad, no place": {"birthcountry": "99352", "birthplace": ""},
    "abroad, a town": {"birthcountry": "99352", "birthplace": "Oran"},
    "abroad, a number": {"birthcountry": "99352", "birthplace": "90900"},
    "in France, no place": {"changed_claims": {"birthplace": None}},
    "in France, a town": {"birthplace": "Brest"},
    "no country": {"changed_claims": {"birthcountry": None}},
    "a country that is none": {"birthcountry": "FR"},
    "Corsica of old": {"birthdate": "1960-05-09", "birthplace": "20004"},
    "Mayotte of old": {"birthdate": "2006-04-02", "birthplace": "98511"},
    "an unknown day": {"birthdate": "1989-06-00"},
    "born tomorrow": {"birthdate": "2999-01-01"},
}
"""Map from the description of each unusual FranceConnect identity to the changes that make it from Maëlys's
identity."""
ANSWERS = {
    "200": "found",
    **dict.fromkeys(("422 35560", "422 36560"), "nobody by that name"),
    "404 25003": "no student",
    "404 26003": "no scholarship",
}


@pytest.mark.parametrize("citizen", BROUGHT)
async def test_no_citizen_is_refused_by_the_code_of_a_field(client: Mesh, citizen: str) -> None:
    """Tests that no call with an unusual FranceConnect identity is refused with the error code of a query parameter,
    since the citizen sent none."""
    let_in(client, "jeton-venu", **BROUGHT[citizen])
    for path in (QF, C2S, MESRI, CNOUS):
        answer = await get(client, path, "jeton-venu")
        told = " ".join([str(answer.status), *([] if answer.status == 200 else answer.codes)])
        assert told in ANSWERS or told == "422 51564", path
    heard = [received for name in ("cnaf", "msa", "dss", "mesr", "cnous") for received in client.received(name)]
    if BROUGHT[citizen].get("birthcountry", "99100") != "99100":
        assert not [one for one in heard if {"codeLieuNaissance", "lieuNaissance"} & names_in(one)]
        assert not [one for one in heard if b"Oran" in one.body or b"90900" in one.body]


@pytest.mark.parametrize(
    "path", ["/api/v2/composition-familiale-v2", "/api/v2/etudiants", "/api/v2/etudiants-boursiers"]
)
@pytest.mark.parametrize("citizen", ["in another form", "another alphabet", "in France, a town"])
async def test_version_2_refuses_an_unusable_identity_alike(client: Mesh, path: str, citizen: str) -> None:
    let_in(client, "jeton-venu", **BROUGHT[citizen])
    answer = await get(client, path, "jeton-venu")
    detail = "L'identité renvoyée par le fournisseur de données est incomplète ou invalide."
    assert (answer.status, answer.json) == (400, {"error": "bad_request", "reason": detail, "message": detail})


@pytest.mark.parametrize("citizen", ["no sex", "no first name", "a ligature", "in France, no place", "Corsica of old"])
async def test_the_hub_is_asked_with_the_known_parts_of_an_identity(client: Mesh, citizen: str) -> None:
    let_in(client, "jeton-venu", **BROUGHT[citizen])
    await get(client, QF, "jeton-venu")
    assert client.call_counts["cnaf"] == 1


def names_in(received: Received) -> set[str]:
    """Returns the names of all fields, in query or JSON body, of a request that a simulator received."""
    body = json.loads(received.body) if received.body.startswith(b"{") else {}
    return {*dict(received.query), *body}


async def test_parameters_are_checked_by_session_too(client: Mesh) -> None:
    assert (await get(client, QF, "jeton-maelys", annee=1999)).codes == ["00356"]
    assert (await get(client, CNOUS, "jeton-maiwenn", campaignYear=1999)).codes == ["00368"]


# Two citizens, and two months (docs/contract.md, D2, D4)


async def test_two_citizens_may_send_the_same_call_at_once(client: Mesh) -> None:
    answers = await asyncio.gather(*(get(client, QF, session) for session in ("jeton-maelys", "jeton-remi")))
    assert [answer.summary for answer in answers] == ["200 CNAF", "200 MSA"]


async def test_a_citizen_s_second_identical_call_is_a_conflict(client: Mesh) -> None:
    client.upstreams.hold()
    both = [asyncio.create_task(get(client, QF, "jeton-maelys")) for _ in range(2)]
    [refused], [under_way] = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    assert (refused.result().status, refused.result().codes) == (409, ["00015"])
    client.upstreams.open.set()
    assert (await under_way).status == 200


async def test_answers_of_two_months_are_cached_apart_by_session(client: Mesh) -> None:
    months = [(await get(client, QF, "jeton-maelys", annee=2026, mois=month)).json for month in (1, 2, 1)]
    told = [month["data"]["quotient_familial"]["mois"] for month in months]
    assert told == [1, 2, 1]
    assert client.call_counts["cnaf"] == 2


async def test_a_citizen_s_answer_is_cached_across_sessions(client: Mesh) -> None:
    let_in(client, "jeton-maelys-encore")
    first, again, other = [
        await get(client, QF, session) for session in ("jeton-maelys", "jeton-maelys-encore", "jeton-samira")
    ]
    assert [answer.headers["X-Response-Cached"] for answer in (first, again, other)] == ["false", "true", "false"]
    assert first.json == again.json != other.json
    assert introspections(client) == 3


async def test_a_cached_answer_is_filtered_by_the_session_s_scopes(client: Mesh) -> None:
    await get(client, QF, "jeton-maelys")
    answer = await get(client, QF, "jeton-peu-de-droits")
    assert answer.headers["X-Response-Cached"] == "true"
    assert answer.json["data"].keys() == {"quotient_familial"}


# Faults of FranceConnect


async def test_a_rotation_of_france_connect_s_keys_fails_no_call(client: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bouquet_france_connect.keys.REQUEST_PAUSE_S", 0.0)
    for _ in range(3):
        assert (await get(client, QF, "jeton-maelys")).status == 200
        client.simulators["france_connect"][KEY_RING].rotate()


async def test_without_france_connect_s_keys_a_session_is_502(client: Mesh) -> None:
    client.simulators["france_connect"][KEY_RING].fault = Fault.UNAVAILABLE
    answer = await get(client, QF, "jeton-maelys")
    assert (answer.status, answer.codes) == (502, ["51999"])


async def test_a_silent_france_connect_is_a_504_within_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meshes, "PROVIDERS", WORKERS)
    async with meshes.mesh(workers=tuple(WORKERS), deadline_s=2.0) as client:
        answer = await get(client, QF, "panne-slow")
    assert (answer.status, answer.codes) == (504, ["51002"])


async def test_without_a_worker_of_sessions_a_session_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meshes, "PROVIDERS", WORKERS)
    async with meshes.mesh(workers=("cnaf", "msa")) as client:
        answer = await get(client, QF, "jeton-maelys")
    assert (answer.status, answer.codes) == (502, ["51001"])


async def test_a_gateway_without_the_france_connect_provider_refuses_sessions() -> None:
    async with meshes.mesh() as client:
        answer = await get(client, QF, "jeton-maelys")
    assert (answer.status, answer.codes) == (502, ["51001"])


# Our own keys


async def test_our_france_connect_keys_are_public(client: Mesh) -> None:
    answer = await client.get(JWKS, token="")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert "RateLimit-Limit" not in answer.headers
    [key] = answer.json["keys"]
    assert key.keys() == {"kty", "kid", "use", "alg", "n", "e"}
    message = jwe.encrypt_compact(
        {"alg": "RSA-OAEP", "enc": "A256GCM", "kid": key["kid"]}, b"told", RSAKey.import_key(key)
    )
    assert decrypted(message.encode(), (_worker_key(),)) == b"told"


async def test_our_france_connect_keys_can_only_be_read(client: Mesh) -> None:
    assert (await client.get(JWKS, method="POST")).status == 404


def offering(provider: str, **documents: Any) -> Offer:
    operations = quotient_familial.OPERATIONS if provider == "cnaf" else ()
    paths = {f"/{path.replace('_', '/')}": document for path, document in documents.items()}
    return Offer(provider=provider, owner="", authority=Authority("", "90"), operations=operations, documents=paths)


def test_of_two_documents_at_one_path_the_earlier_provider_s_is_served() -> None:
    documents = Catalogue([offering("acme", api_keys=1), offering("roadrunner", api_keys=2, api_more=3)]).documents
    assert documents == {"/api/keys": b"1", "/api/more": b"3"}


def test_a_document_outside_of_api_or_at_an_operation_s_path_is_refused() -> None:
    operation = structs.replace(quotient_familial.OPERATION, path="/api/qf", plan="")
    owner = structs.replace(offering("cnaf"), operations=(operation,))
    assert Catalogue([offering("acme", api_qf=1, v3_keys=2, livez=3), owner]).documents == {}


# Documents


@pytest.mark.parametrize("path", [QF, C2S, MESRI, CNOUS])
async def test_every_refusal_of_a_session_is_in_the_list_of_errors(client: Mesh, path: str) -> None:
    operation_id = (await client.get("/api/openapi.json")).json["paths"][path]["get"]["operationId"]
    endpoint = (await client.get("/api/errors", {"operation_id": operation_id})).json["endpoints"][operation_id]
    told = {known.code for known in codes_in(endpoint["errors"])}
    assert {"51501", "51502", "51504", "51564"} <= told
    assert not told & {"00365", "00400", "00420", "00421", "00422", "00423", "00424", "00425", "00427"}


async def test_openapi_lists_no_identity_parameter_by_session(client: Mesh) -> None:
    document = (await client.get("/api/openapi.json")).json
    parameters = document["paths"][QF]["get"]["parameters"]
    names = {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
    assert names == {"recipient", "delegation_id", "annee", "mois"}


async def test_a_session_is_introspected_once_and_reaches_no_provider(client: Mesh) -> None:
    """Tests that the gateway introspects a call's FranceConnect session once, and sends no part of the session to a
    provider."""
    await get(client, QF, "jeton-maelys")
    assert introspections(client) == 1
    for provider in ("cnaf", "msa"):
        assert "jeton-maelys" not in repr(client.simulators[provider][RECEIVED])
