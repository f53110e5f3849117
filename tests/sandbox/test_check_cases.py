"""Tests of `bouquet-worker check-cases`, which reports the case files that no call can reach, and why."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bouquet_casebook.cases import read_case
from bouquet_casebook.check import check
from bouquet_casebook.serve import sandbox
from tests.sandbox.folders import Folder, error, found
from tests.sandbox.public import HERE, findings, reachable
from tests.support.sandbox_gateway import OURS

JOBSEEKER = "api_particulier_v3_france_travail_indemnites_with_identifiant"
RSA = "api_particulier_v3_cnav_revenu_solidarite_active_with_civility"
RSA_BY_FRANCE_CONNECT = "api_particulier_v3_cnav_revenu_solidarite_active_with_france_connect"
QUOTIENT = "api_particulier_v3_cnav_quotient_familial_with_civility"

RIGHT = found({"est_beneficiaire": True, "avec_majoration": False, "date_debut_droit": "2020-01-01"})
PAID = {
    "date_versement": "2024-01-01",
    "montant_total": 1,
    "montant_allocations": 1,
    "montant_aides": 0,
    "montant_autres": 0,
}
PAYMENTS = found({"identifiant": "a", "paiements": [PAID]})
THEODORE: dict[str, Any] = {
    "nomNaissance": "VAUZELLES",
    "prenoms": ["Théodore", "Paul"],
    "anneeDateNaissance": 1976,
    "moisDateNaissance": 12,
    "jourDateNaissance": 5,
    "sexeEtatCivil": "M",
    "codeCogInseePaysNaissance": "99100",
    "codeCogInseeCommuneNaissance": "03190",
}


def problems_in(root: Path, today: date = date(2026, 11, 22)) -> list[str]:
    return [str(finding) for finding in check(root, sandbox.offers(), sandbox.published(), today).findings]


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in THEODORE.items() if name not in names}


def test_check_cases_reports_nothing_for_good_cases(tmp_path: Path) -> None:
    Folder(tmp_path, JOBSEEKER).add("200.yaml", {"identifiant": "a"}, PAYMENTS)
    Folder(tmp_path, RSA).add("200.yaml", THEODORE, RIGHT)
    Folder(tmp_path, RSA_BY_FRANCE_CONNECT).add("200.yaml", THEODORE, RIGHT)
    Folder(tmp_path, "france_connect").copy("theodore.yaml")
    assert problems_in(tmp_path) == []


def test_check_cases_reports_an_unreadable_file(tmp_path: Path) -> None:
    folder = Folder(tmp_path, JOBSEEKER)
    folder.write("a.yaml", "params: [")
    folder.write("b.yml", "params: {identifiant: a}\nstatus: 200\npayload: '{'")
    folder.write("c.yml", "params: {identifiant: a}\npayload: '{}'")
    folder.write("README.md", "not a case")
    assert problems_in(tmp_path) == [
        f"{JOBSEEKER}/a.yaml: cannot be read: line 2: is not readable YAML (ParserError)",
        f"{JOBSEEKER}/b.yml: cannot be read: `payload` is not JSON",
        f"{JOBSEEKER}/c.yml: cannot be read: needs `params` (a mapping), `status` (an HTTP status) "
        "and `payload` (JSON text)",
    ]


@pytest.mark.parametrize(
    "written",
    [
        *("08", "09", "010", "0123", "01000", "1_2", "+5", "0x1F", "0o17", "0b11", "12:30:45", "190:20:30"),
        *("NO", "no", "Yes", "on", "OFF", "true", "~", "null", "Null", "", "1.0", "1.5", "1e3", "1.5e3", ".5"),
        *("5.", ".inf", ".NaN", "2001-13-01", "2001-01-01", "2001-01-01 10:00:00", "<<", "="),
    ],
)
def test_check_cases_reports_a_value_that_yaml_reads_otherwise(written: str, tmp_path: Path) -> None:
    """Tests that `check-cases` reports an unquoted value such as `08` or `NO`, which YAML does not read as text, and
    accepts the same value in quotes."""
    folder = Folder(tmp_path, JOBSEEKER)
    for name, text in {"plain": written, "quoted": f"'{written}'"}.items():
        file = f"params:\n  identifiant: {text}\nstatus: 200\npayload: {json.dumps(json.dumps(PAYMENTS))}"
        folder.write(f"{name}.yaml", file)
    assert [line for line in problems_in(tmp_path) if "quote it" in line] == [
        f"{JOBSEEKER}/plain.yaml: cannot be read: "
        "line 2: YAML does not read the value of `identifiant` as it is written: quote it"
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("params:\n  prenoms: [Yves, NO, Y]\n  ine: 012\nstatus: 404", [("prenoms", 2), ("ine", 3)]),
        ("params:\n  NO: a\nstatus: 404", [("NO", 2)]),
        ("params:\n  identifiant: a\nstatus: 0624", [("status", 3)]),
        ("params:\n  numeroAllocataire: 0000007\nstatus: 404", [("numeroAllocataire", 2)]),
        ("params:\n  moisDateNaissance: 07\n  jourDateNaissance: 010\nstatus: 404", [("jourDateNaissance", 3)]),
        ("example: NO\nsince: 2026-01-01\nparams:\n  identifiant: 1234567\n  prenoms: [Y, 29-1]\nstatus: 404", []),
    ],
    ids=["in a list", "a key", "a status", "a number of zeros", "a day, not a month", "what no call is compared with"],
)
def test_check_cases_reports_the_line_of_each_misread_value(
    text: str, lines: list[tuple[str, int]], tmp_path: Path
) -> None:
    """Tests that `check-cases` reports the name and line of each value that YAML does not read as text. Months and days
    such as `07` are accepted, because the public cases contain them too."""
    Folder(tmp_path, JOBSEEKER).write("case.yaml", f"{text}\npayload: '{json.dumps(error('24003'))}'")
    words = [
        f"line {line}: YAML does not read the value of `{name}` as it is written: quote it" for name, line in lines
    ]
    [finding] = problems_in(tmp_path)
    assert finding.partition("cannot be read: ")[2] == "; ".join(words)


def test_check_cases_reports_a_parameter_that_is_given_twice(tmp_path: Path) -> None:
    text = f"params:\n  identifiant: a\n  identifiant: b\nstatus: 404\npayload: '{json.dumps(error('24003'))}'"
    Folder(tmp_path, JOBSEEKER).write("case.yaml", text)
    assert problems_in(tmp_path) == [f"{JOBSEEKER}/case.yaml: cannot be read: line 3: `identifiant` is given twice"]


def test_a_mapping_may_be_written_once_for_several_uses(tmp_path: Path) -> None:
    text = f"who: &who {{identifiant: a}}\nparams:\n  <<: *who\nstatus: 404\npayload: '{json.dumps(error('24003'))}'"
    Folder(tmp_path, JOBSEEKER).write("case.yaml", text)
    assert problems_in(tmp_path) == []


@HERE
def test_check_cases_reports_no_misread_value_in_public_cases() -> None:
    assert [finding for finding in findings() if "quote it" in finding.problem or "twice" in finding.problem] == []


def test_check_cases_reports_a_folder_of_no_operation(tmp_path: Path) -> None:
    Folder(tmp_path, "api_particulier_v3_acme").add("200.yaml", {"identifiant": "a"}, PAYMENTS)
    assert problems_in(tmp_path) == ["api_particulier_v3_acme/: no operation of this name is offered"]


@pytest.mark.parametrize(
    ("params", "why"),
    [
        (without("nomNaissance") | {"nomNaissange": "X"}, "its parameters are refused (00420)"),
        (without("codeCogInseePaysNaissance"), "its parameters are refused (00400)"),
        (THEODORE | {"nomNaissange": "X"}, "a call never has nomNaissange"),
        (
            without("anneeDateNaissance") | {"anneeDateDaissance": 1976},
            "a call never has anneeDateDaissance, jourDateNaissance, moisDateNaissance",
        ),
        (THEODORE | {"codeCogInseePaysNaissance": "99351"}, "a call never has codeCogInseeCommuneNaissance"),
        (THEODORE | {"nomCommuneNaissance": ""}, "a call never has nomCommuneNaissance"),
        (THEODORE | {"moisDateNaissance": "012"}, "the nearest call has another moisDateNaissance"),
    ],
)
def test_check_cases_reports_a_case_that_no_call_reaches(params: dict[str, Any], why: str, tmp_path: Path) -> None:
    Folder(tmp_path, RSA).add("200.yaml", params, RIGHT)
    assert problems_in(tmp_path) == [f"{RSA}/200.yaml: unreachable: {why}"]


def test_check_cases_reports_a_case_of_a_future_month(tmp_path: Path) -> None:
    """Tests that `check-cases` reports a case about the next month as unreachable until that month."""
    Folder(tmp_path, QUOTIENT).add("502.yaml", THEODORE | {"annee": 2026, "mois": 12}, error("35999"), 502)
    assert problems_in(tmp_path) == [f"{QUOTIENT}/502.yaml: unreachable: its parameters are refused (00354)"]
    assert problems_in(tmp_path, date(2026, 12, 1)) == []


@pytest.mark.parametrize(
    ("tokens", "params", "why"),
    [
        ((), THEODORE, "none has a scope of the operation"),
        (("maelys_quotient_seul.yaml",), THEODORE, "none has a scope of the operation"),
        (("theodore.yaml",), THEODORE | {"nomUsage": "X"}, "a call never has nomUsage"),
        (("remi.yaml", "theodore.yaml"), THEODORE | {"prenoms": ["Paul"]}, "the nearest call has another prenoms[]"),
    ],
)
def test_check_cases_reports_a_case_that_no_session_reaches(
    tokens: tuple[str, ...], params: dict[str, Any], why: str, tmp_path: Path
) -> None:
    Folder(tmp_path, "france_connect").copy(*tokens)
    Folder(tmp_path, RSA_BY_FRANCE_CONNECT).add("200.yaml", params, RIGHT)
    assert problems_in(tmp_path) == [f"{RSA_BY_FRANCE_CONNECT}/200.yaml: unreachable with any fake token: {why}"]


def test_check_cases_reports_a_session_without_an_identity(tmp_path: Path) -> None:
    folder = Folder(tmp_path, "france_connect")
    folder.add("a.yaml", {"token": "a"}, {"token_introspection": {"scope": "", "family_name": "X"}})
    folder.add("b.yaml", {"token": "b"}, {"active": False})
    assert problems_in(tmp_path) == [
        f"france_connect/{name}: is not the introspection of a session" for name in ("a.yaml", "b.yaml")
    ]


def test_check_cases_reports_two_cases_with_the_same_parameters(tmp_path: Path) -> None:
    folder = Folder(tmp_path, JOBSEEKER)
    folder.add("a.yaml", {"identifiant": "A1"}, PAYMENTS)
    folder.add("b.yaml", {"identifiant": "a1"}, PAYMENTS)
    assert problems_in(tmp_path) == [
        f"{JOBSEEKER}/{name}: has the same parameters as 1 other" for name in ("a.yaml", "b.yaml")
    ]


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (found({"identifiant": "a"}), 200, "does not fit the schema at $ (required: paiements)"),
        (found({"identifiant": "a", "paiements": []}), 200, "does not fit the schema at $.paiements (minItems)"),
        (
            found({"identifiant": "a", "paiements": [PAID | {"montant_total": "1"}]}),
            200,
            "does not fit the schema at $.paiements[0].montant_total (type)",
        ),
        (
            found({"identifiant": "a", "paiements": [PAID], "age": 3}),
            200,
            "does not fit the schema at $ (additionalProperties)",
        ),
        ({"identifiant": "a", "paiements": [PAID]}, 200, "does not fit the schema at $ (type)"),
        ({"errors": []}, 404, "is not an error body"),
        (PAYMENTS, 502, "is not an error body"),
    ],
)
def test_check_cases_reports_a_payload_that_violates_the_schema(
    body: object, status: int, why: str, tmp_path: Path
) -> None:
    Folder(tmp_path, JOBSEEKER).add("case.yaml", {"identifiant": "a"}, body, status)
    assert problems_in(tmp_path) == [f"{JOBSEEKER}/case.yaml: {why}"]


def test_check_cases_reports_a_payload_that_version_2_cannot_show(tmp_path: Path) -> None:
    """Tests that a payload with the number `2026.0` is reported: version 3 accepts it as an integer, but version 2,
    which answers from the same case, cannot show it. If version 2 has a case folder of its own, the payload is not
    reported."""
    body = json.loads(bytes(read_case(OURS / QUOTIENT / "200_theodore.yaml", date(2026, 11, 22)).payload))
    body["data"]["quotient_familial"]["annee_calcul"] = 2026.0
    Folder(tmp_path, QUOTIENT).add("case.yaml", THEODORE, body)
    problem = f"{QUOTIENT}/case.yaml: cannot be shown in version 2 at $.quotient_familial.annee_calcul"
    assert problems_in(tmp_path) == [problem]
    Folder(tmp_path, "api_particulier_v2_cnav_quotient_familial_v2").add("own.yaml", {}, {})
    assert problem not in problems_in(tmp_path)


def test_check_cases_reports_no_value_of_a_payload(tmp_path: Path) -> None:
    """Tests that the report about a wrong value in a payload does not contain the value, since a folder may contain
    real people's data."""
    Folder(tmp_path, JOBSEEKER).add("case.yaml", {"identifiant": "a"}, found({"identifiant": 20_041_984}))
    assert "20041984" not in "".join(problems_in(tmp_path))


@HERE
def test_unreachable_public_cases_are_reported_with_their_cause() -> None:
    """Tests that each public case that docs/reference/contract.md §6.6 lists as unreachable is reported with its
    cause."""
    why = {
        f"{finding.folder.removeprefix('api_particulier_')}/{finding.file}": finding.problem
        for finding in findings()
        if finding.folder.startswith("api_particulier_v") and finding.problem.startswith("unreachable")
    }
    expected = {
        "v3_cnav_revenu_solidarite_active_with_civility/429.yaml": "anneeDateDaissance",
        "v3_cnav_revenu_solidarite_active_with_civility/502.yaml": "anneeDateDaissance",
        "v3_cnav_complementaire_sante_solidaire_with_civility/"
        "beneficiaire_sans_participation_financiere_homme_200.yml": "anneeNateNaissance",
        "v3_cnav_complementaire_sante_solidaire_with_civility/200-giraud-ines-feminin-enfant.yaml": "00400",
        "v3_cnav_complementaire_sante_solidaire_with_france_connect/fake_france_connect_cnaf.yml": "nomUsage",
        "v3_cnav_quotient_familial_with_france_connect/fake_france_connect_cnaf.yml": "nomUsage",
        "v3_cnav_revenu_solidarite_active_with_france_connect/france_connect_cnaf.yaml": "codePaysLieuDaissance",
        "v3_cnav_allocation_enfant_handicape_with_france_connect/fake_france_connect_cnaf.yaml": "none has a scope",
        "v3_cnav_participation_familiale_eaje_with_france_connect/fake_france_connect_cnaf.yml": "none has a scope",
        "v4_cnous_etudiant_boursier_with_france_connect/fake_france_connect.yaml": "prenoms[]",
    }
    assert {name: cause for name, cause in expected.items() if cause not in why.get(name, "reachable")} == {}
    by_parameters = {
        name: cause
        for name, cause in why.items()
        if "_with_france_connect" not in name and name.startswith(("v3", "v4", "v5"))
    }
    too_old = {name for name, cause in by_parameters.items() if "(39400)" in cause}
    assert len(too_old) == 7
    assert {name.partition("/")[0] for name in too_old} == {"v3_dsnj_service_national_with_civility"}
    assert len(by_parameters.keys() - too_old) == 4


@HERE
def test_most_public_cases_can_be_reached() -> None:
    assert len(reachable()) >= 140


def test_check_cases_prints_its_findings_and_fails(tmp_path: Path) -> None:
    Folder(tmp_path, JOBSEEKER).add("case.yaml", {}, PAYMENTS)
    bad, good = (_check_cases(folder) for folder in (tmp_path, OURS))
    assert (bad.returncode, bad.stdout.splitlines()) == (
        1,
        [
            f"{JOBSEEKER}/case.yaml: unreachable: its parameters are refused (00380)",
            "1 cases in 1 folders, 1 findings",
        ],
    )
    assert good.returncode == 0
    assert good.stdout.endswith(" 0 findings\n")


def _check_cases(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "bouquet-worker"
    return subprocess.run([program, "check-cases", str(folder)], stdout=subprocess.PIPE, text=True, check=False)
