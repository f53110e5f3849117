"""Tests of recorded answers of the hub, each with the reply that the worker must make of it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from bouquet_dss.worker import PRESTATIONS
from bouquet_proto.messages import NotFound, Rejected, Reply
from tests.providers.dss.replies import (
    OPERATIONS,
    refusal,
    reply_to,
    summary,
)
from tests.providers.worker_client import WorkerClient, data_of
from tests.support.openapi import assert_official, upstream_sample
from tests.support.reference import REFERENCE

RECORDED: dict[str, Reply | dict[str, Any]] = {
    "404-identity-not-found.json": Rejected("unidentified"),
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
        "civil_status_refused",
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
"""Expected reply of the worker to each recorded answer, by the answer's file. If the reply has data, a dictionary holds
the fields of the data to compare."""


def prestation_of(sample: str) -> str:
    """Returns the prestation that a recorded answer is about, according to its folder; `rsa` for any other folder."""
    resources = {row.published[0].operation.path.split("/")[3]: name for name, row in PRESTATIONS.items()}
    return resources.get(sample.split("/")[0], "rsa")


@pytest.mark.parametrize("sample", RECORDED)
async def test_a_recorded_answer_is_understood(dss: WorkerClient, sample: str) -> None:
    name, expected, answer = prestation_of(sample), RECORDED[sample], json.loads(upstream_sample(f"cnav/{sample}"))
    if "errorCode" in answer:
        answer = refusal(answer["errorCode"], 400 if "400" in sample else 404, answer["error"])
    reply = await reply_to(dss, name, answer)
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
