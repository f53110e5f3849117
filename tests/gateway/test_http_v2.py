"""Tests of a version 2 operation whose callers name a family by CAF file number. Its answers have no envelope, and
their headers announce the date when the path will be switched off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest

from bouquet_cnaf.personas import Dossier, Key
from bouquet_cnaf.simulator import FILES
from bouquet_cnaf.worker import worker as cnaf
from tests.support.gateway_client import RECIPIENT, token
from tests.support.mesh import Mesh, mesh
from tests.support.offers import describing

PATH = "/api/v2/composition-familiale"
MAELYS = {"numeroAllocataire": "4471820", "codePostal": "29200"}
SOME_ID = "6f1ed002-ab55-4b31-8f1c-0242ac120002"


def asking(numero: str, code_postal: str) -> dict[str, str]:
    return {"numeroAllocataire": numero, "codePostal": code_postal}


@pytest.fixture
async def client() -> AsyncIterator[Mesh]:
    async with mesh() as opened:
        yield opened


async def test_v2_data_has_no_envelope(client: Mesh) -> None:
    key = Key("4471820", "29200")
    file = client.simulators["cnaf"][FILES][key]
    assert isinstance(file, Dossier)
    client.simulators["cnaf"][FILES][key] = msgspec.structs.replace(file, month=(2025, 9))
    answer = await client.get(PATH, MAELYS)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert answer.json == {
        "quotientFamilial": 612,
        "mois": 9,
        "annee": 2025,
        "allocataires": [
            {"nomPrenom": "MAELYS KERVENNIC", "dateDeNaissance": "14061989", "sexe": "F"},
            {"nomPrenom": "YANN KERVENNIC", "dateDeNaissance": "05011987", "sexe": "M"},
        ],
        "enfants": [
            {"nomPrenom": "LOUISE KERVENNIC", "dateDeNaissance": "11082019", "sexe": "F"},
            {"nomPrenom": "EWEN KERVENNIC", "dateDeNaissance": "09052022", "sexe": "M"},
        ],
        "adresse": {
            "identite": "Madame MAELYS KERVENNIC",
            "complementIdentite": "APPARTEMENT 14",
            "complementIdentiteGeo": "BATIMENT LES AJONCS",
            "numeroRue": "3 RUE DU FOUR A PAIN",
            "lieuDit": "LE PILIER ROUGE",
            "codePostalVille": "29200 BREST",
            "pays": "FRANCE",
        },
    }


@pytest.mark.parametrize(
    ("scope", "fields"),
    [
        ("cnaf_quotient_familial", {"quotientFamilial", "mois", "annee"}),
        ("cnaf_allocataires", {"allocataires"}),
        ("cnaf_enfants", {"enfants"}),
        ("cnaf_adresse", {"adresse"}),
    ],
)
async def test_v2_scopes_open_their_fields(client: Mesh, scope: str, fields: set[str]) -> None:
    assert set((await client.get(PATH, MAELYS, scopes=[scope])).json) == fields


@pytest.mark.parametrize("params", [MAELYS, {}, MAELYS | {"recipient": "1"}, asking("3333333", "29200")])
async def test_every_answer_of_a_deprecated_path_announces_its_end(client: Mesh, params: Mapping[str, str]) -> None:
    headers = (await client.get(PATH, params)).headers
    assert headers["Deprecation"] == "@1761868800"  # 31 October 2025
    assert headers["Sunset"] == "Fri, 01 Jan 2027 00:00:00 GMT"
    assert headers["Link"] == '</api/v2/composition-familiale-v2>; rel="successor-version"'


async def test_a_path_that_is_not_deprecated_announces_no_end(client: Mesh) -> None:
    assert "Sunset" not in (await client.get(params={"recipient": RECIPIENT})).headers


async def test_v2_accepts_a_token_as_api_key(client: Mesh) -> None:
    assert (await client.get(PATH, MAELYS, token="", headers={"X-Api-Key": token()})).status == 200


async def test_the_v2_recipient_is_that_of_the_habilitation_by_default(client: Mesh) -> None:
    bearer = token(id=SOME_ID, siret="35600000000001")
    assert (await client.get(PATH, MAELYS, token=bearer)).status == 200


async def test_a_habilitation_without_a_siret_must_name_its_recipient(client: Mesh) -> None:
    bearer = token(id=SOME_ID)
    refused = await client.get(PATH, MAELYS, token=bearer)
    assert (refused.status, refused.json) == (400, structured("bad_request", RECIPIENT_TEXT))
    assert (await client.get(PATH, MAELYS | {"recipient": RECIPIENT}, token=bearer)).status == 200


async def test_v2_answers_are_cached(client: Mesh) -> None:
    await client.get(PATH, MAELYS)
    assert (await client.get(PATH, MAELYS)).headers["X-Response-Cached"] == "true"
    assert client.call_counts["cnaf"] == 1


def structured(error: str, text: str) -> dict[str, str]:
    return {"error": error, "reason": text, "message": text}


RECIPIENT_TEXT = "Le paramètre recipient n'est pas un siret valide"
PERIMETER = " Veuillez vérifier que votre recherche est couverte par le périmètre de l'API."
TROUBLE_TEXT = (
    "La réponse retournée par le fournisseur de données est invalide et a été identifié comme étant une erreur interne."
    " Si le problème persiste, consultez la page de status ou contactez nous sur le support."
)
AWAY_TEXT = "Service du fournisseur de données temporairement indisponible ou en maintenance."
UNKNOWN_TEXT = (
    "La réponse retournée par le fournisseur de données est invalide et inconnue de notre service. "
    "L'équipe technique a été notifiée de cette erreur pour investigation."
)
LATE_TEXT = "Temps d’attente d’une réponse du fournisseur de données écoulé."

NUMBER_TEXT = "Le numéro d'allocataire n'est pas correctement formaté"
ERRORS: dict[str, tuple[Mapping[str, Any], int, str, str]] = {
    "recipient": (MAELYS | {"recipient": "1"}, 400, "bad_request", RECIPIENT_TEXT),
    "no parameter": ({}, 400, "bad_request", NUMBER_TEXT),
    "number": (asking("44", "29200"), 400, "bad_request", NUMBER_TEXT),
    "key letter": (asking("4471820R", "29200"), 400, "bad_request", NUMBER_TEXT),
    "postal code": (asking("4471820", "2920"), 400, "bad_request", "Le code postal n'est pas correctement formaté"),
    "unknown": (
        asking("3333333", "29200"),
        404,
        "not_found",
        "Dossier allocataire inexistant. Le document ne peut être édité." + PERIMETER,
    ),
    "struck off": (
        asking("2207719", "72000"),
        404,
        "not_found",
        "Dossier radié. Le document ne peut être édité." + PERIMETER,
    ),
    "no quotient": (
        asking("6083317", "44000"),
        503,
        "data_provider_error",
        "Le dossier allocataire a été trouvé mais ne comporte pas de quotient familial.",
    ),
    "technical incident": (asking("00221", "00000"), 503, "data_provider_error", TROUBLE_TEXT),
    "away": (asking("00003", "00500"), 503, "data_provider_error", AWAY_TEXT),
    "html": (asking("00005", "00500"), 503, "provider_unknown_error", UNKNOWN_TEXT),
    "cut": (asking("00010", "00500"), 504, "timeout_error", LATE_TEXT),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
async def test_a_v2_error_has_error_reason_and_message(client: Mesh, case: str) -> None:
    params, status, word, text = ERRORS[case]
    answer = await client.get(PATH, params)
    assert (answer.status, answer.json) == (status, structured(word, text))


async def test_a_provider_s_timeout_is_504_in_v2() -> None:
    async with mesh(environ={"BOUQUET_CNAF_SOAP_TIMEOUT_S": "0.2"}) as client:
        answer = await client.get(PATH, asking("00009", "00500"))
    assert (answer.status, answer.json) == (504, structured("timeout_error", LATE_TEXT))


async def test_an_invalid_token_is_401_in_v2(client: Mesh) -> None:
    answer = await client.get(PATH, MAELYS, token="forged")
    assert (answer.status, answer.json) == (
        401,
        structured("access_denied", "Votre token n'est pas valide"),
    )


async def test_missing_scopes_are_401_in_v2(client: Mesh) -> None:
    answer = await client.get(PATH, MAELYS, scopes=["cnous_email"])
    assert (answer.status, answer.json["error"]) == (401, "access_denied")


async def test_some_v2_errors_are_a_list_of_texts(client: Mesh) -> None:
    expired = await client.get(PATH, MAELYS, token=token(valid_s=-1))
    assert (expired.status, list(expired.json)) == (401, ["errors"])
    assert expired.json["errors"][0].startswith("Votre token est expiré.")


async def test_a_v2_rate_limit_refusal_is_a_list_of_texts() -> None:
    async with mesh(calls_per_second=0) as client:
        answer = await client.get(PATH, MAELYS)
    assert (answer.status, answer.json) == (429, {"errors": ["Vous avez effectué trop de requêtes"]})
    assert answer.headers["Retry-After"] == "1"


async def test_an_unknown_v2_path_has_error_reason_and_message(client: Mesh) -> None:
    answer = await client.get("/api/v2/composition-conjugale", MAELYS)
    text = "Cette URL n'existe pas sur API particulier, veuillez vérifier votre URL."
    assert (answer.status, answer.json) == (404, structured("not_found", text))


async def test_a_missing_worker_is_an_unavailable_provider_in_v2() -> None:
    async with mesh(workers=(), providers=("cnaf",)) as client:
        async with client.workers_bus.serve("cnaf", describing(cnaf.offer()), concurrency=1):
            await client.until_all_offers_known()
        answer = await client.get(PATH, MAELYS)
    assert (answer.status, answer.json) == (503, structured("data_provider_error", AWAY_TEXT))


async def test_a_v2_maintenance_error_names_the_provider() -> None:
    async with mesh(maintenance="CNAF 11:30-12:30") as client:
        closed = await client.get(PATH, MAELYS)
    text = "Le fournisseur de données est en maintenance de 11:30 à 12:30"
    assert (closed.status, closed.json) == (503, structured("maintenance", text))
