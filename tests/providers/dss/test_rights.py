"""Tests of entitlements: the hub's answer becomes the contract's data (docs/reference/upstreams/dss.md §2)."""

from __future__ import annotations

from typing import Any

import pytest

from bouquet_dss.personas import scripted_answer
from bouquet_dss.worker import PRESTATIONS
from bouquet_hub.personas import File, person_asked_for
from bouquet_proto.messages import Failed
from tests.providers.dss.replies import (
    OPERATIONS,
    STATUSES,
    benefit,
    entitled,
    reply_to,
)
from tests.providers.worker_client import TODAY, WorkerClient, data_of, identite
from tests.support.openapi import assert_official

_DAY = "2025-09-01"
SHOWN: dict[tuple[str, str], dict[str, Any]] = {
    ("c2s", "FOUND"): {"est_beneficiaire": True, "avec_participation": True, "date_debut_droit": _DAY},
    ("rsa", "FOUND"): {"est_beneficiaire": True, "avec_majoration": True, "date_debut_droit": _DAY},
    ("ppa", "FOUND"): {"est_beneficiaire": True, "avec_majoration": True, "date_debut_droit": _DAY},
    ("aah", "FOUND"): {"est_beneficiaire": True, "date_debut_droit": _DAY},
    ("asf", "FOUND"): {"est_beneficiaire": True, "date_debut_droit": _DAY},
    ("aeeh", "FOUND"): {"status": "allocataire", "date_debut_droit": _DAY},
    ("ars", "FOUND"): {"status": "allocataire", "date_debut_droit": _DAY},
    ("c2s", "NOT-ENTITLED"): {"est_beneficiaire": False, "avec_participation": False, "date_debut_droit": None},
    ("rsa", "NOT-ENTITLED"): {"est_beneficiaire": False, "avec_majoration": None, "date_debut_droit": None},
    ("ppa", "NOT-ENTITLED"): {"est_beneficiaire": False, "avec_majoration": None, "date_debut_droit": None},
    ("aah", "NOT-ENTITLED"): {"est_beneficiaire": False, "date_debut_droit": None},
    ("asf", "NOT-ENTITLED"): {"est_beneficiaire": False, "date_debut_droit": None},
    ("aeeh", "NOT-ENTITLED"): {"status": "non_beneficiaire", "date_debut_droit": None},
    ("ars", "NOT-ENTITLED"): {"status": "non_beneficiaire", "date_debut_droit": None},
    ("c2s", "INCOMPLETE"): {"est_beneficiaire": True, "avec_participation": True, "date_debut_droit": None},
    ("rsa", "INCOMPLETE"): {"est_beneficiaire": True, "avec_majoration": None, "date_debut_droit": None},
    ("ppa", "INCOMPLETE"): {"est_beneficiaire": True, "avec_majoration": None, "date_debut_droit": None},
    ("aah", "INCOMPLETE"): {"est_beneficiaire": True, "date_debut_droit": None},
    ("asf", "INCOMPLETE"): {"est_beneficiaire": True, "date_debut_droit": None},
    ("aeeh", "INCOMPLETE"): {"status": "allocataire", "date_debut_droit": None},
    ("ars", "INCOMPLETE"): {"status": "allocataire", "date_debut_droit": None},
}


@pytest.mark.parametrize(("name", "word"), SHOWN)
async def test_a_right_is_shown_as_the_contract_says(dss: WorkerClient, name: str, word: str) -> None:
    data = data_of(await dss(OPERATIONS[name], identite(f"MSA-{word}")))
    assert data == SHOWN[name, word]
    assert_official(OPERATIONS[name], data)


@pytest.mark.parametrize(
    ("name", "word", "shown"),
    [
        ("c2s", "BENEFICIAIRE_SANS_PARTICIPATION_FINANCIERE", {"est_beneficiaire": True, "avec_participation": False}),
        ("aeeh", "OUVRANT_DROIT", {"status": "ouvrant_droit"}),
        ("aeeh", "ALLOCATAIRE", {"status": "allocataire"}),
        ("ars", "OUVRANT_DROIT", {"status": "ouvrant_droit"}),
        ("ars", "ALLOCATAIRE", {"status": "allocataire"}),
    ],
)
async def test_every_other_keyword_is_read(dss: WorkerClient, name: str, word: str, shown: dict[str, Any]) -> None:
    data = data_of(await reply_to(dss, name, {"indicateur": word, "dateIndicateur": "2024-03-01"}))
    assert data == shown | {"date_debut_droit": "2024-03-01"}


@pytest.mark.parametrize("blank", [None, "", " "])
@pytest.mark.parametrize("name", STATUSES)
async def test_a_right_may_have_no_date(dss: WorkerClient, name: str, blank: str | None) -> None:
    found = scripted_answer(person_asked_for({"nomNaissance": "CAF-FOUND"}), name, TODAY)
    assert found is not None
    assert isinstance(found.answer, File)
    assert (
        data_of(await reply_to(dss, name, {**found.answer.body, "dateIndicateur": blank}))["date_debut_droit"] is None
    )


@pytest.mark.parametrize("name", STATUSES)
async def test_without_a_right_a_date_means_nothing(dss: WorkerClient, name: str) -> None:
    word = "NON_BENEFICIAIRE_CSS" if name == "c2s" else "NON_BENEFICIAIRE"
    body = {"indicateur": word, "dateIndicateur": "2025-01-01", "listePrestation": [benefit("FA3102", "2025-01-01")]}
    data = data_of(await reply_to(dss, name, body))
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
    dss: WorkerClient, benefits: list[dict[str, Any]] | None, increased: bool | None
) -> None:
    data = data_of(await reply_to(dss, "rsa", entitled() | {"listePrestation": benefits}))
    assert data["avec_majoration"] is increased
    assert_official(OPERATIONS["rsa"], data)


@pytest.mark.parametrize(("code", "increased"), [("FA3105", False), ("FA3106", True), ("FA3102", None)])
async def test_a_prime_is_increased_by_codes_of_its_own(dss: WorkerClient, code: str, increased: bool | None) -> None:
    assert data_of(await reply_to(dss, "ppa", entitled(benefit(code, "2025-01-01"))))["avec_majoration"] is increased


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
async def test_what_is_not_of_the_list_is_no_right(dss: WorkerClient, name: str, changed: dict[str, Any]) -> None:
    assert await reply_to(dss, name, entitled() | changed) == Failed("upstream_malformed")


@pytest.mark.parametrize("name", PRESTATIONS)
async def test_a_file_without_anything_is_malformed(dss: WorkerClient, name: str) -> None:
    assert await reply_to(dss, name, {}) == Failed("upstream_malformed")


async def test_an_answer_that_nobody_signed_is_still_an_answer(dss: WorkerClient) -> None:
    assert data_of(await reply_to(dss, "aah", entitled(), signature=""))["est_beneficiaire"]
