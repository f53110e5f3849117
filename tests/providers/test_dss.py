"""The seven prestations over their simulated hub: exact wire forms, the whole error table, the recorded answers."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from bouquet_dss.contract import PROBLEMS
from bouquet_dss.personas import Resident, Told, residents, staged
from bouquet_dss.simulator import DESKS, TOLD, scope_of, simulator
from bouquet_dss.upstream import Member
from bouquet_dss.worker import PRESTATIONS, under, worker
from bouquet_gateway.problems import Problem, render
from bouquet_hub.personas import CAF, PERSONAS, RNCPS_CODE, STAGES, File, Refusal, Who, who_asked
from bouquet_hub.request import query_of
from bouquet_proto import rules
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Failed, Found, Meta, NotFound, Rejected, Reply
from bouquet_proto.query import parse_query
from bouquet_proto.quotient_familial import IDENTITY_CHECKS
from bouquet_proto.rules.civil_status import NAME
from bouquet_proto.settings import Secret, SettingsError
from bouquet_worker.simulate import Fault
from tests.providers.asking import RECIPIENT, REQUEST_ID, TODAY, Asked, asking, identite
from tests.support.openapi import REFERENCE, assert_official, upstream_sample
from tests.support.spans import recorded, text_of

OPERATIONS = {name: prestation.published[0].operation.id for name, prestation in PRESTATIONS.items()}
BY_FRANCE_CONNECT = {name: prestation.published[1].operation.id for name, prestation in PRESTATIONS.items()}
STATUSES = [name for name in PRESTATIONS if name != "eaje"]
CNAF, MSA = "00810011", "00171001"

CORALINE = identite("Pestel-Vignau", "Coraline", born="1995-05-08", commune="47157")
MAELYS = identite("Le Gouadec", "Maëlys", "Inès")
ABRUPT_S = 0.6


@pytest.fixture
async def dss(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Asked]:
    async with asking(worker, simulator, monkeypatch) as asked:
        yield asked


def data_of(reply: Reply) -> Any:
    assert isinstance(reply, Found), reply
    return json.loads(bytes(reply.data))


def identity_of(resident: Resident) -> Identite:
    who = resident.who
    named = identite(who.nom, *who.prenoms.split(), born=who.naissance, sexe=who.genre, commune=resident.commune)
    return replace(named, code_cog_insee_pays_naissance=resident.pays)


async def told(dss: Asked, name: str, answer: dict[str, Any] | Refusal, *, signature: str = CNAF) -> Reply:
    """What becomes of an answer of the hub about a prestation."""
    who = identite("Dite", "Anne")
    said = answer if isinstance(answer, Refusal) else File(answer)
    dss.app[TOLD][name, who_asked(query_of(who))] = Told(said, signature)
    return await dss(OPERATIONS[name], who)


def refusal(code: int, status: int = 404, text: str = "?") -> Refusal:
    return Refusal(status, code, text, "fund")


def benefit(cd: str, since: str | None, state: int = 10) -> dict[str, Any]:
    return {"cd": cd, "dtOuvertureDroit": since, "etat": {"cd": state}}


def entitled(*benefits: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"indicateur": "BENEFICIAIRE", "dateIndicateur": "2025-06-01", "listePrestation": [*benefits], **more}


# What is sent (upstreams/03 §3.1-3.2)


@pytest.mark.parametrize("name", PRESTATIONS)
async def test_a_prestation_has_its_own_url_and_the_hubs_exact_question(dss: Asked, name: str) -> None:
    await dss(OPERATIONS[name], CORALINE)
    _, question = dss.received
    assert (question.method, question.path, question.body) == ("GET", f"/{name}", b"")
    assert dict(question.query) == {
        "nomNaissance": "Pestel-Vignau",
        "listePrenoms": "Coraline",
        "dateNaissance": "1995-05-08",
        "codeLieuNaissance": "47157",
        "codePaysNaissance": "99100",
        "genre": "F",
    }
    assert question.headers["Content-Type"] == "application/json"
    assert question.headers["X-Correlation-ID"] == REQUEST_ID
    assert question.headers["X-APIPART-FSFINAL"] == RECIPIENT


async def test_a_token_is_of_one_client_and_one_scope(dss: Asked) -> None:
    await dss(OPERATIONS["rsa"], CORALINE)
    question = dss.received[0]
    assert (question.method, question.path) == ("POST", "/token")
    assert question.headers["Authorization"] == "Basic Ym91cXVldC1yc2E6czNjcjN0Pz8_Pz8="
    assert question.body == b"grant_type=client_credentials&scope=simulateur.rsa"


async def test_each_prestation_keeps_a_token_of_its_own(dss: Asked) -> None:
    for name in ("rsa", "aah", "rsa", "aah"):
        assert isinstance(await dss(OPERATIONS[name], CORALINE), Found)
    assert [question.path for question in dss.received] == ["/token", "/rsa", "/token", "/aah", "/rsa", "/aah"]


async def test_a_token_refused_before_its_time_is_renewed(dss: Asked) -> None:
    await dss(OPERATIONS["rsa"], CORALINE)
    dss.app[DESKS][scope_of("rsa")].revoke_all()
    assert isinstance(await dss(OPERATIONS["rsa"], CORALINE), Found)


async def test_a_token_of_another_prestation_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def mixed(url: str) -> dict[str, str]:
        settings = simulator.settings(url)
        return settings | {"BOUQUET_DSS_RSA_URL": settings["BOUQUET_DSS_AAH_URL"]}

    async with asking(worker, replace(simulator, settings=mixed), monkeypatch) as dss:
        assert await dss(OPERATIONS["rsa"], CORALINE) == Failed("upstream_unknown")


@pytest.mark.parametrize("name", PRESTATIONS)
async def test_france_connect_asks_and_shows_as_civil_status_does(dss: Asked, name: str) -> None:
    by_name = data_of(await dss(OPERATIONS[name], CORALINE))
    assert data_of(await dss(BY_FRANCE_CONNECT[name], CORALINE)) == by_name
    assert dss.received[-1].query == dss.received[-2].query
    assert_official(OPERATIONS[name], by_name)
    assert_official(BY_FRANCE_CONNECT[name], by_name)


# What is made of a right (upstreams/05 §5.2)

_DAY = "2025-09-01"
SHOWN: dict[tuple[str, str], dict[str, Any]] = {
    ("c2s", "FOUND"): {"est_beneficiaire": True, "avec_participation": True, "date_debut_droit": _DAY},
    ("rsa", "FOUND"): {"est_beneficiaire": True, "avec_majoration": True, "date_debut_droit": _DAY},
    ("ppa", "FOUND"): {"est_beneficiaire": True, "avec_majoration": True, "date_debut_droit": _DAY},
    ("aah", "FOUND"): {"est_beneficiaire": True, "date_debut_droit": _DAY},
    ("asf", "FOUND"): {"est_beneficiaire": True, "date_debut_droit": _DAY},
    ("aeeh", "FOUND"): {"status": "allocataire", "date_debut_droit": _DAY},
    ("c2s", "NOT-ENTITLED"): {"est_beneficiaire": False, "avec_participation": False, "date_debut_droit": None},
    ("rsa", "NOT-ENTITLED"): {"est_beneficiaire": False, "avec_majoration": None, "date_debut_droit": None},
    ("ppa", "NOT-ENTITLED"): {"est_beneficiaire": False, "avec_majoration": None, "date_debut_droit": None},
    ("aah", "NOT-ENTITLED"): {"est_beneficiaire": False, "date_debut_droit": None},
    ("asf", "NOT-ENTITLED"): {"est_beneficiaire": False, "date_debut_droit": None},
    ("aeeh", "NOT-ENTITLED"): {"status": "non_beneficiaire", "date_debut_droit": None},
    ("c2s", "INCOMPLETE"): {"est_beneficiaire": True, "avec_participation": True, "date_debut_droit": None},
    ("rsa", "INCOMPLETE"): {"est_beneficiaire": True, "avec_majoration": None, "date_debut_droit": None},
    ("ppa", "INCOMPLETE"): {"est_beneficiaire": True, "avec_majoration": None, "date_debut_droit": None},
    ("aah", "INCOMPLETE"): {"est_beneficiaire": True, "date_debut_droit": None},
    ("asf", "INCOMPLETE"): {"est_beneficiaire": True, "date_debut_droit": None},
    ("aeeh", "INCOMPLETE"): {"status": "allocataire", "date_debut_droit": None},
}


@pytest.mark.parametrize(("name", "word"), SHOWN)
async def test_a_right_is_shown_as_the_contract_says(dss: Asked, name: str, word: str) -> None:
    data = data_of(await dss(OPERATIONS[name], identite(f"MSA-{word}")))
    assert data == SHOWN[name, word]
    assert_official(OPERATIONS[name], data)


@pytest.mark.parametrize(
    ("name", "word", "shown"),
    [
        ("c2s", "BENEFICIAIRE_SANS_PARTICIPATION_FINANCIERE", {"est_beneficiaire": True, "avec_participation": False}),
        ("aeeh", "OUVRANT_DROIT", {"status": "ouvrant_droit"}),
        ("aeeh", "ALLOCATAIRE", {"status": "allocataire"}),
    ],
)
async def test_every_other_keyword_is_read(dss: Asked, name: str, word: str, shown: dict[str, Any]) -> None:
    data = data_of(await told(dss, name, {"indicateur": word, "dateIndicateur": "2024-03-01"}))
    assert data == shown | {"date_debut_droit": "2024-03-01"}


@pytest.mark.parametrize("blank", [None, "", " "])
@pytest.mark.parametrize("name", STATUSES)
async def test_a_right_may_have_no_date(dss: Asked, name: str, blank: str | None) -> None:
    found = staged(who_asked({"nomNaissance": "CAF-FOUND"}), name, TODAY)
    assert found is not None
    assert isinstance(found.said, File)
    assert data_of(await told(dss, name, {**found.said.body, "dateIndicateur": blank}))["date_debut_droit"] is None


@pytest.mark.parametrize("name", STATUSES)
async def test_without_a_right_a_date_means_nothing(dss: Asked, name: str) -> None:
    word = "NON_BENEFICIAIRE_CSS" if name == "c2s" else "NON_BENEFICIAIRE"
    body = {"indicateur": word, "dateIndicateur": "2025-01-01", "listePrestation": [benefit("FA3102", "2025-01-01")]}
    data = data_of(await told(dss, name, body))
    assert data == SHOWN[name, "NOT-ENTITLED"]
    assert_official(OPERATIONS[name], data)


INCREASED: list[tuple[list[dict[str, Any]] | None, bool | None]] = [
    ([benefit("FA3101", "2025-01-01")], False),
    ([benefit("FA3102", "2025-01-01")], True),
    ([benefit("FA3101", "2025-03-01"), benefit("FA3102", "2025-01-01")], True),
    ([benefit("FA3102", "2025-03-01"), benefit("FA3101", "2025-01-01")], False),
    ([benefit("FA3102", "2023-01-01", state=20), benefit("FA3101", "2025-01-01")], False),
    ([benefit("FA3102", None), benefit("FA3101", "2025-01-01")], False),
    ([benefit("FA3102", None)], True),
    ([benefit("FA3105", "2025-01-01"), benefit("FA1001", "2025-01-01")], None),
    ([benefit("FA3102", "2025-01-01", state=20)], None),
    ([{"cd": "FA3102"}, {}], None),
    ([], None),
    (None, None),
]


@pytest.mark.parametrize(("benefits", "increased"), INCREASED)
async def test_the_earliest_open_benefit_tells_whether_it_is_increased(
    dss: Asked, benefits: list[dict[str, Any]] | None, increased: bool | None
) -> None:
    data = data_of(await told(dss, "rsa", entitled() | {"listePrestation": benefits}))
    assert data["avec_majoration"] is increased
    assert_official(OPERATIONS["rsa"], data)


@pytest.mark.parametrize(("code", "increased"), [("FA3105", False), ("FA3106", True), ("FA3102", None)])
async def test_a_prime_is_increased_by_codes_of_its_own(dss: Asked, code: str, increased: bool | None) -> None:
    assert data_of(await told(dss, "ppa", entitled(benefit(code, "2025-01-01"))))["avec_majoration"] is increased


@pytest.mark.parametrize("name", STATUSES)
@pytest.mark.parametrize(
    "changed",
    [
        {"indicateur": "EN_COURS"},
        {"indicateur": None},
        {"indicateur": "beneficiaire"},
        {"dateIndicateur": "01/06/2025"},
        {"dateIndicateur": 2025},
    ],
)
async def test_what_is_not_of_the_list_is_no_right(dss: Asked, name: str, changed: dict[str, Any]) -> None:
    assert await told(dss, name, entitled() | changed) == Failed("upstream_malformed")


@pytest.mark.parametrize("name", PRESTATIONS)
async def test_a_file_without_anything_is_malformed(dss: Asked, name: str) -> None:
    assert await told(dss, name, {}) == Failed("upstream_malformed")


async def test_an_answer_that_nobody_signed_is_still_an_answer(dss: Asked) -> None:
    assert data_of(await told(dss, "aah", entitled(), signature=""))["est_beneficiaire"]


# What is made of a household (§5.4)


def household(**changed: Any) -> dict[str, Any]:
    parent = {
        "nomNaissance": "LAUZERTE",
        "nomUsage": "",
        "listePrenoms": "PERRINE ODE",
        "dateNaissance": "1991-01-15",
        "genre": "F",
        "cogNaissance": "64102",
    }
    child = {"nomNaissance": "LAUZERTE", "listePrenoms": "IBAN", "dateNaissance": "2023-10-02", "genre": "M"}
    whole = {
        "allocataires": [parent],
        "enfants": [child],
        "adresse": {
            "identite": "Mme LAUZERTE Perrine",
            "complementInformation": "",
            "complementInformationGeo": "Residence Ttipia",
            "numeroLibelleVoie": "18 chemin des Fougeres",
            "lieuDit": None,
            "codePostalVille": "64240 Hasparren",
            "pays": "France",
        },
        "nombreBeneficiaireAEH": 1,
        "nombreEnfantACharge": 2,
        "montantRessources": 21480,
        "annee": 2024,
    }
    return whole | changed


async def test_a_household_is_a_straight_copy(dss: Asked) -> None:
    data = data_of(await told(dss, "eaje", household()))
    assert_official(OPERATIONS["eaje"], data)
    assert data == {
        "allocataires": [
            {
                "nom_naissance": "LAUZERTE",
                "nom_usage": "",
                "prenoms": "PERRINE ODE",
                "date_naissance": "1991-01-15",
                "sexe": "F",
                "code_cog_insee_commune_naissance": "64102",
            }
        ],
        "enfants": [
            {
                "nom_naissance": "LAUZERTE",
                "nom_usage": None,
                "prenoms": "IBAN",
                "date_naissance": "2023-10-02",
                "sexe": "M",
                "code_cog_insee_commune_naissance": None,
            }
        ],
        "adresse": {
            "destinataire": "Mme LAUZERTE Perrine",
            "complement_information": "",
            "complement_information_geographique": "Residence Ttipia",
            "numero_libelle_voie": "18 chemin des Fougeres",
            "lieu_dit": None,
            "code_postal_ville": "64240 Hasparren",
            "pays": "France",
        },
        "parametres_calcul_participation_familiale": {
            "nombre_enfants_a_charge": 2,
            "nombre_enfants_beneficiaire_aeeh": 1,
            "base_ressources_annuelles": {"valeur": 21480, "annee_calcul": 2024},
        },
    }


@pytest.mark.parametrize(("annee", "year"), [("2024", 2024), (2024, 2024)])
@pytest.mark.parametrize(("amount", "euros"), [(21480, 21480), (21480.0, 21480), (21480.49, 21480), (0, 0)])
async def test_the_year_is_a_number_and_the_amount_in_euros(
    dss: Asked, annee: str | int, year: int, amount: float, euros: int
) -> None:
    data = data_of(await told(dss, "eaje", household(annee=annee, montantRessources=amount)))
    base = data["parametres_calcul_participation_familiale"]["base_ressources_annuelles"]
    assert base == {"valeur": euros, "annee_calcul": year}
    assert_official(OPERATIONS["eaje"], data)


@pytest.mark.parametrize(
    "changed",
    [
        {"adresse": None},
        {"allocataires": None},
        {"allocataires": []},
        {"montantRessources": None},
        {"montantRessources": "21480"},
        {"nombreEnfantACharge": None},
        {"nombreBeneficiaireAEH": None},
        {"annee": None},
        {"annee": ""},
        {"annee": "N-2"},
        {"enfants": [{"dateNaissance": "02/10/2023"}]},
        {"enfants": [None]},
    ],
    ids=str,
)
@pytest.mark.parametrize("how", ["null", "absent"])
async def test_a_household_with_something_missing_is_malformed(dss: Asked, changed: dict[str, Any], how: str) -> None:
    body = household(**changed)
    if how == "absent":
        body = {key: value for key, value in body.items() if value is not None}
    assert await told(dss, "eaje", body) == Failed("upstream_malformed")


@pytest.mark.parametrize("enfants", [None, [], [{}], [{"dateNaissance": "2019-04-15"}], [{"dateNaissance": ""}]])
async def test_a_household_without_a_young_child_is_not_eligible(
    dss: Asked, enfants: list[Any] | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert await told(dss, "eaje", household(enfants=enfants)) == NotFound("no_young_child")
    assert "crèche rate asked for a household without a child of the age" in caplog.messages


async def test_one_young_child_is_enough(dss: Asked) -> None:
    children = [{"dateNaissance": "2010-03-15"}, {"dateNaissance": "2019-04-16"}]
    assert len(data_of(await told(dss, "eaje", household(enfants=children)))["enfants"]) == 2


@pytest.mark.parametrize(
    ("born", "today", "young"),
    [
        ("2019-04-16", "2026-04-15", True),
        ("2019-04-15", "2026-04-15", False),
        ("2020-02-29", "2027-02-28", True),
        ("2020-02-29", "2027-03-01", False),
        ("2019-00-00", "2025-12-31", True),
        ("2019-00-00", "2026-01-01", False),
        ("2019-05-00", "2026-04-30", True),
        ("2019-05-00", "2026-05-01", False),
        ("2022-02-31", "2026-04-15", True),
        ("0000-00-00", "2026-04-15", False),
        (None, "2026-04-15", False),
    ],
)
def test_seven_years_are_whole(born: str | None, today: str, young: bool) -> None:
    assert under(7, Member(date_naissance=born), date.fromisoformat(today)) is young


# What goes wrong (upstreams/03 §3.3)

ABSENT: dict[tuple[int, str], tuple[Reply, int, str, str, str, dict[str, str]]] = {
    # By error code and signature: the reply, then the HTTP status, code, title, detail and meta that a client sees.
    **{
        (40409, signature): (
            Rejected("00355"),
            422,
            "00355",
            "Impossible d'identifier l'allocataire",
            "Les paramètres fournis ne permettent pas d'identifier un allocataire.",
            {},
        )
        for signature in ("", CNAF)
    },
    **{
        (code, signature): (
            NotFound("unattached"),
            404,
            "35003",
            "Allocataire non référencé",
            "L'allocataire n'est pas référencé auprès des caisses éligibles",
            {"provider": "CNAF & MSA"},
        )
        for code in (40406, 40412)
        for signature in ("", MSA)
    },
    **{
        (code, signature): (
            NotFound(f"no_file_{fund.lower()}"),
            404,
            public_code,
            f"Dossier allocataire absent {fund}",
            f"Le dossier allocataire n'a pas été trouvé auprès {of_fund}.",
            {"provider": fund},
        )
        for code in (40401, 40407)
        for signature, fund, public_code, of_fund in (
            (CNAF, "CNAF", "23003", "de la CNAF"),
            (MSA, "MSA", "10003", "de la MSA"),
            (RNCPS_CODE, "RNCPS", "40003", "du RNCPS"),
        )
    },
    **{
        (code, signature): (
            NotFound("unexplained"),
            404,
            "36003",
            "Erreur inatendue",
            "Une erreur inattendue est survenue lors de la collecte des données",
            {"provider": "Sécurité sociale"},
        )
        for code in (40401, 40407)
        for signature in ("", "00000000")
    },
}


def error_of(reply: Reply) -> tuple[int, Any]:
    """As the gateway renders it, in v3."""
    status, body = render(Problem.of(reply, worker.offer().authority), PROBLEMS, "v3")
    [error] = json.loads(body)["errors"]
    return status, error


@pytest.mark.parametrize(("code", "signature"), ABSENT)
@pytest.mark.parametrize("name", PRESTATIONS)
async def test_an_absence_speaks_for_whoever_told_it(dss: Asked, name: str, code: int, signature: str) -> None:
    reply = await told(dss, name, refusal(code), signature=signature)
    expected, status, public_code, title, detail, meta = ABSENT[code, signature]
    assert reply == expected
    assert error_of(reply) == (status, {"code": public_code, "title": title, "detail": detail, "meta": meta})


async def test_operators_hear_of_an_absence_that_nobody_signed(dss: Asked, caplog: pytest.LogCaptureFixture) -> None:
    await told(dss, "rsa", refusal(40401), signature="")
    assert caplog.messages == ["hub signed no absence"]


async def test_a_household_without_a_young_child_is_an_error_of_the_cnav(dss: Asked) -> None:
    reply = await dss(OPERATIONS["eaje"], identite("CAF-NOT-ENTITLED"))
    assert error_of(reply) == (
        404,
        {
            "code": "37003",
            "title": "Allocataire non éligible",
            "detail": "Le dossier allocataire a été trouvé mais n'est pas éligible à la participation familiale EAJE",
            "meta": {"provider": "CNAV"},
        },
    )


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (429, "upstream_rate_limited", "36008"),
        (500, "upstream_internal", "36000"),
        (401, "upstream_unknown", "36999"),
        (403, "upstream_unknown", "36999"),
        (405, "upstream_unknown", "36999"),
        (501, "upstream_unknown", "36999"),
        (502, "upstream_unavailable", "36001"),
        (503, "upstream_unavailable", "36001"),
        (504, "upstream_timeout", "36002"),
    ],
)
@pytest.mark.parametrize("name", PRESTATIONS)
async def test_other_statuses_are_failures(dss: Asked, name: str, status: int, reason: str, code: str) -> None:
    reply = await told(dss, name, refusal(50001, status))
    assert reply == Failed(reason)
    assert error_of(reply)[1]["code"] == code
    assert error_of(reply)[1]["meta"] == {"provider": "Sécurité sociale"}


async def test_a_400_carries_the_hubs_own_words(dss: Asked) -> None:
    meta: Meta = {"provider_error_code": 40013, "provider_error_message": "Civilité invalide"}
    reply = await dss(OPERATIONS["asf"], identite("HUB-REJECTED"))
    assert reply == Rejected("00366", meta)
    assert error_of(reply)[0] == 422
    assert error_of(reply)[1]["meta"] == meta


STAGED: dict[str, Reply] = {
    "CAF-NO-FILE": NotFound("no_file_cnaf"),
    "MSA-NO-FILE": NotFound("no_file_msa"),
    "RNCPS-NO-FILE": NotFound("no_file_rncps"),
    "HUB-NO-FILE": NotFound("unexplained"),
    "HUB-UNATTACHED": NotFound("unattached"),
    "HUB-UNIDENTIFIED": Rejected("00355"),
    "RNCPS-TECHNICAL": Failed("upstream_internal"),
    "CAF-MALFORMED": Failed("upstream_malformed"),
    "CAF-INTERNAL": Failed("upstream_internal"),
    "CAF-RATE-LIMITED": Failed("upstream_rate_limited"),
    "CAF-UNAVAILABLE": Failed("upstream_unavailable"),
    "CAF-GATEWAY-TIMEOUT": Failed("upstream_timeout"),
    "CAF-HTML": Failed("upstream_malformed"),
    "CAF-TRUNCATED": Failed("upstream_malformed"),
    "CAF-EMPTY": Failed("upstream_malformed"),
    "CAF-REDIRECT": Failed("upstream_redirected"),
    "CAF-SLOW": Failed("upstream_timeout"),
    "CAF-CUT": Failed("upstream_timeout"),
}


@pytest.mark.parametrize("nom", STAGED)
@pytest.mark.parametrize("name", PRESTATIONS)
async def test_each_outcome_can_be_staged(dss: Asked, name: str, nom: str) -> None:
    assert await dss(OPERATIONS[name], identite(nom), within_s=ABRUPT_S) == STAGED[nom]


def test_every_fault_can_be_staged() -> None:
    words = {nom.partition("-")[2] for nom in STAGED}
    assert words >= {fault.name.replace("_", "-") for fault in Fault}
    assert words | {"REJECTED"} >= STAGES.keys()
    assert all(NAME.fullmatch(nom) for nom in STAGED)


async def test_a_household_without_address_is_no_answer(dss: Asked) -> None:
    assert await dss(OPERATIONS["eaje"], identite("CAF-INCOMPLETE")) == Failed("upstream_malformed")


@pytest.mark.parametrize("nom", ["PESTEL", "CAF", "MSA FOUND", "SCAF-SLOW", "CAF-UNHEARD-OF"])
def test_another_name_stages_nothing(nom: str) -> None:
    assert staged(who_asked({"nomNaissance": nom}), "rsa", TODAY) is None


@pytest.mark.parametrize("nom", ["CAF-FOUND", "CAF-HTML", "HUB-REJECTED", "CAF-MALFORMED", "CAF-NOT-ENTITLED"])
@pytest.mark.parametrize("name", ["ppa", "eaje"])
async def test_no_trace_nor_log_names_the_person(
    dss: Asked, name: str, nom: str, caplog: pytest.LogCaptureFixture
) -> None:
    who = identite(f"{nom} MSA-FOUND", "Ignace", born="1971-10-28")
    with caplog.at_level(logging.DEBUG), recorded() as spans:
        await dss(OPERATIONS[name], who)
        logged = caplog.text + "".join(map(text_of, spans.get_finished_spans()))
        logged += "".join(str(record.__dict__) for record in caplog.records)
    assert not [value for value in (nom, "MSA-FOUND", "Ignace", "IGNACE", "1971-10", "CADET") if value in logged]


# What the hub really said

RECORDED: dict[str, Reply | dict[str, Any]] = {
    "404-identity-not-found.json": Rejected("00355"),
    "404-regime-not-found.json": NotFound("unattached"),
    "allocation_adulte_handicape/404.json": NotFound("no_file_cnaf"),
    "allocation_adulte_handicape/make_request_valid.json": {
        "est_beneficiaire": True,
        "date_debut_droit": "2024-04-01",
    },
    "allocation_adulte_handicape/valid_beneficiaire.json": {
        "est_beneficiaire": True,
        "date_debut_droit": "2024-04-01",
    },
    "allocation_enfant_handicape/404.json": NotFound("no_file_cnaf"),
    "allocation_enfant_handicape/make_request_valid.json": {"status": "allocataire", "date_debut_droit": None},
    "allocation_enfant_handicape/valid_beneficiaire.json": {
        "status": "allocataire",
        "date_debut_droit": "2021-01-01",
    },
    "allocation_enfant_handicape/valid_beneficiaire_ouvrant_droit.json": {
        "status": "ouvrant_droit",
        "date_debut_droit": "2021-01-01",
    },
    "allocation_soutien_familial/404.json": NotFound("no_file_cnaf"),
    "allocation_soutien_familial/make_request_valid.json": {
        "est_beneficiaire": True,
        "date_debut_droit": "2024-04-01",
    },
    "allocation_soutien_familial/valid_beneficiaire.json": {
        "est_beneficiaire": True,
        "date_debut_droit": "2024-04-01",
    },
    "complementaire_sante_solidaire/400.json": Rejected(
        "00366",
        {"provider_error_code": 40002, "provider_error_message": "Nom de naissance ou nom d'usage absent"},
    ),
    "complementaire_sante_solidaire/404.json": NotFound("no_file_cnaf"),
    "complementaire_sante_solidaire/make_request_valid.json": {
        "est_beneficiaire": True,
        "avec_participation": True,
        "date_debut_droit": "2021-01-01",
    },
    "participation_familiale_eaje/404.json": NotFound("unattached"),
    "participation_familiale_eaje/make_request_no_kids_under_7.json": NotFound("no_young_child"),
    "participation_familiale_eaje/make_request_valid.json": {
        "enfants": ["Marie"],
        "valeur": 1500,
        "annee_calcul": 2024,
    },
    "participation_familiale_eaje/make_request_with_null_cog_naissance.json": {
        "enfants": ["Marie", "Paul"],
        "valeur": 2500,
        "annee_calcul": 2024,
    },
    "prime_activite/404.json": NotFound("no_file_cnaf"),
    **{
        f"{resource}/{file}.json": {
            "est_beneficiaire": True,
            "avec_majoration": increased,
            "date_debut_droit": "2024-04-01",
        }
        for resource in ("prime_activite", "revenu_solidarite_active")
        for file, increased in (
            ("make_request_valid", True),
            ("valid_beneficiaire_majore", True),
            ("valid_beneficiaire_non_majore", False),
        )
    },
    "revenu_solidarite_active/404.json": NotFound("no_file_cnaf"),
}
"""An error, as signed by the CNAF; of a household, a summary."""


def prestation_of(sample: str) -> str:
    """Any, for those that belong to none."""
    resources = {row.published[0].operation.path.split("/")[3]: name for name, row in PRESTATIONS.items()}
    return resources.get(sample.split("/")[0], "rsa")


def summary(data: dict[str, Any]) -> dict[str, Any]:
    if "enfants" not in data:
        return data
    base = data["parametres_calcul_participation_familiale"]["base_ressources_annuelles"]
    return {"enfants": [child["prenoms"] for child in data["enfants"]], **base}


@pytest.mark.parametrize("sample", RECORDED)
async def test_a_recorded_answer_is_understood(dss: Asked, sample: str) -> None:
    name, expected, answer = prestation_of(sample), RECORDED[sample], json.loads(upstream_sample(f"cnav/{sample}"))
    if "errorCode" in answer:
        answer = refusal(answer["errorCode"], 400 if "400" in sample else 404, answer["error"])
    reply = await told(dss, name, answer)
    if not isinstance(expected, dict):
        assert reply == expected
        return
    data = data_of(reply)
    assert summary(data) == expected
    assert_official(OPERATIONS[name], data)


def test_every_recorded_answer_is_in_the_table() -> None:
    upstream_sample("cnav/404-identity-not-found.json")
    folder = REFERENCE / "upstream" / "cnav"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.json")}
    assert {name for name in names if not re.search("quotient_familial|authentication", name)} == RECORDED.keys()


# Who lives there


@pytest.mark.parametrize("resident", residents(TODAY), ids=lambda resident: resident.who.nom)
async def test_everybody_in_the_simulator_is_shown_under_the_official_document(dss: Asked, resident: Resident) -> None:
    assert NAME.fullmatch(resident.who.nom) and NAME.fullmatch(resident.who.prenoms)
    for name, operation in OPERATIONS.items():
        reply = await dss(operation, identity_of(resident))
        if name == "eaje" and reply == NotFound("no_young_child"):
            continue
        assert_official(operation, data_of(reply))


def test_residents_are_different_people() -> None:
    everybody = residents(TODAY)
    assert len({resident.who for resident in everybody}) == len(everybody)


@pytest.mark.parametrize("today", [date(2026, 1, 1), date(2026, 12, 31), date(2041, 6, 15)])
async def test_families_never_grow_old(today: date, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.providers.asking.TODAY", today)
    violaine = identite("Estevenin", "Violaine", born="1992-07-30")
    fulgence = identite("Lauzerte", "Fulgence", born="1984-10-17", sexe="M")
    async with asking(worker, simulator, monkeypatch) as dss:
        for who in (CORALINE, violaine):
            assert summary(data_of(await dss(OPERATIONS["eaje"], who)))["annee_calcul"] == today.year - 2
        assert await dss(OPERATIONS["eaje"], fulgence) == NotFound("no_young_child")


REFUSED = [(persona.who, said) for persona in PERSONAS if isinstance(said := persona.says[CAF], Refusal)]
FILES = {resident.who for resident in residents(TODAY)}


@pytest.mark.parametrize(("who", "said"), [row for row in REFUSED if row[0] not in FILES])
@pytest.mark.parametrize("name", ["c2s", "rsa", "eaje"])
async def test_whoever_has_no_quotient_has_no_file_here(dss: Asked, name: str, who: Who, said: Refusal) -> None:
    reply = await dss(OPERATIONS[name], identite(who.nom, *who.prenoms.split(), born=who.naissance, sexe=who.genre))
    assert isinstance(reply, NotFound | Rejected)
    no_file = "no_file_rncps" if name == "c2s" else "no_file_cnaf"
    assert reply.reason == {40401: no_file, 40406: "unattached", 40409: "00355", 40013: "00366"}[said.code]


async def test_a_child_opens_the_right_of_a_parent(dss: Asked) -> None:
    louise = identite("Kervennic", "Louise", born="2019-08-11")
    statuses = [data_of(await dss(OPERATIONS["aeeh"], who))["status"] for who in (MAELYS, louise)]
    assert statuses == ["allocataire", "ouvrant_droit"]


async def test_whoever_the_hub_does_not_know_is_unidentified(dss: Asked) -> None:
    assert await dss(OPERATIONS["aah"], identite("Nemo")) == Rejected("00355")


# What is offered


def test_the_offer_is_the_social_securitys() -> None:
    offer = worker.offer()
    assert (offer.provider, offer.authority.label, offer.authority.prefix) == ("dss", "Sécurité sociale", "36")
    assert offer.problems == PROBLEMS
    assert {operation.cache_s for operation in offer.operations} == {3600}
    later = [operation for operation in offer.operations if operation.path.startswith("/v3")]
    assert {(operation.id, operation.path, operation.modality) for operation in later} == {
        (f"api_particulier_v3_cnav_{resource}_with_{modality}", f"/v3/dss/{resource}/{path}", path)
        for resource in (
            "complementaire_sante_solidaire",
            "revenu_solidarite_active",
            "prime_activite",
            "allocation_adulte_handicape",
            "allocation_soutien_familial",
            "allocation_enfant_handicape",
            "participation_familiale_eaje",
        )
        for modality, path in (("civility", "identite"), ("france_connect", "france_connect"))
    }


def test_civil_status_is_checked_at_once_and_a_session_is_not() -> None:
    for by_name, by_session, *_ in (row.published for row in PRESTATIONS.values()):
        assert by_name.operation.checks == (IDENTITY_CHECKS,)
        assert by_session.operation.checks == ()
        assert by_name.operation.fields == by_session.operation.fields
        assert by_name.operation.scopes == by_session.operation.scopes


RSA, MAJORATION = "revenu_solidarite_active", "revenu_solidarite_active_majoration"
SCOPES: dict[str, tuple[tuple[str, ...], dict[str, tuple[str, ...]]]] = {
    "c2s": (
        ("complementaire_sante_solidaire",),
        dict.fromkeys(
            ("est_beneficiaire", "avec_participation", "date_debut_droit"), ("complementaire_sante_solidaire",)
        ),
    ),
    "rsa": (
        (RSA, MAJORATION),
        {"est_beneficiaire": (RSA,), "date_debut_droit": (RSA,), "avec_majoration": (MAJORATION,)},
    ),
    "ppa": (
        ("prime_activite", "prime_activite_majoration"),
        {
            "est_beneficiaire": ("prime_activite",),
            "date_debut_droit": ("prime_activite",),
            "avec_majoration": ("prime_activite_majoration",),
        },
    ),
    "aah": (
        ("allocation_adulte_handicape",),
        dict.fromkeys(("est_beneficiaire", "date_debut_droit"), ("allocation_adulte_handicape",)),
    ),
    "asf": (
        ("allocation_soutien_familial",),
        dict.fromkeys(("est_beneficiaire", "date_debut_droit"), ("allocation_soutien_familial",)),
    ),
    "aeeh": (("cnav_allocation_enfant_handicape",), {}),
    "eaje": (
        (
            "cnav_participation_familiale_eaje_allocataires",
            "cnav_participation_familiale_eaje_enfants",
            "cnav_participation_familiale_eaje_adresse",
            "cnav_participation_familiale_eaje_parametres_calcul",
        ),
        {
            "allocataires": ("cnav_participation_familiale_eaje_allocataires",),
            "enfants": ("cnav_participation_familiale_eaje_enfants",),
            "adresse": ("cnav_participation_familiale_eaje_adresse",),
            "parametres_calcul_participation_familiale": ("cnav_participation_familiale_eaje_parametres_calcul",),
        },
    ),
}


@pytest.mark.parametrize("name", PRESTATIONS)
def test_each_field_has_its_scope(name: str) -> None:
    operation = PRESTATIONS[name].published[0].operation
    assert (operation.scopes, operation.fields) == SCOPES[name]


def test_a_sex_is_required() -> None:
    operation = PRESTATIONS["rsa"].published[0].operation
    query = "nomNaissance=A&codeCogInseePaysNaissance=99351"
    refusals = rules.apply(operation.checks, parse_query(query), TODAY)
    assert isinstance(refusals, rules.Refusals)
    assert refusals.codes == ("00427",)


def test_every_missing_setting_is_named() -> None:
    with pytest.raises(SettingsError) as raised:
        worker.settings({})
    assert len(raised.value.problems) == 1 + 4 * len(PRESTATIONS)
    assert "BOUQUET_DSS_AEEH_CLIENT_SECRET: is required" in raised.value.problems


def test_secrets_are_secret() -> None:
    settings = worker.settings(simulator.settings("http://hub.test"))
    values = msgspec.structs.asdict(settings)
    assert sum(isinstance(value, Secret) for value in values.values()) == len(PRESTATIONS)
    assert "s3cr3t" not in repr(settings)
