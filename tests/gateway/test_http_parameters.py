"""Tests of wrong, missing, repeated, too long and undecodable parameters of the quotient familial
(docs/reference/contract.md §1.5, §3.4)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.mesh import Mesh, mesh
from tests.support.people import CAF_ALLOCATAIRE

DETAILS = {
    "00210": "Le paramètre recipient n'est pas un siret valide",
    "00354": "Le mois demandé est incorrect ou est dans le futur.",
    "00355": "La période demandée est antérieure de plus de 23 mois. Le quotient familial n'est disponible que pour le "
    "mois en cours et les 23 mois précédents.",
    "00356": "L'année demandée doit être l'année en cours (N), N-1 ou N-2.",
    "00363": "La date de naissance n'est pas correctement formatté",
    "00365": "Le lieu de naissance n'est pas correctement formaté",
    "00367": "Le ou les prénoms sont manquants.",
    "00400": "Le code pays INSEE n'est pas correctement formaté",
    "00420": "Le nom de naissance est manquant",
    "00422": "L'annee de naissance est manquante",
    "00426": "Le nom d'usage n'est pas correctement formaté",
    "00427": "Le sexe de l'état civil est manquant",
    "00428": "Le code cog du département de naissance est manquant ou invalide",
}
SOURCES = {"00210": {"source": {"parameter": "recipient"}}}

ABSENT: Any = object()
BY_PLACE = {
    "codeCogInseeCommuneNaissance": ABSENT,
    "nomCommuneNaissance": "BREST",
    "codeCogInseeDepartementNaissance": "29",
}

# Changes of a valid query of 15 April 2026, and the codes that they are answered with.
WRONG: dict[str, tuple[Mapping[str, Any], str]] = {
    "no recipient": ({"recipient": ABSENT}, "00210"),
    "a recipient that is no siret": ({"recipient": "13002526500014"}, "00210"),
    "a recipient in other digits": ({"recipient": "١٣٠٠٢٥٢٦٥٠٠٠١٣"}, "00210"),
    "a year too long ago": ({"annee": 2023}, "00356"),
    "a year to come": ({"annee": 2027}, "00356"),
    "a blank year": ({"annee": ""}, "00356"),
    "24 months ago": ({"annee": 2024, "mois": 4}, "00355"),
    "the year before last without a month": ({"annee": 2024}, "00355"),
    "a year in words": ({"annee": "cette année"}, "00356"),
    "a month to come": ({"mois": 5}, "00354"),
    "a month to come of this year": ({"annee": 2026, "mois": 5}, "00354"),
    "a thirteenth month": ({"annee": 2025, "mois": 13}, "00354"),
    "a month zero": ({"mois": 0}, "00354"),
    "a blank month": ({"mois": ""}, "00354"),
    "another sex": ({"sexeEtatCivil": "X"}, "00427"),
    "a commune that is none": ({"codeCogInseeCommuneNaissance": "2901"}, "00365"),
    "the old code of Corsica": ({"codeCogInseeCommuneNaissance": "20004"}, "00365"),
    "a département that is none": ({**BY_PLACE, "codeCogInseeDepartementNaissance": "96"}, "00428"),
    "no country": ({"codeCogInseePaysNaissance": ABSENT}, "00400"),
    "a country that is none": ({"codeCogInseePaysNaissance": "12345"}, "00400"),
    "a day that does not exist": ({"moisDateNaissance": 2, "jourDateNaissance": 30}, "00363"),
    "a birth to come": ({"anneeDateNaissance": 2027}, "00363"),
    "a birth too long ago": ({"anneeDateNaissance": 1899}, "00363"),
    "a blank day": ({"jourDateNaissance": ""}, "00363"),
    "a month of birth in words": ({"moisDateNaissance": "juin"}, "00363"),
    "an empty list of names": ({"prenoms[]": [""]}, "00367"),
    "a first name with a figure": ({"prenoms[]": ["MAËLYS", "IN3S"]}, "00367"),
    "no name": ({"nomNaissance": ABSENT}, "00420"),
    "a blank name": ({"nomNaissance": "  "}, "00420"),
    "a name in another alphabet": ({"nomNaissance": "Лебедев"}, "00420"),
    "a name of use with a sign": ({"nomUsage": "MARCHAND?LEROUX"}, "00426"),
}


@pytest.fixture
async def client() -> AsyncIterator[Mesh]:
    async with mesh() as opened:
        yield opened


def changed(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**CAF_ALLOCATAIRE, **changes}.items() if value is not ABSENT}


def errors(*codes: str) -> dict[str, Any]:
    told = [
        {"code": code, "title": "Entité non traitable", "detail": DETAILS[code], "meta": {}} | SOURCES.get(code, {})
        for code in codes
    ]
    return {"errors": told}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_parameter_is_answered_with_its_code(client: Mesh, wrong: str) -> None:
    changes, code = WRONG[wrong]
    answer = await client.get(params=changed(changes))
    assert (answer.status, answer.json) == (422, errors(code))
    assert client.call_counts == {"cnaf": 0, "msa": 0}


async def test_all_wrong_parameters_are_answered_at_once_in_the_contract_s_order(client: Mesh) -> None:
    params = {
        "nomNaissance": "",
        "prenoms[]": [""],
        "jourDateNaissance": 32,
        "codeCogInseePaysNaissance": "",
        "codeCogInseeCommuneNaissance": "?",
        "sexeEtatCivil": "X",
        "mois": 13,
        "annee": 1999,
    }
    answer = await client.get(params=changed(params))
    assert (answer.status, answer.json) == (
        422,
        errors("00356", "00354", "00427", "00365", "00400", "00363", "00367", "00420"),
    )


async def test_a_commune_name_with_an_impossible_birth_year_is_a_wrong_year(client: Mesh) -> None:
    answer = await client.get(params=changed(BY_PLACE | {"anneeDateNaissance": "1899"}))
    assert answer.codes == ["00422", "00363"]


GOOD: dict[str, Mapping[str, Any]] = {
    "lower case": {"sexeEtatCivil": "f", "nomNaissance": "le gouadec"},
    "zeros before": {"moisDateNaissance": "06", "mois": "04"},
    "letters after a number": {"jourDateNaissance": "14e"},
    "a recipient of La Poste": {"recipient": "35600000012345"},
    "an older month": {"annee": 2024, "mois": 12},
    "the month only": {"mois": 1},
    "a blank commune name": {"nomCommuneNaissance": ""},
    "23 months ago": {"annee": 2024, "mois": 5},
    "no sex": {"sexeEtatCivil": ABSENT},
    "a blank sex": {"sexeEtatCivil": ""},
    "a country alone": {"codeCogInseeCommuneNaissance": ABSENT},
    "a name of use": {"nomUsage": "DE L’ÉTANG-LEROUX"},
    "a blank name of use": {"nomUsage": " "},
    "an unknown parameter": {"couleur": "bleu"},
}


@pytest.mark.parametrize("good", GOOD)
async def test_unusual_values_that_the_contract_allows_pass(client: Mesh, good: str) -> None:
    assert (await client.get(params=changed(GOOD[good]))).status == 200


async def test_a_repeated_parameter_counts_by_its_last_value(client: Mesh) -> None:
    query = urlencode({"nomNaissance": "DUPONT", "sexeEtatCivil": "?"}) + "&" + urlencode(CAF_ALLOCATAIRE, doseq=True)
    answer = await client.get(query=query)
    assert answer.json["data"]["allocataires"][0]["nom_naissance"] == "LE GOUADEC"


# Values of a wrong type, too long, or not text: each has its own code, or that of its field.
UNREADABLE = {
    "a list for a name": ("nomNaissance", "nomNaissance[]=LE%20GOUADEC", "00420"),
    "an object for a name": ("nomNaissance", "nomNaissance[a]=x", "00420"),
    "a name for a list": ("prenoms[]", "prenoms=MAELYS", "00367"),
    "numbered items": ("prenoms[]", "prenoms[0]=MAELYS", "00367"),
    "lists in a list": ("prenoms[]", "prenoms[][]=MAELYS", "00367"),
    "a list of nothing": ("prenoms[]", "prenoms[]", "00367"),
    "a list for a sex": ("sexeEtatCivil", "sexeEtatCivil[]=F", "00427"),
    "a list for a year": ("anneeDateNaissance", "anneeDateNaissance[]=1989", "00363"),
    "a list for a country": ("codeCogInseePaysNaissance", "codeCogInseePaysNaissance[]=99100", "00400"),
    "a list for a commune": ("codeCogInseeCommuneNaissance", "codeCogInseeCommuneNaissance[]=29019", "00365"),
    "a list for a recipient": ("recipient", "recipient[]=13002526500013", "00210"),
    "a list for a month": ("mois", "mois[]=1", "00354"),
    "a list for a married name": ("nomUsage", "nomUsage[]=X", "00426"),
    "Latin-1": ("nomNaissance", "nomNaissance=K%C9ROUAC", "00420"),
    "half a character": ("nomNaissance", "nomNaissance=K%C3", "00420"),
    "a surrogate": ("nomNaissance", "nomNaissance=K%ED%A0%80", "00420"),
    "half an escape": ("nomNaissance", "nomNaissance=K%", "00420"),
    "a NUL": ("nomNaissance", "nomNaissance=LE%00GOUADEC", "00420"),
    "a line break": ("codeCogInseePaysNaissance", "codeCogInseePaysNaissance=99100%0A", "00400"),
    "an endless name": ("nomNaissance", "nomNaissance=" + "A" * 4000, "00420"),
    "an endless number": ("anneeDateNaissance", "anneeDateNaissance=" + "1" * 4000, "00363"),
    "a big number": ("jourDateNaissance", "jourDateNaissance=99999999999999999999", "00363"),
    "a negative number": ("jourDateNaissance", "jourDateNaissance=-1", "00363"),
    "a number in other digits": ("annee", "annee=%D9%A2%D9%A0%D9%A2%D9%A6", "00356"),
    "a married name too long": ("nomUsage", "nomUsage=" + "A" * 300, "00426"),
}


@pytest.mark.parametrize("case", UNREADABLE)
async def test_an_unreadable_value_is_refused_with_the_code_of_its_field(client: Mesh, case: str) -> None:
    name, raw, code = UNREADABLE[case]
    good = urlencode(changed({name: ABSENT}), doseq=True)
    answer = await client.get(query=f"{good}&{raw}")
    assert (answer.status, answer.codes) == (422, [code])


@pytest.mark.parametrize(
    "query", ["", "&", "&&=&=", "=", "%", "%=%", "[]=x", "[]", "a[=b", "nomNaissance", "?", "+", "%FF=%FF", ";"]
)
async def test_a_nonsense_query_lacks_a_recipient(client: Mesh, query: str) -> None:
    answer = await client.get(query=query)
    assert (answer.status, answer.codes) == (422, ["00210"])


TOO_LARGE = {
    "errors": [
        {
            "code": "00494",
            "title": "Requête trop volumineuse",
            "detail": "Votre requête dépasse la taille acceptée",
            "meta": {},
        }
    ]
}


async def test_a_query_that_is_too_long_is_refused_in_json(client: Mesh) -> None:
    answer = await client.get(params=changed({"nomNaissance": "A" * 10_000}))
    assert (answer.status, answer.json) == (413, TOO_LARGE)


async def test_a_header_that_is_too_long_is_refused_in_json(client: Mesh) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE, token="A" * 10_000)
    assert (answer.status, answer.json) == (413, TOO_LARGE)


async def test_too_many_headers_are_refused_in_json(client: Mesh) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE, headers={f"X-{number}": "1" for number in range(100)})
    assert (answer.status, answer.json) == (413, TOO_LARGE)


async def test_a_request_body_is_ignored(client: Mesh) -> None:
    assert (await client.get(params=CAF_ALLOCATAIRE, body=b"\xff" * 100_000)).status == 200
