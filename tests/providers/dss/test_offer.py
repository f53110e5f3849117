"""Tests of the DSS worker's operations and settings."""

from __future__ import annotations

import msgspec
import pytest

from bouquet_dss.contract import PROBLEMS
from bouquet_dss.simulator import simulator
from bouquet_dss.worker import PRESTATIONS, worker
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_proto import rules
from bouquet_proto.query import parse_query
from bouquet_proto.quotient_familial import IDENTITY_CHECKS
from tests.providers.worker_client import TODAY


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
            "allocation_rentree_scolaire",
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
    "aeeh": (
        ("cnav_allocation_enfant_handicape",),
        dict.fromkeys(("status", "date_debut_droit"), ("cnav_allocation_enfant_handicape",)),
    ),
    "ars": (
        ("cnav_allocation_rentree_scolaire",),
        dict.fromkeys(("status", "date_debut_droit"), ("cnav_allocation_rentree_scolaire",)),
    ),
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


@pytest.mark.parametrize("name", PRESTATIONS)
def test_a_name_and_a_country_of_birth_are_enough(name: str) -> None:
    operation = PRESTATIONS[name].published[0].operation
    query = "nomNaissance=A&codeCogInseePaysNaissance=99100"
    assert rules.apply_rules(operation.checks, parse_query(query), TODAY) == {
        "nom_naissance": "A",
        "code_cog_insee_pays_naissance": "99100",
    }


def test_every_missing_setting_is_named() -> None:
    with pytest.raises(SettingsError) as raised:
        worker.settings({})
    assert len(raised.value.problems) == 1 + 4 * len(PRESTATIONS)
    assert "BOUQUET_DSS_AEEH_CLIENT_SECRET: is required" in raised.value.problems


def test_no_client_secret_is_in_the_text_of_the_settings() -> None:
    settings = worker.settings(simulator.settings("http://hub.test"))
    values = msgspec.structs.asdict(settings)
    assert sum(isinstance(value, Secret) for value in values.values()) == len(PRESTATIONS)
    assert "s3cr3t" not in repr(settings)
