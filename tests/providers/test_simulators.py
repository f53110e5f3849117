"""Tests that simulators compare every field they receive. Otherwise, a worker that sends a wrong value could still get
data."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientSession, web

from bouquet_cnaf.simulator import cnaf_app
from bouquet_cnous import simulator as cnous
from bouquet_cnous.personas import academic_year
from bouquet_dss import simulator as dss
from bouquet_france_connect import simulator as france_connect
from bouquet_france_travail import simulator as france_travail
from bouquet_gip_mds import simulator as gip_mds
from bouquet_men import simulator as men
from bouquet_mesh.listen import listening
from bouquet_mesr import simulator as mesr
from bouquet_worker import paris_today
from bouquet_worker.simulate import TokenEndpoint

NOEMIE = {
    "nomNaissance": "Sauveplane",
    "nomUsage": "L'Herminier",
    "listePrenoms": "Noemie",
    "dateNaissance": "1988-10-01",
    "genre": "F",
    "codePaysNaissance": "99100",
    "codeLieuNaissance": "48095",
    "villeNaissance": "Mende",
    "depNaissance": "48",
}
OTHERWISE = {
    "nomNaissance": "Sauveplaine",
    "nomUsage": "LHerminier",
    "listePrenoms": "Noemie ",
    "dateNaissance": "1988-01-10",
    "genre": "M",
    "codePaysNaissance": "99352",
    "codeLieuNaissance": "48096",
    "villeNaissance": "Mendes",
    "depNaissance": "12",
}
MAY_BE_LEFT_OUT = tuple(NOEMIE.keys() - {"nomNaissance", "listePrenoms", "dateNaissance", "codePaysNaissance"})
MONTH = {"anneeDemandee": "2026", "moisDemande": "04"}
MAIWENN = {"lastName": "LE GOFF", "firstNames": "Maïwenn, Rozenn", "birthDate": "17/06/2005"}
MAIWENN_BY_SESSION = {"family_name": "LE GOFF", "given_name": "Maïwenn, Rozenn", "birthdate": "17/06/2005"}
MAELINE = {"nom": "Kervadec", "prenom": "Maëline", "date-naissance": "2012-03-14", "annee-scolaire": "2025"}


class Question(NamedTuple):
    """Request that a simulator answers. `asked` holds the field values for which it gives data, `otherwise` holds wrong
    values to put in their place, and `optional` names the fields that may be left out."""

    app: web.Application
    method: str
    path: str
    asked: Mapping[str, Any]
    otherwise: Mapping[str, Any]
    optional: tuple[str, ...] = ()
    in_body: bool = False
    headers: Mapping[str, str] = {}


def questions() -> dict[str, Question]:
    """Returns an example of each kind of request that a simulator answers, by name."""
    # Each call makes new simulators, since an aiohttp application can be started only once.
    return {
        "hub": Question(cnaf_app(), "GET", "/qf", NOEMIE | MONTH, OTHERWISE, MAY_BE_LEFT_OUT),
        "dss": Question(dss.dss_app(), "GET", "/aah", NOEMIE, OTHERWISE, MAY_BE_LEFT_OUT),
        "mesr by ine": Question(
            mesr.mesr_app(),
            "GET",
            mesr.PATH,
            {"INE": "050617293HK"},
            {"INE": "050617293HJ"},
            headers=known(mesr.INE_KEY),
        ),
        "mesr": Question(
            mesr.mesr_app(),
            "POST",
            mesr.PATH,
            {"nomFamille": "LE GOFF", "prenom1": "Maïwenn", "dateNaissance": "2005-06-17"}
            | {"sexe": "2", "lieuNaissance": "29039"},
            {"nomFamille": "LE-GOFF", "prenom1": "Maiwenn", "dateNaissance": "2005-06-16"}
            | {"sexe": "1", "lieuNaissance": "29019"},
            ("sexe", "lieuNaissance"),
            in_body=True,
            headers=known(mesr.IDENTITE_KEY),
        ),
        "cnous by ine": Question(
            cnous.cnous_app(), "GET", "/v1/boursier/070301294JA", {"campaignYear": "{year}"}, {"campaignYear": "2000"}
        ),
        "cnous": Question(
            cnous.cnous_app(),
            "POST",
            "/v1/boursier/donnees-pivots",
            MAIWENN | {"birthPlace": "29039", "civility": "F"},
            {"lastName": "LE GOF", "firstNames": "Maïwenn, Rosenn", "birthDate": "17/06/2006"}
            | {"birthPlace": "29019", "civility": "M"},
            ("birthPlace", "civility"),
            in_body=True,
        ),
        "cnous by session": Question(
            cnous.cnous_app(),
            "GET",
            "/v1/boursier/find",
            MAIWENN_BY_SESSION | {"birthplace": "29039", "gender": "F"},
            {"family_name": "LE GOF", "given_name": "Maïwenn, Rosenn", "birthdate": "17/06/2006"}
            | {"birthplace": "29019", "gender": "M"},
            ("gender",),
            in_body=True,
        ),
        "men": Question(
            men.app(),
            "GET",
            "/scolarites",
            MAELINE | {"sexe": "2", "code-uai": "0359417N", "scope": men.SCOPE},
            {"nom": "Kervadek", "prenom": "Maeline", "date-naissance": "2012-03-15", "annee-scolaire": "25"}
            | {"sexe": "1", "code-uai": "0319622T", "scope": "men_statut_scolarite"},
            headers={"X-Siret-Partenaire": "13002526500013"},
        ),
        "men by perimeter": Question(
            men.app(),
            "POST",
            "/scolarites/perimetre",
            MAELINE
            | {"sexe": 2, "scope": men.SCOPE, "degre-etablissement": "2D"}
            | {"type-perimetre": "departement", "valeurs-perimetre": ["035"]},
            {"nom": "Kervadek", "prenom": "Maeline", "date-naissance": "2012-03-15", "annee-scolaire": "25"}
            | {"sexe": 1, "scope": "men_statut_scolarite", "degre-etablissement": "1D"}
            | {"type-perimetre": "region", "valeurs-perimetre": ["031"]},
            in_body=True,
            headers={"X-Siret-Partenaire": "13002526500013"},
        ),
        "france travail": Question(
            france_travail.app(),
            "GET",
            "/indemnites",
            {"loginMnemotechnique": "maelys.quintrand12"},
            {"loginMnemotechnique": "maelys.quintrand21"},
            headers={"X-pe-consommateur": "DINUM - 11111111-1111-1111-1111-111111111111"},
        ),
        "gip mds": Question(
            gip_mds.app(),
            "GET",
            "/contrats-generique",
            {"nom": "LE GOFF", "prenom": "Maïwenn", "dateNaissance": "17062005"} | gip_mds.FIXED,
            {"nom": "Le Goff", "prenom": "Maiwenn", "dateNaissance": "17062006"}
            | {"listeCodeNature": "01", "comparaisonCertifiee": "0"},
        ),
    }


def known(key: str) -> dict[str, str]:
    return {"X-Caller": "DINUM - x", "X-API-Key": key}


@pytest.fixture(autouse=True)
def every_token_is_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TokenEndpoint, "accepts", lambda *_: True)


@asynccontextmanager
async def simulator_client(question: Question) -> AsyncIterator[ClientSession]:
    headers = {"Content-Type": "application/json", **question.headers}
    async with listening(question.app, "127.0.0.1", 0) as url, ClientSession(url, headers=headers) as client:
        yield client


async def status(question: Question, client: ClientSession, asked: Mapping[str, Any]) -> int:
    year = str(academic_year(paris_today()))
    asked = {name: year if value == "{year}" else value for name, value in asked.items()}
    told: dict[str, Any] = {"json": asked} if question.in_body else {"params": asked}
    async with client.request(question.method, question.path, **told) as answer:
        return answer.status


FIELDS = [(name, field) for name, question in questions().items() for field in question.otherwise]


@pytest.mark.parametrize(("name", "field"), FIELDS)
async def test_a_simulator_does_not_find_a_person_with_one_other_field(name: str, field: str) -> None:
    question = questions()[name]
    async with simulator_client(question) as client:
        whole = await status(question, client, question.asked)
        other = await status(question, client, {**question.asked, field: question.otherwise[field]})
    assert (whole, other in (400, 404)) == (200, True)


@pytest.mark.parametrize("name", questions())
async def test_every_field_of_a_question_is_tested(name: str) -> None:
    question = questions()[name]
    assert question.asked.keys() - MONTH.keys() == question.otherwise.keys()


@pytest.mark.parametrize("name", questions())
async def test_a_simulator_refuses_an_unknown_field(name: str) -> None:
    question = questions()[name]
    async with simulator_client(question) as client:
        assert await status(question, client, {**question.asked, "couleur": "vert"}) == 400


@pytest.mark.parametrize("name", [name for name, question in questions().items() if question.optional])
async def test_optional_fields_of_a_question_may_be_left_out(name: str) -> None:
    question = questions()[name]
    async with simulator_client(question) as client:
        for left_out in (*({field} for field in question.optional), set(question.optional)):
            asked = {field: value for field, value in question.asked.items() if field not in left_out}
            assert await status(question, client, asked) == 200


async def test_france_connect_reads_no_other_field() -> None:
    form = {"token": "jeton-maelys", "client_id": "x", "client_secret": "y", "couleur": "vert"}
    async with (
        listening(france_connect.app(), "127.0.0.1", 0) as url,
        ClientSession(url) as client,
        client.post("/api/v2/checktoken", data=form) as answer,
    ):
        assert answer.status == 400
