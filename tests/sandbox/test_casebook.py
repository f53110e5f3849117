"""Tests that the sandbox chooses the right case for a call, and makes the same checks as production
(docs/reference/contract.md §6)."""

from __future__ import annotations

import json
import logging
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bouquet_casebook.cases import Casebook
from bouquet_casebook.serve import sandbox
from bouquet_mesh.settings import SettingsError
from tests.sandbox.folders import Folder, error, found
from tests.support.sandbox_gateway import OURS, Answer, query_of, sandbox_at, token

QUOTIENT = "api_particulier_v3_cnav_quotient_familial_with_civility"
C2S = "api_particulier_v3_cnav_complementaire_sante_solidaire_with_civility"
RSA = "api_particulier_v3_cnav_revenu_solidarite_active_with_civility"
STUDENT = "api_particulier_v3_mesri_statut_etudiant_with_civility"
SCHOLARSHIP = "api_particulier_v4_cnous_etudiant_boursier_with_civility"
SCHOLARSHIP_BY_FRANCE_CONNECT = "api_particulier_v4_cnous_etudiant_boursier_with_france_connect"
PUPIL = "api_particulier_v3_men_scolarites_with_civility"
JOBSEEKER = "api_particulier_v3_france_travail_statut_with_identifiant"

ELOISE: dict[str, Any] = {
    "nomNaissance": "PRÉVÔT-LEÛ",
    "prenoms": ["Éloïse", "Marthe"],
    "anneeDateNaissance": 1990,
    "moisDateNaissance": 6,
    "jourDateNaissance": 9,
    "sexeEtatCivil": "F",
    "codeCogInseePaysNaissance": "99100",
    "codeCogInseeCommuneNaissance": "2A004",
}
ABROAD = {**ELOISE, "codeCogInseePaysNaissance": "99351"}
ABROAD.pop("codeCogInseeCommuneNaissance")
UNDATED = {name: value for name, value in ELOISE.items() if not name.endswith("DateNaissance")}
STUDYING = {name: value for name, value in ELOISE.items() if name != "codeCogInseePaysNaissance"}
AT_SCHOOL = {
    **{name: value for name, value in STUDYING.items() if name != "codeCogInseeCommuneNaissance"},
    "codeEtablissement": "0290001Z",
    "anneeScolaire": "2025",
}
THE_CASE, THE_DEFAULT = found({"mark": "the case"}), error("35003")


async def answer_from(root: Path, operation_id: str, case: dict[str, Any], asked: dict[str, Any]) -> Answer:
    folder = Folder(root, operation_id)
    folder.add("200.yaml", case, THE_CASE)
    folder.add("404.yaml", {}, THE_DEFAULT, 404)
    async with sandbox_at(root) as client:
        return await client.ask(operation_id, asked)


SAME = [
    pytest.param(QUOTIENT, ELOISE, ELOISE, id="the very same"),
    pytest.param(QUOTIENT, ELOISE, ELOISE | {"nomNaissance": "prévôt-leÛ"}, id="letter case of the question"),
    pytest.param(QUOTIENT, ELOISE | {"prenoms": ["ÉLOÏSE", "marthe"]}, ELOISE, id="letter case of the case"),
    pytest.param(QUOTIENT, ELOISE, ELOISE | {"sexeEtatCivil": "f"}, id="letter case of the sex"),
    pytest.param(QUOTIENT, ELOISE, ELOISE | {"moisDateNaissance": "06"}, id="a padded month is a number"),
    pytest.param(QUOTIENT, ELOISE | {"moisDateNaissance": "6"}, ELOISE, id="numbers and texts are written alike"),
    pytest.param(QUOTIENT, ELOISE, ELOISE | {"couleur": "vert", "ine": "051121032HA"}, id="what is not asked for"),
    pytest.param(QUOTIENT, ELOISE, ELOISE | {"token": "x"}, id="a token in the query"),
    pytest.param(QUOTIENT, ABROAD, ABROAD | {"codeCogInseeCommuneNaissance": "2A004"}, id="a commune, born abroad"),
    pytest.param(QUOTIENT, UNDATED, UNDATED, id="no date of birth"),
    pytest.param(QUOTIENT, UNDATED, UNDATED | {"jourDateNaissance": 9}, id="a day without a month"),
    pytest.param(QUOTIENT, ELOISE | {"nomUsage": "LEÛ"}, ELOISE | {"nomUsage": "leû"}, id="a name of use"),
    pytest.param(QUOTIENT, ELOISE, ELOISE | {"nomNaissance": " PRÉVÔT‐LEÛ"}, id="another hyphen, a space before"),
    pytest.param(QUOTIENT, ELOISE | {"annee": 2026}, ELOISE | {"annee": "2026"}, id="a year"),
    pytest.param(STUDENT, STUDYING, STUDYING, id="student"),
    pytest.param(STUDENT, STUDYING, ELOISE, id="a country, where none is asked for"),
    pytest.param(SCHOLARSHIP, STUDYING | {"campaignYear": "2024"}, STUDYING | {"campaignYear": 2024}, id="campaign"),
    pytest.param(PUPIL, AT_SCHOOL, AT_SCHOOL | {"sexeEtatCivil": "f"}, id="pupil"),
    pytest.param(JOBSEEKER, {"identifiant": "1234567"}, {"identifiant": 1234567}, id="identifier"),
    pytest.param(JOBSEEKER, {"identifiant": 1234567}, {"identifiant": "1234567"}, id="identifier, a number"),
]
OTHER = [
    pytest.param(QUOTIENT, ELOISE, ELOISE | {"nomNaissance": "PREVOT-LEU"}, id="accents"),
    pytest.param(QUOTIENT, ELOISE, ELOISE | {"nomNaissance": "PRÉVÔT LEÛ"}, id="a hyphen"),
    pytest.param(QUOTIENT, ELOISE, ELOISE | {"nomNaissance": "PRÉVÔT- LEÛ"}, id="a space"),
    pytest.param(QUOTIENT, ELOISE, ELOISE | {"prenoms": ["Marthe", "Éloïse"]}, id="order of first names"),
    pytest.param(QUOTIENT, ELOISE, ELOISE | {"prenoms": ["Éloïse"]}, id="a first name less"),
    pytest.param(QUOTIENT, ELOISE, ELOISE | {"prenoms": ["Éloïse", "Marthe", "Ève"]}, id="a first name more"),
    pytest.param(QUOTIENT, ELOISE, UNDATED, id="a date less"),
    pytest.param(QUOTIENT, UNDATED, ELOISE, id="a date more"),
    pytest.param(QUOTIENT, ELOISE, ELOISE | {"nomUsage": "LEÛ"}, id="a name of use more"),
    pytest.param(QUOTIENT, ELOISE, ELOISE | {"nomUsage": ""}, id="a blank name of use more"),
    pytest.param(QUOTIENT, ELOISE | {"annee": 2026}, ELOISE, id="a year less"),
    pytest.param(QUOTIENT, ELOISE, ELOISE | {"codeCogInseeCommuneNaissance": "2B033"}, id="another commune"),
    pytest.param(QUOTIENT, ELOISE | {"moisDateNaissance": "06"}, ELOISE, id="a case's padded month"),
    pytest.param(SCHOLARSHIP, STUDYING, STUDYING | {"campaignYear": 2024}, id="a campaign more"),
    pytest.param(PUPIL, AT_SCHOOL, AT_SCHOOL | {"anneeScolaire": "2025-2026"}, id="the year written otherwise"),
    pytest.param(JOBSEEKER, {"identifiant": "0123"}, {"identifiant": "123"}, id="zeros of an identifier"),
]


@pytest.mark.parametrize(("operation_id", "case", "asked"), SAME)
async def test_a_question_with_the_parameters_of_a_case_gets_it(
    operation_id: str, case: dict[str, Any], asked: dict[str, Any], tmp_path: Path
) -> None:
    answer = await answer_from(tmp_path, operation_id, case, asked)
    assert (answer.status, answer.body) == (200, THE_CASE)


@pytest.mark.parametrize(("operation_id", "case", "asked"), OTHER)
async def test_a_question_with_other_parameters_does_not_get_the_case(
    operation_id: str, case: dict[str, Any], asked: dict[str, Any], tmp_path: Path
) -> None:
    answer = await answer_from(tmp_path, operation_id, case, asked)
    assert (answer.status, answer.body) == (404, THE_DEFAULT)


async def test_a_default_case_with_parameters_also_answers_them(tmp_path: Path) -> None:
    Folder(tmp_path, QUOTIENT).add("404.yaml", ELOISE, THE_DEFAULT, 404)
    async with sandbox_at(tmp_path) as client:
        assert [(await client.ask(QUOTIENT, who)).body for who in (ELOISE, ABROAD)] == [THE_DEFAULT, THE_DEFAULT]


async def test_an_operation_without_a_folder_answers_with_its_own_absence(tmp_path: Path) -> None:
    async with sandbox_at(tmp_path) as client:
        answer = await client.ask(PUPIL, AT_SCHOOL)
    assert (answer.status, answer.body["errors"][0]["code"]) == (404, "30003")


async def test_the_first_names_of_a_citizen_s_scholarship_are_one_text(tmp_path: Path) -> None:
    Folder(tmp_path, "france_connect").copy("jeanne.yaml")
    names = {"Jeanne, Lise": 200, "Lise, Jeanne": 404}
    for text, status in names.items():
        params = {
            "nomNaissance": "CASTAGNOS",
            "prenoms": text,
            "anneeDateNaissance": 2005,
            "moisDateNaissance": 11,
            "jourDateNaissance": 21,
            "sexeEtatCivil": "F",
            "codeCogInseeCommuneNaissance": "32013",
        }
        Folder(tmp_path, SCHOLARSHIP_BY_FRANCE_CONNECT).add("200.yaml", params, THE_CASE)
        async with sandbox_at(tmp_path) as client:
            answer = await client.ask(SCHOLARSHIP_BY_FRANCE_CONNECT, {}, citizen="jeton-jeanne")
        assert answer.status == status


async def test_a_new_file_is_a_case_at_once(tmp_path: Path) -> None:
    folder = Folder(tmp_path, JOBSEEKER)
    async with sandbox_at(tmp_path) as client:
        statuses = [(await client.ask(JOBSEEKER, {"identifiant": "a"})).status]
        file = folder.add("a.yml", {"identifiant": "a"}, THE_CASE)
        statuses.append((await client.ask(JOBSEEKER, {"identifiant": "a"})).status)
        folder.add("a.yml", {"identifiant": "a"}, error("24999"), 502)
        statuses.append((await client.ask(JOBSEEKER, {"identifiant": "a"})).status)
        file.unlink()
        statuses.append((await client.ask(JOBSEEKER, {"identifiant": "a"})).status)
    assert statuses == [404, 200, 502, 404]


async def test_a_new_session_file_counts_at_once(tmp_path: Path) -> None:
    async with sandbox_at(tmp_path) as client:
        before = await client.ask(SCHOLARSHIP_BY_FRANCE_CONNECT, {}, citizen="jeton-jeanne")
        Folder(tmp_path, "france_connect").copy("jeanne.yaml")
        after = await client.ask(SCHOLARSHIP_BY_FRANCE_CONNECT, {}, citizen="jeton-jeanne")
    assert (before.status, after.status) == (401, 404)


BROKEN = {
    "not YAML": "params: [",
    "not a mapping": "- 200",
    "no params": "status: 200\npayload: '{}'",
    "no status": "params: {}\npayload: '{}'",
    "a status that is none": "params: {}\nstatus: 1000\npayload: '{}'",
    "a payload that is no JSON": "params: {}\nstatus: 200\npayload: '{'",
    "a date that is none": "params: {naissance: 2001-13-01}\nstatus: 200\npayload: '{}'",
    "bytes": "params: {}\nstatus: 200\npayload: '\\x00\x07'",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
async def test_a_broken_case_file_is_logged_and_skipped(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Folder(tmp_path, JOBSEEKER)
    folder.write("broken.yaml", text)
    folder.add("whole.yaml", {"identifiant": "a"}, THE_CASE)
    async with sandbox_at(tmp_path) as client:
        with caplog.at_level(logging.WARNING, logger="bouquet_casebook"):
            answer = await client.ask(JOBSEEKER, {"identifiant": "a"})
    assert answer.body == THE_CASE
    [record] = [record for record in caplog.records if record.message == "case unreadable"]
    assert (record.__dict__["operation"], record.__dict__["file"]) == (JOBSEEKER, "broken.yaml")


async def test_an_unreadable_case_file_is_logged_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Folder(tmp_path, JOBSEEKER).write("a.yaml", "params:\n  identifiant: NO\nstatus: 200\npayload: '{}'")
    with caplog.at_level(logging.WARNING, logger="bouquet_casebook"):
        async with sandbox_at(tmp_path):
            [record] = [record for record in caplog.records if record.message == "case unreadable"]
    assert record.__dict__["file"] == "a.yaml"
    assert "line 2" in record.__dict__["error"]


async def test_a_folder_of_this_name_is_not_read_as_a_case(tmp_path: Path) -> None:
    folder = Folder(tmp_path, JOBSEEKER)
    (tmp_path / JOBSEEKER / "attic.yaml").mkdir()
    folder.add("whole.yaml", {"identifiant": "a"}, THE_CASE)
    async with sandbox_at(tmp_path) as client:
        assert (await client.ask(JOBSEEKER, {"identifiant": "a"})).status == 200


@pytest.mark.parametrize(
    ("scopes", "members"),
    [
        (["revenu_solidarite_active"], {"est_beneficiaire", "date_debut_droit"}),
        (["revenu_solidarite_active_majoration"], {"avec_majoration"}),
        (["revenu_solidarite_active_majoration", "cnaf_enfants"], {"avec_majoration"}),
        (None, {"est_beneficiaire", "date_debut_droit", "avec_majoration"}),
    ],
)
async def test_scopes_open_fields_as_in_production(scopes: list[str] | None, members: set[str]) -> None:
    """Tests that the sandbox answers with only the fields that the token's scopes allow, as production does and API
    Particulier's sandbox does not (docs/contract.md, B1)."""
    remi = {
        "nomNaissance": "CASTAGNOS",
        "prenoms": ["Rémi", "Gaston"],
        "anneeDateNaissance": 1978,
        "moisDateNaissance": 9,
        "jourDateNaissance": 3,
        "sexeEtatCivil": "M",
        "codeCogInseePaysNaissance": "99100",
        "codeCogInseeCommuneNaissance": "32013",
    }
    async with sandbox_at(OURS) as client:
        answer = await client.ask(RSA, remi, scopes=scopes)
    assert (answer.status, set(answer.body["data"])) == (200, members)


async def test_errors_are_shown_whole_whatever_the_scopes(tmp_path: Path) -> None:
    Folder(tmp_path, RSA).add("404.yaml", {}, THE_DEFAULT, 404)
    async with sandbox_at(tmp_path) as client:
        answer = await client.ask(RSA, ELOISE, scopes=["revenu_solidarite_active_majoration"])
    assert (answer.status, answer.body) == (404, THE_DEFAULT)


@pytest.mark.parametrize(("meta", "seconds"), [({"retry_in": 42}, "42"), ({"retry_in": "soon"}, None), ({}, None)])
async def test_a_case_with_a_time_to_retry_has_the_retry_after_header(
    meta: dict[str, Any], seconds: str | None, tmp_path: Path
) -> None:
    body = {"errors": [{"code": "24020", "title": "Maintenance", "detail": "Un détail", "meta": meta}]}
    Folder(tmp_path, JOBSEEKER).add("a.yaml", {"identifiant": "a"}, body, 503)
    async with sandbox_at(tmp_path) as client:
        answer = await client.ask(JOBSEEKER, {"identifiant": "a"})
    assert (answer.status, answer.headers.get("Retry-After")) == (503, seconds)
    assert answer.headers.keys() >= {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"}


async def test_without_a_scope_of_the_operation_nothing_is_shown() -> None:
    async with sandbox_at(OURS) as client:
        answer = await client.ask(RSA, ELOISE, scopes=["cnaf_quotient_familial"])
    assert (answer.status, answer.body["errors"][0]["code"]) == (403, "00100")


async def test_without_a_token_nothing_is_shown() -> None:
    async with sandbox_at(OURS) as client:
        answer = await client.get(f"/v3/dss/revenu_solidarite_active/identite?{query_of(ELOISE)}")
    assert (answer.status, answer.body["errors"][0]["code"]) == (401, "00101")


@pytest.mark.parametrize(
    ("operation_id", "asked", "codes"),
    [
        (QUOTIENT, ELOISE | {"nomNaissance": "R2D2"}, ["00420"]),
        (QUOTIENT, ELOISE | {"nomNaissance": "R2D2", "moisDateNaissance": 13}, ["00363", "00420"]),
        (QUOTIENT, ELOISE | {"annee": 1999, "mois": 13}, ["00356", "00354"]),
        (STUDENT, STUDYING | {"jourDateNaissance": 31}, ["00425"]),
        (PUPIL, AT_SCHOOL | {"codesBcnRegions": ["03"]}, ["00419"]),
        (JOBSEEKER, {}, ["00380"]),
    ],
)
async def test_parameters_are_refused_as_in_production(
    operation_id: str, asked: dict[str, Any], codes: list[str], tmp_path: Path
) -> None:
    """Tests that the sandbox refuses a call whose parameters break the rules, although a case has these parameters."""
    Folder(tmp_path, operation_id).add("200.yaml", asked, THE_CASE)
    async with sandbox_at(tmp_path) as client:
        answer = await client.ask(operation_id, asked)
    assert (answer.status, [error["code"] for error in answer.body["errors"]]) == (422, codes)


async def test_the_recipient_is_asked_for_as_in_production() -> None:
    async with sandbox_at(OURS) as client:
        headers = {"Authorization": f"Bearer {token()}"}
        answer = await client.get("/v3/france_travail/statut/identifiant?identifiant=kervennic.yann", headers)
    assert (answer.status, answer.body["errors"][0]["code"]) == (422, "00210")


async def test_the_sandbox_caches_nothing(tmp_path: Path) -> None:
    """Tests that a change of a case between two equal calls shows in the second answer."""
    folder = Folder(tmp_path, QUOTIENT)
    answers = []
    async with sandbox_at(tmp_path) as client:
        for mark in ("first", "second"):
            folder.add("200.yaml", ELOISE, found({"mark": mark}))
            answers.append(await client.ask(QUOTIENT, ELOISE))
    assert [answer.body["data"]["mark"] for answer in answers] == ["first", "second"]
    assert {answer.headers["X-Response-Cached"] for answer in answers} == {"false"}


@pytest.mark.parametrize("status", [200, 404, 502])
async def test_a_production_gateway_refuses_a_recorded_case(status: int, tmp_path: Path) -> None:
    folder = Folder(tmp_path, JOBSEEKER)
    folder.add("case.yaml", {"identifiant": "a"}, THE_CASE if status == 200 else error("24003"), status)
    async with sandbox_at(tmp_path, believes_cases=False) as client:
        answer = await client.ask(JOBSEEKER, {"identifiant": "a"})
    assert (answer.status, answer.body["errors"][0]["code"]) == (502, "24999")


def test_dates_of_a_case_follow_today_s_date(tmp_path: Path) -> None:
    text = "params: {identifiant: '{annee-1}', mois: {mois}}\nstatus: 200\npayload: '{\"rentree\": {rentree+1}}'"
    Folder(tmp_path, JOBSEEKER).write("dated.yaml", text)
    days = iter([date(2027, 3, 1), date(2027, 9, 1), date(2028, 1, 1)])
    casebook = Casebook(tmp_path, lambda: next(days))
    read = [casebook.folder(JOBSEEKER).cases[0] for _ in range(3)]
    assert [(*case.params.values(), json.loads(bytes(case.payload))["rentree"]) for case in read] == [
        ("2026", 3, 2027),
        ("2026", 9, 2028),
        ("2027", 1, 2028),
    ]


def test_a_folder_of_cases_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        sandbox.settings({"BOUQUET_CASEBOOK_CASES": str(tmp_path / "typo")})
    assert caught.value.problems == ["BOUQUET_CASEBOOK_CASES: is not a folder"]
