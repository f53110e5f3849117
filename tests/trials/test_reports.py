"""Unusual inputs from public reports of practitioners, sent to `make demo`. A letter and a number name a report;
persons are invented."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest

from bouquet_cnous.personas import academic_year
from bouquet_worker import paris_today
from tests.clients.documents import suspects
from tests.trials.harness.ask import RECIPIENT, Answer, Demo, demo_in

HERE = Path(__file__).parent
QF = "/v3/dss/quotient_familial/identite"
MESRI, CNOUS = "/v3/mesri/statut_etudiant/identite", "/v5/cnous/etudiant_boursier/identite"
MEN = "/v5/men/scolarites/identite"
BENEFITS = (
    "complementaire_sante_solidaire",
    "revenu_solidarite_active",
    "prime_activite",
    "allocation_adulte_handicape",
    "allocation_soutien_familial",
    "allocation_enfant_handicape",
    "allocation_rentree_scolaire",
    "participation_familiale_eaje",
)
MAELYS: dict[str, Any] = {
    "nomNaissance": "LE GOUADEC",
    "prenoms": ["Maëlys", "Inès"],
    "sexeEtatCivil": "F",
    "anneeDateNaissance": 1989,
    "moisDateNaissance": 6,
    "jourDateNaissance": 14,
    "codeCogInseePaysNaissance": "99100",
    "codeCogInseeCommuneNaissance": "29019",
}
STUDENT = {
    "nomNaissance": "LE GOFF",
    "sexeEtatCivil": "F",
    "anneeDateNaissance": 2005,
    "moisDateNaissance": 6,
    "jourDateNaissance": 17,
}
PUPIL = {
    "nomNaissance": "KERVADEC",
    "sexeEtatCivil": "F",
    "anneeDateNaissance": 2012,
    "moisDateNaissance": 3,
    "jourDateNaissance": 14,
    "anneeScolaire": "2025-2026",
    "codeEtablissement": "0359417N",
}


COMMUNE = "codeCogInseeCommuneNaissance"
IN_FRANCE = {"codeCogInseePaysNaissance": "99100"}


def person(nom: str, prenoms: list[str], sexe: str, year: int, month: int, day: int) -> dict[str, Any]:
    born = {"anneeDateNaissance": year, "moisDateNaissance": month, "jourDateNaissance": day}
    return {"nomNaissance": nom, "prenoms": prenoms, "sexeEtatCivil": sexe} | born


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo_in(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


def refused(answer: Answer, code: str) -> bool:
    """Reports whether the demo refused a call with a 422 and this error code alone, before any provider received a
    request."""
    return (answer.status, answer.codes, answer.sent) == (422, [code], [])


# A1: malformed nom d'usage; A2: typographic apostrophes; A3: decomposed accents


@pytest.mark.parametrize("text", ["MARCHAND?LEROUX", "Marchand, Leroux", "ST.AUBIN", "LEROUX2", "(veuve) LEROUX"])
def test_a1_a_malformed_nom_usage_is_refused(demo: Demo, text: str) -> None:
    assert refused(demo.ask(QF, MAELYS | {"nomUsage": text}), "00426")


@pytest.mark.parametrize("benefit", BENEFITS)
def test_a1_a_malformed_nom_usage_is_refused_for_every_benefit(demo: Demo, benefit: str) -> None:
    answer = demo.ask(f"/v3/dss/{benefit}/identite", MAELYS | {"nomUsage": "MARCHAND?LEROUX"})
    assert refused(answer, "00426")


@pytest.mark.parametrize("text", ["DE L'ÉTANG-LEROUX", "", " "])
def test_a1_a_valid_or_absent_nom_usage_is_accepted(demo: Demo, text: str) -> None:
    assert demo.ask(QF, MAELYS | {"nomUsage": text}).status == 200


@pytest.mark.parametrize("mark", "’‘ʼ′`´")
def test_a2_typographic_apostrophes_are_accepted(demo: Demo, mark: str) -> None:
    answer = demo.ask(QF, MAELYS | {"nomUsage": f"D{mark}AUBIGNY"})
    assert {one["nomUsage"] for one in answer.words} == {"D'AUBIGNY"}
    assert answer.status == 200


def test_a2_typographic_apostrophes_are_accepted_in_birth_and_first_names(demo: Demo) -> None:
    birth = demo.ask(QF, MAELYS | {"nomNaissance": "L’HERMINE"})
    first = demo.ask(QF, MAELYS | {"prenoms": ["M’Barek"]})
    assert birth.end == first.end == (422, ["35560"])  # no person has this name
    assert {one["nomNaissance"] for one in birth.words} == {"L'HERMINE"}
    assert {one["listePrenoms"] for one in first.words} == {"M'Barek"}


@pytest.mark.parametrize(
    ("path", "params"),
    [
        (QF, MAELYS),
        (MESRI, STUDENT | {"prenoms": ["Maïwenn"]}),
        (CNOUS, STUDENT | {"prenoms": ["Maïwenn", "Rozenn"]}),
        (MEN, PUPIL | {"prenoms": ["Maëline"]}),
    ],
    ids=["DSS", "MESRI", "Cnous", "MEN"],
)
def test_a3_decomposed_accents_are_accepted(demo: Demo, path: str, params: dict[str, Any]) -> None:
    whole, apart = (
        demo.ask(path, params | {"prenoms": [normalize(form, name) for name in params["prenoms"]]})
        for form in ("NFC", "NFD")
    )
    assert (whole.status, apart.status) == (200, 200)
    assert whole.words == apart.words != []


def test_a3_decomposed_accents_of_france_connect_are_accepted(demo: Demo) -> None:
    answers = []
    for form in ("NFC", "NFD"):
        demo.citizen(f"essai-{form}", like="jeton-maiwenn", given_names=[normalize(form, "Maïwenn"), "Rozenn"])
        answers.append(demo.ask("/v3/mesri/statut_etudiant/france_connect", token=f"essai-{form}"))
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].words == answers[1].words != []


# K3: a provider finds a known person however a device spells the name

KNOWN: dict[str, tuple[str, dict[str, Any]]] = {
    "quotient": (QF, person("D'ARTIGUELOUVE", ["Clarisse"], "F", 1983, 4, 30) | IN_FRANCE | {COMMUNE: "64445"}),
    "AAH, by a name of use": (
        "/v3/dss/allocation_adulte_handicape/identite",
        person("SAUVEPLANE", ["Noémie"], "F", 1988, 10, 1) | IN_FRANCE | {COMMUNE: "48095", "nomUsage": "L'HERMINIER"},
    ),
    "student": (MESRI, person("OUEDRAOGO-BLIN", ["Aïssata"], "F", 1984, 12, 30)),
    "scholarship": (CNOUS, person("OUEDRAOGO-BLIN", ["Aïssata"], "F", 1984, 12, 30)),
    "pupil": (MEN, PUPIL | {"prenoms": ["Maëline"]}),
}
SPELLINGS: dict[str, Callable[[str], str]] = {
    "accents in two pieces": lambda text: normalize("NFD", text),
    "signs of a word processor": lambda text: text.translate({ord("'"): "’", ord("-"): "‐"}),
    "spaces around": lambda text: f" \u00a0{text}\u2009",
    "a soft hyphen": lambda text: f"{text[:2]}\u00ad{text[2:]}",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("story", KNOWN)
def test_k3_a_person_is_found_however_a_device_spells_the_name(demo: Demo, story: str, spelling: str) -> None:
    path, plain = KNOWN[story]
    spelt = SPELLINGS[spelling]
    written = {
        name: [spelt(one) for one in value] if isinstance(value, list) else spelt(value)
        for name, value in plain.items()
        if isinstance(value, list | str)
    }
    answers = [demo.ask(path, params) for params in (plain, plain | written)]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].words == answers[1].words != []


# A4 to A7: identities of FranceConnect, which the citizen cannot correct

BY_SESSION = (
    "/v3/dss/quotient_familial/france_connect",
    "/v3/mesri/statut_etudiant/france_connect",
    "/v4/cnous/etudiant_boursier/france_connect",
)
ORNANU = {"gender": "male", "family_name": "ORNANU", "given_names": ["Ghjuvan"], "birthdate": "1960-05-09"}
BOINALI = {"gender": "male", "family_name": "BOINALI", "given_names": ["Anrif"], "birthdate": "2006-04-02"}
ABROAD = {"birthcountry": "99352"}
CITIZENS: dict[str, tuple[dict[str, Any], tuple[str, str, str]]] = {
    "A4 a sex that is not told": ({"like": "jeton-maiwenn", "gender": "unspecified"}, ("35560", "51564", "")),
    "A4 no gender": ({"like": "jeton-maiwenn", "changed_claims": {"gender": None}}, ("35560", "51564", "")),
    "A5 abroad, a town": ({"like": "jeton-aissata", **ABROAD, "birthplace": "Oran"}, ("35560", "", "")),
    "A5 abroad, a code": ({"like": "jeton-aissata", **ABROAD, "birthplace": "90900"}, ("35560", "", "")),
    "A5 in France, no place": ({"changed_claims": {"birthplace": None}}, ("", "25003", "26003")),
    "A6 Ajaccio in 1960": (ORNANU | {"birthplace": "20004"}, ("35560", "25003", "26003")),
    "A7 Mamoudzou in 2006": (BOINALI | {"birthplace": "98511"}, ("35560", "25003", "26003")),
}
"""FranceConnect identities from the reports, by the report's name. Each gives the changes to a known citizen's
identity, and the error codes expected from DSS, MESRI and Cnous, in this order. An empty code stands for an answer with
data."""
UNUSABLE = "51564"
STATUSES = {"": 200, UNUSABLE: 422, "35560": 422, "25003": 404, "26003": 404}
SEX_FIELDS, PLACE_FIELDS = {"genre", "sexe", "gender"}, {"codeLieuNaissance", "lieuNaissance", "birthplace"}


@pytest.mark.parametrize("number", range(len(BY_SESSION)), ids=["DSS", "MESRI", "Cnous"])
@pytest.mark.parametrize("story", CITIZENS)
def test_a4_to_a7_no_citizen_is_refused_by_the_code_of_a_field(demo: Demo, story: str, number: int) -> None:
    """Tests that a call with an unusual FranceConnect identity gets the provider's answer, or the error for an unusable
    identity, but never an error about one parameter."""
    told, codes = CITIZENS[story]
    code = codes[number]
    demo.citizen("essai", **told)
    answer = demo.ask(BY_SESSION[number], token="essai")
    assert answer.end == (STATUSES[code], [code] if code else [])
    assert bool(answer.sent) == (code != UNUSABLE)
    if story.startswith("A4"):
        assert not any(one.get(name) for one in answer.words for name in SEX_FIELDS)
    if told.get("birthcountry") == "99352":
        assert not any(one.get(name) for one in answer.words for name in PLACE_FIELDS)
    if story.startswith(("A6", "A7")):
        places = {one[name] for one in answer.words for name in PLACE_FIELDS if one.get(name)}
        assert places == {told["birthplace"]}


# A6 to A10: places of birth

OLD = {
    "nomNaissance": "ORNANU",
    "prenoms": ["Ghjuvan"],
    "sexeEtatCivil": "M",
    "anneeDateNaissance": 1960,
    "moisDateNaissance": 5,
    "jourDateNaissance": 9,
}
YOUNG = {
    "nomNaissance": "BOINALI",
    "prenoms": ["Anrif"],
    "sexeEtatCivil": "M",
    "moisDateNaissance": 4,
    "jourDateNaissance": 2,
}


def test_a6_corsica_s_communes_have_the_code_of_their_time(demo: Demo) -> None:
    """Tests that MESRI receives the code `20004`, which Ajaccio had before 1976, if a caller names this commune for a
    person born then. A caller who sends the code `20004` itself is refused."""
    place = {"nomCommuneNaissance": "Ajaccio", "codeCogInseeDepartementNaissance": "2A"}
    student, quotient = demo.ask(MESRI, OLD | place), demo.ask(QF, OLD | place | IN_FRANCE)
    assert (student.end, quotient.end) == ((404, ["25003"]), (422, ["35560"]))  # no person of the demo is born there
    assert [one["lieuNaissance"] for one in student.words] == ["20004"]
    assert {(one["villeNaissance"], one["depNaissance"]) for one in quotient.words} == {("Ajaccio", "2A")}
    for path, country in ((QF, "99100"), (MESRI, None)):
        typed = {"codeCogInseeCommuneNaissance": "20004", "codeCogInseePaysNaissance": country}
        assert refused(demo.ask(path, OLD | typed), "00365")


@pytest.mark.parametrize(
    ("name", "departement", "year", "code"),
    [
        ("Mamoudzou", "976", 2006, "98511"),
        ("Mamoudzou", "976", 2015, "97611"),
        ("Saint-Martin", "971", 2004, "97127"),
        ("Saint-Barthélemy", "971", 2001, "97123"),
    ],
)
@pytest.mark.parametrize(("path", "nobody"), [(MESRI, "25003"), (CNOUS, "26003")], ids=["MESRI", "Cnous"])
def test_a7_a_commune_overseas_has_the_code_of_its_time(
    demo: Demo, path: str, nobody: str, name: str, departement: str, year: int, code: str
) -> None:
    place = {"nomCommuneNaissance": name, "codeCogInseeDepartementNaissance": departement}
    answer = demo.ask(path, YOUNG | place | {"anneeDateNaissance": year})
    assert answer.end == (404, [nobody])
    [asked] = answer.words
    assert (asked.get("lieuNaissance") or asked.get("birthPlace")) == code


@pytest.mark.parametrize(
    ("name", "departement", "year", "code"),
    [
        ("Paris", "62", 2005, "00365"),
        ("Dives", "14", 2007, "00365"),
        ("Gennevilliers", "29", 2007, "00365"),
        ("Kimper", "29", 2007, "00365"),
        ("Saint-Martin", "62", 2007, "00365"),
        ("Saint-Martin", "978", 2010, "00428"),
        ("Nouméa", "988", 2004, "00428"),
    ],
)
@pytest.mark.parametrize("path", [MESRI, CNOUS], ids=["MESRI", "Cnous"])
def test_a8_a9_an_unresolvable_place_is_refused_without_asking_the_provider(
    demo: Demo, path: str, name: str, departement: str, year: int, code: str
) -> None:
    place = {"nomCommuneNaissance": name, "codeCogInseeDepartementNaissance": departement}
    assert refused(demo.ask(path, YOUNG | place | {"anneeDateNaissance": year}), code)


REMI = {
    "nomNaissance": "CASTAGNOS",
    "prenoms": ["Rémi", "Gaston"],
    "sexeEtatCivil": "M",
    "anneeDateNaissance": 1978,
    "moisDateNaissance": 9,
    "jourDateNaissance": 3,
    "codeCogInseePaysNaissance": "99100",
}


@pytest.mark.parametrize("benefit", ["quotient_familial", "allocation_adulte_handicape", "allocation_enfant_handicape"])
def test_a10_the_hub_is_asked_without_a_place_or_a_sex(demo: Demo, benefit: str) -> None:
    path = f"/v3/dss/{benefit}/identite"
    country_alone = demo.ask(path, REMI)
    no_sex = demo.ask(path, MAELYS | {"sexeEtatCivil": None})
    assert (country_alone.status, no_sex.status) == (200, 200)
    assert not any(one.keys() & {"codeLieuNaissance", "villeNaissance", "depNaissance"} for one in country_alone.words)
    assert not any("genre" in one for one in no_sex.words)


@pytest.mark.parametrize("benefit", ["quotient_familial", "allocation_adulte_handicape", "allocation_enfant_handicape"])
def test_a10_a_commune_name_without_departement_is_sent(demo: Demo, benefit: str) -> None:
    answer = demo.ask(f"/v3/dss/{benefit}/identite", REMI | {"nomCommuneNaissance": "Auch"})
    assert answer.end == (200, [])
    assert {one["villeNaissance"] for one in answer.words} == {"Auch"}


@pytest.mark.parametrize("year", ["14", "89"])
def test_a_year_of_two_digits_is_refused(demo: Demo, year: str) -> None:
    assert refused(demo.ask(QF, MAELYS | {"anneeDateNaissance": year, "jourDateNaissance": None}), "00363")


# A11, A15: the contract of October 2026


def test_a11_the_errors_of_an_unknown_operation_are_a_404(demo: Demo) -> None:
    absent = demo.get("/api/errors?operation_id=api_particulier_v3_nope", {})
    every = demo.get("/api/errors", {})
    assert (absent.end, every.end) == ((404, ["00404"]), (200, []))
    assert every.headers["cache-control"] == "public, max-age=3600"


@pytest.mark.parametrize(("later", "end"), [(0, (200, [])), (1, (404, ["26003"]))])
def test_a15_a_campaign_is_not_refused_for_its_year(demo: Demo, later: int, end: tuple[int, list[str]]) -> None:
    """Tests that a call may ask for the campaign of this year or of the next one: in both cases, the provider receives
    the request."""
    year = academic_year(paris_today()) + later
    answer = demo.ask("/v4/cnous/etudiant_boursier/ine", {"ine": "050617293HK", "campaignYear": year})
    assert (answer.end, answer.words) == (end, [{"campaignYear": str(year)}])


def test_a15_a_month_is_of_the_last_two_years(demo: Demo) -> None:
    inside, outside = (months_ago(count, paris_today()) for count in (23, 24))
    asked = [demo.ask(QF, MAELYS | {"annee": year, "mois": month}) for year, month in (inside, outside)]
    assert asked[0].status == 200
    assert refused(asked[1], "00355")


@pytest.mark.parametrize(
    ("modality", "params", "end"),
    [
        ("ine", {"ine": "050617293HK"}, (200, [])),
        ("identite", {}, (422, ["00420", "00421", "00422"])),
        ("france_connect", {}, (401, ["51502"])),
    ],
)
def test_a15_version_5_of_scholarships_is_offered(
    demo: Demo, modality: str, params: dict[str, str], end: tuple[int, list[str]]
) -> None:
    assert demo.ask(f"/v5/cnous/etudiant_boursier/{modality}", params).end == end


def test_a15_the_allocation_de_rentree_scolaire_is_offered(demo: Demo) -> None:
    answer = demo.ask("/v3/dss/allocation_rentree_scolaire/identite", MAELYS)
    assert (answer.status, answer.body["data"].keys()) == (200, {"status", "date_debut_droit"})


def test_a15_a_missing_and_a_wrong_token_have_different_texts(demo: Demo) -> None:
    path = f"{QF}?recipient={RECIPIENT}"
    none, wrong = demo.get(path, {}), demo.get(path, {"Authorization": "Bearer a.b.c"})
    assert none.end == wrong.end == (401, ["00101"])
    assert [answer.body["errors"][0]["detail"] for answer in (none, wrong)] == [
        "Votre token n'est pas renseigné",
        "Votre token n'est pas valide",
    ]


def months_ago(count: int, today: date) -> tuple[int, int]:
    months = today.year * 12 + today.month - 1 - count
    return months // 12, months % 12 + 1


# D: what the hub refuses, and a file without a quotient

CADOUDAL = ["CADOUDAL", "MAELYS INES", "1989-06-14", "F"]


@pytest.mark.parametrize(
    ("code", "status", "told"),
    [(40029, 422, "35565"), (40000, 502, "35000"), (40024, 502, "35000"), (40013, 422, "35561"), (40003, 422, "35561")],
)
def test_d_a_refusal_of_the_hub_has_the_code_of_the_party_at_fault(
    demo: Demo, code: int, status: int, told: str
) -> None:
    """Tests that a refusal of the hub, the API that CAF and MSA share, becomes a 502 if the hub is at fault and a 422
    if the caller is. A wrong period has an error code of its own."""
    for fund in ("cnaf", "msa"):
        demo.make_hub_answer(fund, CADOUDAL, status=400, code=code)
    assert demo.ask(QF, MAELYS | {"nomNaissance": "CADOUDAL"}).end == (status, [told])


def test_d_a_file_without_quotient_is_a_provider_error(demo: Demo) -> None:
    somebody = {
        "nomNaissance": "KERGOAT",
        "listePrenoms": "MAELYS INES",
        "dateNaissance": "1989-06-14",
        "genre": "F",
    }
    body = {"allocataires": [somebody], "enfants": [], "adresse": {"codePostalVille": "29200 BREST"}}
    demo.make_hub_answer("cnaf", ["KERGOAT", "MAELYS INES", "1989-06-14", "F"], body=body)
    demo.citizen("essai-adresse", family_name="KERGOAT", scopes="openid cnaf_enfants cnaf_adresse")
    answer = demo.ask("/v3/dss/quotient_familial/france_connect", token="essai-adresse")
    assert (answer.status, answer.codes) == (502, ["23502"])


# A13, D: bytes on a connection

PING, END, LAST = b"GET /api/ping HTTP/1.1\r\nHost: x\r\n", b"\r\n", b"Connection: close\r\n\r\n"


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c", b"TLS/1.0", b"autre"])
def test_a13_a_request_with_an_unaccepted_upgrade_is_answered(demo: Demo, protocol: bytes) -> None:
    upgrade = PING + b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n" + END
    assert demo.raw(upgrade + PING + LAST) == ["200", "200"]


@pytest.mark.parametrize("delay_s", [0.0, 0.05])
def test_d_utf8_letters_in_a_request_line_are_read_however_they_are_split(demo: Demo, delay_s: float) -> None:
    names = "&".join(f"{name}={value}" for name, value in MAELYS.items() if name != "prenoms").replace(" ", "+")
    head = (
        f"GET {QF}?recipient={RECIPIENT}&{names}&prenoms[]=Maëlys&prenoms[]=Inès HTTP/1.1\r\n"
        f"Host: x\r\nAuthorization: Bearer {demo.token}\r\n"
    ).encode()
    at = head.index("ë".encode())
    assert demo.raw(head + LAST, delay_s=delay_s) == ["200"]
    assert demo.raw(head[:at], head[at:] + LAST, delay_s=delay_s, gap_s=0.2) == ["200"]
    assert demo.raw(PING + END + head + LAST, delay_s=delay_s) == ["200", "200"]


def test_d_an_incomplete_request_head_does_not_hold_a_connection(demo: Demo) -> None:
    with ThreadPoolExecutor(2) as threads:
        held = [threads.submit(demo.raw, PING, delay_s=delay_s) for delay_s in (0.0, 0.05)]
        assert [one.result() for one in held] == [[], []]


# A14: case files


def test_a14_a_value_that_yaml_converts_is_reported_with_its_line() -> None:
    program = Path(sys.executable).parent / "bouquet-worker"
    told = subprocess.run([program, "check-cases", HERE / "a14_cases"], stdout=subprocess.PIPE, text=True)
    found = dict(re.findall(r"/(404_\w+)\.yaml: .*?((?:line \d+.*?quote it(?:; )?)+)", told.stdout))
    lines = {name: [int(line) for line in re.findall(r"line (\d+)", words)] for name, words in found.items()}
    assert lines == {
        "404_octal": [3],
        "404_no": [3],
        "404_07_010": [7],
        "404_08_09": [6, 7],
        "404_08_012": [6, 7],
    }
    assert told.returncode == 1


# A12: client generators read the document


def test_a12_no_response_has_two_objects_of_one_title_or_a_null_schema(demo: Demo) -> None:
    assert list(suspects(demo.get("/api/openapi.json", {}).body)) == []
