"""Tests of the eleven version 2 paths that still work. Their answers have no envelope, and headers announce when each
path will be switched off (docs/reference/contract.md §1.2, §1.5.6, §3.1)."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from msgspec import structs

from bouquet_cnous.simulator import simulator as cnous_simulator
from bouquet_cnous.worker import worker as cnous
from bouquet_dss.simulator import simulator as dss_simulator
from bouquet_dss.worker import worker as dss
from bouquet_france_connect.personas import MAELYS
from bouquet_france_connect.simulator import SESSIONS
from bouquet_france_connect.simulator import simulator as france_connect_simulator
from bouquet_france_connect.worker import worker as france_connect
from bouquet_france_travail.simulator import simulator as france_travail_simulator
from bouquet_france_travail.worker import worker as france_travail
from bouquet_men.personas import COLLEGE
from bouquet_men.simulator import simulator as men_simulator
from bouquet_men.worker import worker as men
from bouquet_mesr.simulator import simulator as mesr_simulator
from bouquet_mesr.worker import worker as mesr
from tests.support import mesh as meshes
from tests.support.gateway_client import RECIPIENT, Answer, token
from tests.support.mesh import Mesh
from tests.support.openapi import assert_official

WORKERS = meshes.PROVIDERS | {
    "france_connect": (france_connect, france_connect_simulator),
    "dss": (dss, dss_simulator),
    "mesr": (mesr, mesr_simulator),
    "cnous": (cnous, cnous_simulator),
    "men": (men, men_simulator),
    "france_travail": (france_travail, france_travail_simulator),
}
SOME_ID = "6f1ed002-ab55-4b31-8f1c-0242ac120002"


def cnav(nom: str, **more: Any) -> dict[str, Any]:
    return {
        "nomNaissance": nom,
        "prenoms[]": ["Maëlys", "Inès"],
        "anneeDateDeNaissance": 1989,
        "moisDateDeNaissance": 6,
        "jourDateDeNaissance": 14,
        "sexe": "F",
        "codePaysLieuDeNaissance": "99100",
        "codeInseeLieuDeNaissance": "29019",
        **more,
    }


class Path(NamedTuple):
    folder: str
    params: dict[str, Any]
    scopes: tuple[str, ...]
    fields: set[str]
    becomes: str
    cached: bool = False
    sessions: bool = True
    """Whether the path accepts a citizen's FranceConnect session."""


MAIWENN = {"nom": "LE GOFF", "dateDeNaissance": "2005-06-17", "sexe": "F", "lieuDeNaissance": "29039"}
QF, C2S, MESRI, CNOUS, MEN, SITUATION, PAYMENTS = (
    "/api/v2/composition-familiale-v2",
    "/api/v2/complementaire-sante-solidaire",
    "/api/v2/etudiants",
    "/api/v2/etudiants-boursiers",
    "/api/v2/scolarites",
    "/api/v2/situations-pole-emploi",
    "/api/v2/paiements-pole-emploi",
)
RIGHT = {"status", "dateDebut", "dateFin"}


def right(resource: str, *scopes: str, fields: set[str] = RIGHT) -> Path:
    folder, becomes = f"api_particulier_v2_cnav_{resource}", f"/v3/dss/{resource}/identite"
    return Path(folder, cnav("Le Gouadec"), (resource, *scopes), fields, becomes, cached=True)


PATHS = {
    QF: Path(
        "api_particulier_v2_cnav_quotient_familial_v2",
        cnav("Le Gouadec"),
        ("cnaf_quotient_familial", "cnaf_allocataires", "cnaf_enfants", "cnaf_adresse"),
        {"quotientFamilial", "annee", "mois", "allocataires", "enfants", "adresse"},
        "/v3/dss/quotient_familial/identite",
        cached=True,
    ),
    C2S: right("complementaire_sante_solidaire"),
    "/api/v2/revenu-solidarite-active": right(
        "revenu_solidarite_active", "revenu_solidarite_active_majoration", fields=RIGHT | {"majoration"}
    ),
    "/api/v2/prime-activite": right("prime_activite", "prime_activite_majoration", fields=RIGHT | {"majoration"}),
    "/api/v2/allocation-adulte-handicape": right("allocation_adulte_handicape", fields=RIGHT - {"dateFin"}),
    "/api/v2/allocation-soutien-familial": right("allocation_soutien_familial"),
    MESRI: Path(
        "api_particulier_v2_mesri_student_status",
        MAIWENN | {"prenom": "Maïwenn"},
        ("mesri_identite", "mesri_inscription_etudiant", "mesri_admission", "mesri_etablissements"),
        {"nom", "prenom", "dateNaissance", "inscriptions"},
        "/v3/mesri/statut_etudiant/identite",
    ),
    CNOUS: Path(
        "api_particulier_v2_cnous_student_scholarship",
        MAIWENN | {"prenoms": "Maïwenn Rozenn"},
        ("cnous_statut_boursier", "cnous_statut_bourse"),
        {"boursier", "statut", "statutLibelle"},
        "/v5/cnous/etudiant_boursier/identite",
    ),
    MEN: Path(
        "api_particulier_v2_men_scolarites",
        {
            "nom": "KERVADEC",
            "prenom": "Maëline",
            "sexe": "f",
            "dateNaissance": "2012-03-14",
            "codeEtablissement": COLLEGE.uai,
            "anneeScolaire": "2025-2026",
        },
        ("men_statut_boursier", "men_echelon_bourse"),
        {"code_etablissement", "est_boursier", "niveau_bourse"},
        "/v5/men/scolarites/identite",
        sessions=False,
    ),
    SITUATION: Path(
        "api_particulier_v2_pole_emploi_statut",
        {"identifiant": "maelys.quintrand12"},
        ("pole_emploi_contact",),
        {"email", "telephone", "telephone2"},
        "/v3/france_travail/statut/identifiant",
        sessions=False,
    ),
    PAYMENTS: Path(
        "api_particulier_v2_pole_emploi_indemnites",
        {"identifiant": "maelys.quintrand12"},
        ("pole_emploi_paiements",),
        {"identifiant", "paiements"},
        "/v3/france_travail/indemnites/identifiant",
        sessions=False,
    ),
}
BY_SESSION = [path for path in PATHS if PATHS[path].sessions]


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[Mesh]:
    async with whole_mesh() as opened:
        yield opened


@asynccontextmanager
async def whole_mesh() -> AsyncIterator[Mesh]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(meshes, "PROVIDERS", WORKERS)
        async with meshes.mesh(workers=tuple(WORKERS)) as opened:
            yield opened


async def ask(client: Mesh, path: str, params: dict[str, Any] | None = None, *scopes: str) -> Answer:
    """Calls a version 2 path with an API key. Without `params` or `scopes`, uses those that `PATHS` gives for this
    path."""
    key = token(*(scopes or PATHS[path].scopes), siret=RECIPIENT, id=SOME_ID)
    own = PATHS[path].params if params is None else params
    return await client.get(path, own, token="", headers={"X-Api-Key": key})


async def as_citizen(client: Mesh, path: str, session: str, **params: str) -> Answer:
    return await client.get(path, {"recipient": RECIPIENT} | params, token=session)


def let_in(client: Mesh, session: str, *scopes: str) -> None:
    client.simulators["france_connect"][SESSIONS][session] = structs.replace(MAELYS, scopes=" ".join(scopes))


def refused(word: str, reason: str, message: str = "") -> dict[str, str]:
    return {"error": word, "reason": reason, "message": message or reason}


# Answers with data


@pytest.mark.parametrize("path", PATHS)
async def test_each_v2_path_answers_without_envelope_and_announces_its_end(client: Mesh, path: str) -> None:
    answer = await ask(client, path)
    assert answer.status == 200, answer.json
    assert answer.json.keys() == PATHS[path].fields
    assert_official(PATHS[path].folder, answer.json)
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["Deprecation"] == "@1777334400"  # 28 April 2026
    assert answer.headers["Sunset"] == "Fri, 01 Sep 2028 00:00:00 GMT"
    assert answer.headers["Link"] == f'<{PATHS[path].becomes}>; rel="successor-version"'


@pytest.mark.parametrize("path", PATHS)
async def test_v2_answers_are_cached_as_in_v3(client: Mesh, path: str) -> None:
    await ask(client, path)
    again = await ask(client, path)
    assert again.headers["X-Response-Cached"] == ("true" if PATHS[path].cached else "false")


@pytest.mark.parametrize("path", BY_SESSION)
async def test_a_v2_path_by_session_links_to_the_session_path_of_its_successor(client: Mesh, path: str) -> None:
    let_in(client, "jeton-v2", *PATHS[path].scopes)
    answer = await as_citizen(client, path, "jeton-v2")
    assert answer.status in (200, 404), answer.json  # no provider knows every person
    assert (
        answer.headers["Link"]
        == f'<{PATHS[path].becomes.replace("identite", "france_connect")}>; rel="successor-version"'
    )


@pytest.mark.parametrize(
    ("path", "becomes"), [(MESRI, "/v3/mesri/statut_etudiant"), (CNOUS, "/v5/cnous/etudiant_boursier")]
)
async def test_an_ine_has_precedence_over_civil_status(client: Mesh, path: str, becomes: str) -> None:
    answer = await ask(client, path, PATHS[path].params | {"ine": "050617293HK"})
    assert answer.status == 200
    assert answer.headers["Link"] == f'<{becomes}/ine>; rel="successor-version"'
    wrong = await ask(client, path, PATHS[path].params | {"ine": "05"})
    assert (wrong.status, wrong.json["message"]) == (400, "Le numéro d'INE n'est pas correctement formatté")
    assert (await ask(client, path, PATHS[path].params | {"ine": " "})).status == 200


async def test_a_session_has_precedence_over_an_ine(client: Mesh) -> None:
    answer = await as_citizen(client, MESRI, "jeton-maiwenn", ine="050617293HK")
    assert answer.headers["Link"] == '</v3/mesri/statut_etudiant/france_connect>; rel="successor-version"'


@pytest.mark.parametrize(("path", "scope", "fields"), [
    (MESRI, "mesri_identite", {"nom", "prenom", "dateNaissance"}),
    (CNOUS, "cnous_identite", {"nom", "prenom", "prenom2", "dateNaissance", "lieuNaissance", "sexe"}),
])  # fmt: skip
async def test_a_citizen_s_identity_is_shown_in_v2(client: Mesh, path: str, scope: str, fields: set[str]) -> None:
    sessions = client.simulators["france_connect"][SESSIONS]
    sessions["jeton-identite"] = structs.replace(sessions["jeton-maiwenn"], scopes=f"openid {scope}")
    answer = await as_citizen(client, path, "jeton-identite")
    assert (answer.status, answer.json.keys()) == (200, fields)


async def test_caf_and_msa_both_answer_the_v2_quotient(client: Mesh) -> None:
    farmer = cnav(
        "Castagnos",
        **{"prenoms[]": ["Rémi", "Gaston"]},
        anneeDateDeNaissance=1978,
        moisDateDeNaissance=9,
        jourDateDeNaissance=3,
        sexe="M",
        codeInseeLieuDeNaissance="32013",
    )
    assert [(await ask(client, QF, params)).json["quotientFamilial"] for params in (cnav("Le Gouadec"), farmer)] == [
        612,
        431,
    ]


@pytest.mark.parametrize(("cnaf", "msa", "status", "word"), [
    ("FOUND", "FOUND", 200, ""),
    ("NO-FILE", "FOUND", 200, ""),
    ("NO-FILE", "UNATTACHED", 404, "not_found"),
    ("UNIDENTIFIED", "UNIDENTIFIED", 400, "not_found"),
    ("REJECTED", "NO-FILE", 400, "bad_request"),
    ("UNAVAILABLE", "NO-FILE", 503, "data_provider_error"),
    ("HTML", "NO-FILE", 503, "provider_unknown_error"),
    ("GATEWAY-TIMEOUT", "NO-FILE", 504, "timeout_error"),
])  # fmt: skip
async def test_the_v2_regime_is_decided_as_in_v3(cnaf: str, msa: str, status: int, word: str) -> None:
    """Tests that version 2 chooses between the answers of CAF and MSA as version 3 does. Each case runs a mesh of its
    own, because failures could open a circuit breaker for the next case."""
    async with whole_mesh() as mesh:
        answer = await ask(mesh, QF, cnav(f"CAF-{cnaf} MSA-{msa}"))
    assert (answer.status, answer.json.get("error", "")) == (status, word)


# Refusals

NAMELESS = "Le nom de naissance est manquant"
FIRST_FAULTS = {
    **dict.fromkeys(list(PATHS)[:6], "Le code pays INSEE n'est pas correctement formaté"),
    MESRI: NAMELESS,
    CNOUS: NAMELESS,
    MEN: NAMELESS,
    SITUATION: "L'identifiant est manquant",
    PAYMENTS: "L'identifiant est manquant",
}
PERIMETER = " Veuillez vérifier que votre recherche est couverte par le périmètre de l'API."
ABSENT: dict[str, tuple[dict[str, Any], str, str]] = {
    # An unknown person, `reason` where it differs from the message, and the message.
    MESRI: (
        {"ine": "1234567890G"},
        "Student not found",
        "Aucun étudiant n'a pu être trouvé avec les critères de recherche fournis" + PERIMETER,
    ),
    CNOUS: (
        {"ine": "1234567890G"},
        "Scholarship not found",
        "Aucun étudiant boursier n'a pu être trouvé avec les critères de recherche fournis" + PERIMETER,
    ),
    MEN: (
        PATHS[MEN].params | {"nom": "INCONNU"},
        "Student not found",
        "Aucun élève n'a pu être trouvé avec les critères de recherche fournis" + PERIMETER,
    ),
    SITUATION: (
        {"identifiant": "inconnu"},
        "Situation not found",
        "Aucune situation France Travail n'a pu être trouvée avec les critères de recherche fournis" + PERIMETER,
    ),
    PAYMENTS: (
        {"identifiant": "inconnu"},
        "",
        "Aucune situation France Travail n'a pu être trouvée avec les critères de recherche fournis" + PERIMETER,
    ),
    QF: (
        cnav("CAF-NO-FILE MSA-NO-FILE"),
        "",
        "L'allocataire n'est pas référencé auprès des caisses éligibles",
    ),
    C2S: (
        cnav("CAF-NO-FILE"),
        "",
        "Le dossier allocataire n'a pas été trouvé auprès de la CNAF.",
    ),
}


@pytest.mark.parametrize("path", PATHS)
async def test_a_v2_error_shows_the_first_wrong_parameter_only(client: Mesh, path: str) -> None:
    answer = await ask(client, path, {})
    assert (answer.status, answer.json) == (400, refused("bad_request", FIRST_FAULTS[path]))
    assert "Deprecation" in answer.headers


@pytest.mark.parametrize("path", ABSENT)
async def test_a_v2_not_found_has_the_contract_s_text(client: Mesh, path: str) -> None:
    params, reason, message = ABSENT[path]
    answer = await ask(client, path, params)
    assert (answer.status, answer.json) == (404, refused("not_found", reason or message, message))


async def test_an_unidentified_person_is_a_not_found_in_the_v2_quotient_only(client: Mesh) -> None:
    text = "Les paramètres d'identité fournis ne correspondent à aucune personne connue du fournisseur de données."
    told = [await ask(client, path, cnav("Nemo")) for path in (QF, C2S)]
    assert [(answer.status, answer.json) for answer in told] == [
        (400, refused("not_found", text)),
        (400, refused("bad_request", text)),
    ]


@pytest.mark.parametrize("path", PATHS)
async def test_scopes_of_another_resource_are_401_in_v2(client: Mesh, path: str) -> None:
    others = {scope for other in PATHS.values() if other is not PATHS[path] for scope in other.scopes}
    answer = await ask(client, path, None, *others)
    assert (answer.status, answer.json["error"]) == (401, "access_denied")


@pytest.mark.parametrize(("path", "scope"), [
    (MESRI, "mesri_admissions"),
    (MEN, "men_statut_identite"),
    (MEN, "men_statut_etablissement"),
    (SITUATION, "pole_emploi_identifiant"),
])  # fmt: skip
async def test_scopes_of_v3_only_open_no_v2_path(client: Mesh, path: str, scope: str) -> None:
    assert (await ask(client, path, None, scope)).status == 401


@pytest.mark.parametrize("path", PATHS)
async def test_the_v2_recipient_is_the_habilitation_s_unless_given(client: Mesh, path: str) -> None:
    assert (await ask(client, path, PATHS[path].params | {"recipient": "35600000000001"})).status == 200
    answer = await ask(client, path, PATHS[path].params | {"recipient": "1"})
    assert (answer.status, answer.json) == (
        400,
        refused("bad_request", "Le paramètre recipient n'est pas un siret valide"),
    )


@pytest.mark.parametrize("path", BY_SESSION)
async def test_the_v2_recipient_is_mandatory_by_session(client: Mesh, path: str) -> None:
    let_in(client, "jeton-v2", *PATHS[path].scopes)
    answer = await client.get(path, token="jeton-v2")
    assert (answer.status, answer.json["error"]) == (400, "bad_request")


@pytest.mark.parametrize("path", BY_SESSION)
async def test_a_token_of_ours_as_v2_bearer_is_not_a_session(client: Mesh, path: str) -> None:
    """Tests that version 2 takes any bearer for a FranceConnect session: a caller's token sent as one is refused,
    because FranceConnect does not know it (docs/contract.md, D10)."""
    answer = await client.get(path, PATHS[path].params, token=token(*PATHS[path].scopes))
    assert (answer.status, answer.json["error"]) == (401, "access_denied")


@pytest.mark.parametrize("path", [path for path in PATHS if not PATHS[path].sessions])
async def test_a_v2_path_without_session_accepts_a_token_as_bearer(client: Mesh, path: str) -> None:
    answer = await client.get(path, PATHS[path].params, token=token(*PATHS[path].scopes, siret=RECIPIENT))
    assert answer.status == 200


@pytest.mark.parametrize("path", PATHS)
async def test_a_v2_call_without_token_is_401(client: Mesh, path: str) -> None:
    answer = await client.get(path, PATHS[path].params, token="")
    assert (answer.status, answer.json) == (
        401,
        refused("access_denied", "Votre token n'est pas renseigné"),
    )


@pytest.mark.parametrize("path", BY_SESSION)
async def test_an_expired_session_is_401_in_v2(client: Mesh, path: str) -> None:
    answer = await as_citizen(client, path, "jeton-de-personne")
    assert (answer.status, answer.json) == (
        401,
        refused("access_denied", "Le jeton d'accès n'a pas été trouvé ou est expiré."),
    )


# Documents


async def test_openapi_has_one_operation_for_each_v2_path(client: Mesh) -> None:
    document = (await client.get("/api/openapi.json", token="")).json
    for path, known in PATHS.items():
        get = document["paths"][path]["get"]
        assert (get["operationId"], get["deprecated"]) == (known.folder, True)
        assert [*itertools.chain(*get["security"])] == ["apiKey", *(["franceConnectToken"] if known.sessions else [])]
        asked = {parameter["name"]: parameter["required"] for parameter in get["parameters"]}
        assert {*known.params, "recipient"} <= asked.keys()
        assert not asked["recipient"]
        reference = get["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
        assert known.fields <= schema["properties"].keys()
