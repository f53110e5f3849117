"""Tests that the hub's JSON about a quotient familial becomes a `QuotientFamilial`
(docs/reference/upstreams/quotient.md)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from multidict import CIMultiDict

from bouquet_hub.quotient import Month, read, requested_month
from bouquet_proto.messages import Caller, Failed, Parameter
from bouquet_proto.quotient_familial import Adresse, Personne, QuotientFamilial, Valeur
from bouquet_worker import Question
from bouquet_worker.answer import Answer
from bouquet_worker.errors import UpstreamError
from tests.providers.worker_client import TODAY, identite
from tests.support.openapi import upstream_sample
from tests.support.quotient_replies import UNKNOWN_ADDRESS

CNAF, MSA, RNCPS = "00810011", "00171001", "99430000"
APRIL = Month(2026, 4)
FILE = {"quotientFamilial": 698, "annee": 2026, "mois": 2}


def answer(body: bytes, fund: str | None = CNAF) -> Answer:
    return Answer(200, CIMultiDict({"X-APISECU-FD": fund} if fund else {}), body)


def read_file(fund: str | None = CNAF, **keys: Any) -> QuotientFamilial:
    reply = read(answer(json.dumps(FILE | keys).encode(), fund), APRIL, TODAY)
    assert isinstance(reply, QuotientFamilial)
    return reply


def error_of(body: bytes, fund: str | None = CNAF) -> UpstreamError:
    with pytest.raises(UpstreamError) as raised:
        read(answer(body, fund), APRIL, TODAY)
    return raised.value


def ask(**parameters: Parameter) -> Question[Any]:
    return Question(identity=identite("X"), parameters=parameters, caller=Caller(), request_id="", today=TODAY)


def test_a_whole_file_is_mapped_key_by_key() -> None:
    body = upstream_sample("cnav/quotient_familial_v2/make_request_valid.json")
    assert read(answer(body), APRIL, TODAY) == QuotientFamilial(
        quotient_familial=Valeur(fournisseur="CNAF", valeur=464, annee=2026, mois=4, annee_calcul=2021, mois_calcul=3),
        allocataires=(
            Personne(
                nom_naissance="CHAMPION",
                nom_usage="DU MONDE",
                prenoms="JEAN-PASCAL ROMAIN",
                annee_date_de_naissance="1980",
                mois_date_de_naissance="06",
                jour_date_de_naissance="12",
                date_naissance="1980-06-12",
                sexe="M",
            ),
            Personne(
                nom_naissance="NIDOUILLET",
                nom_usage=None,
                prenoms="JOSIANE",
                annee_date_de_naissance="1981",
                mois_date_de_naissance="05",
                jour_date_de_naissance="02",
                date_naissance="1981-05-02",
                sexe="F",
            ),
        ),
        enfants=(
            Personne(
                nom_naissance="CHAMPION",
                nom_usage=None,
                prenoms="AURELIE",
                annee_date_de_naissance="2014",
                mois_date_de_naissance="05",
                jour_date_de_naissance="02",
                date_naissance="2014-05-02",
                sexe="F",
            ),
            Personne(
                nom_naissance="CHAMPION",
                nom_usage=None,
                prenoms="AURELIEN",
                annee_date_de_naissance="2012",
                mois_date_de_naissance="04",
                jour_date_de_naissance=None,
                date_naissance="2012-04-00",
                sexe="M",
            ),
        ),
        adresse=Adresse(
            destinataire="DU MONDE JEAN-PASCAL",
            complement_information="APPARTEMENT 2",
            complement_information_geographique=None,
            numero_libelle_voie=None,
            lieu_dit=None,
            code_postal_ville="81700 GARREVAQUES",
            pays="FRANCE",
        ),
    )


def test_a_file_without_the_key_of_children_has_none() -> None:
    body = upstream_sample("cnav/quotient_familial_v2/make_request_valid_without_children.json")
    reply = read(answer(body), APRIL, TODAY)
    assert isinstance(reply, QuotientFamilial)
    assert reply.enfants == ()


def test_every_line_of_an_address_has_its_place() -> None:
    lines = {
        "identite": "1",
        "complementInformation": "2",
        "complementInformationGeo": "3",
        "numeroLibelleVoie": "4",
        "lieuDit": "5",
        "codePostalVille": "6",
        "pays": "7",
    }
    assert read_file(adresse=lines).adresse == Adresse(
        destinataire="1",
        complement_information="2",
        complement_information_geographique="3",
        numero_libelle_voie="4",
        lieu_dit="5",
        code_postal_ville="6",
        pays="7",
    )


def test_blank_lines_of_an_address_are_null() -> None:
    assert read_file(adresse={"identite": "", "lieuDit": "  ", "pays": None}).adresse == UNKNOWN_ADDRESS


@pytest.mark.parametrize("keys", [{}, {"allocataires": None, "enfants": None, "adresse": None}])
def test_absent_or_null_parts_are_empty(keys: dict[str, None]) -> None:
    file = read_file(**keys)
    assert (file.allocataires, file.enfants, file.adresse) == ((), (), UNKNOWN_ADDRESS)


def test_a_person_without_anything_is_all_unknown() -> None:
    nobody = Personne(nom_naissance=None, nom_usage=None, prenoms=None, date_naissance="0000-00-00", sexe=None)
    blank = dict.fromkeys(("nomNaissance", "nomUsage", "listePrenoms", "dateNaissance", "genre"), " ")
    assert read_file(allocataires=[{}, blank]).allocataires == (nobody, nobody)


def test_zero_is_a_quotient() -> None:
    assert read_file(quotientFamilial=0).quotient_familial.valeur == 0


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_blank_quotient_is_an_incomplete_file(value: str | None) -> None:
    body = json.dumps(FILE | {"quotientFamilial": value}).encode()
    assert read(answer(body), APRIL, TODAY) == Failed("quotient_missing")


def test_an_absent_quotient_is_an_incomplete_file() -> None:
    assert read(answer(b"{}"), APRIL, TODAY) == Failed("quotient_missing")


def test_the_msa_computes_today_whatever_date_it_writes() -> None:
    value = read_file(MSA, annee=2019, mois=11).quotient_familial
    assert (value.fournisseur, value.annee_calcul, value.mois_calcul) == ("MSA", 2026, 4)


def test_the_month_shown_is_the_one_asked_for() -> None:
    reply = read(answer(json.dumps(FILE).encode()), Month(2025, 12), TODAY)
    assert isinstance(reply, QuotientFamilial)
    assert (reply.quotient_familial.annee, reply.quotient_familial.mois) == (2025, 12)


@pytest.mark.parametrize("fund", [None, "", "12345678", RNCPS])
def test_a_file_that_no_fund_signs_is_not_certified_data(fund: str | None) -> None:
    error = error_of(json.dumps(FILE).encode(), fund)
    assert (error.reason, error.field) == ("upstream_malformed", "X-APISECU-FD")


@pytest.mark.parametrize("key", ["annee", "mois"])
def test_a_caf_quotient_without_its_month_is_malformed(key: str) -> None:
    error = error_of(json.dumps(FILE | {key: None}).encode())
    assert (error.reason, error.field) == ("upstream_malformed", f"$.{key}")


@pytest.mark.parametrize("body", [b"", b"<html/>", b"[]", b'{"quotientFamilial": "beaucoup"}', b'{"allocataires": 3}'])
def test_what_is_not_a_file_is_malformed(body: bytes) -> None:
    assert error_of(body).reason == "upstream_malformed"


@pytest.mark.parametrize(
    ("parameters", "month"),
    [
        ({}, Month(2026, 4)),
        ({"mois": 2}, Month(2026, 2)),
        ({"annee": 2024}, Month(2024, 4)),
        ({"annee": 2024, "mois": 12}, Month(2024, 12)),
    ],
)
def test_a_missing_year_or_month_is_that_of_today(parameters: dict[str, int], month: Month) -> None:
    assert requested_month(ask(**parameters)) == month
