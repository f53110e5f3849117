"""Tests of the plan of a dossier: operations, versions, queries and references, and all faults at once."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from bouquet_gateway.dossiers.plan import Plan, plan_dossier
from bouquet_gateway.dossiers.read import MAX_BODY_BYTES, read_dossier
from bouquet_gateway.errors.problems import NO_PROVIDER_FAILURES, Problem, render
from bouquet_gateway.offers.catalogue import Catalogue
from bouquet_gateway.offers.discovery import Discovery
from bouquet_gateway.single_calls.parameters import Values, parameters_of
from bouquet_mesh.bus.memory import MemoryBus
from bouquet_proto.query import parse_query
from tests.support.gateway_client import RECIPIENT
from tests.support.scripted_providers import offers

TODAY = date(2026, 11, 30)
MAELYS = {
    "nomNaissance": "LE GOUADEC",
    "prenoms": ("Maëlys", "Anne"),
    "sexeEtatCivil": "F",
    "anneeDateNaissance": 1989,
    "moisDateNaissance": 2,
    "jourDateNaissance": 3,
    "codeCogInseePaysNaissance": "99100",
}
QF = {"operation": "dss/quotient_familial"}
AEEH = {"operation": "dss/allocation_enfant_handicape", "for_each": "qf.enfants"}


def discovery_of(*providers: str) -> Discovery:
    """Returns a discovery that knows the offers of these providers, and misses none."""
    discovery = Discovery(MemoryBus(), ())
    discovery.catalogue = Catalogue(offer for offer in offers() if offer.provider in providers)
    return discovery


ALL = discovery_of(*(offer.provider for offer in offers()))


def dossier(resources: Any, **changes: Any) -> dict[str, Any]:
    return {"recipient": RECIPIENT, "identite": MAELYS, "ine": "050617293HK", "resources": resources, **changes}


def plan_of(resources: Any, *, offers: Discovery = ALL, **changes: Any) -> Plan:
    plan = plan_dossier(read_dossier(msgspec.json.encode(dossier(resources, **changes))), offers, TODAY)
    assert isinstance(plan, Plan), faults_of(plan)
    return plan


def faults_of(problem: Plan | Problem) -> list[tuple[str, str]]:
    """Returns the code and the pointer of each error of a problem, as the caller gets them."""
    assert isinstance(problem, Problem)
    status, body = render(problem, NO_PROVIDER_FAILURES, "v3")
    assert status == 422
    return [(error["code"], error["source"]["pointer"]) for error in msgspec.json.decode(body)["errors"]]


def faults(resources: Any, **changes: Any) -> list[tuple[str, str]]:
    return faults_of(plan_dossier(read_dossier(msgspec.json.encode(dossier(resources, **changes))), ALL, TODAY))


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ({"operation": "dss/quotient_familial", "version": 3}, "/v3/dss/quotient_familial/identite"),
        ({"operation": "cnous/etudiant_boursier"}, "/v5/cnous/etudiant_boursier/identite"),
        ({"operation": "cnous/etudiant_boursier", "version": 4}, "/v4/cnous/etudiant_boursier/identite"),
        ({"operation": "mesri/statut_etudiant", "modality": "ine"}, "/v3/mesri/statut_etudiant/ine"),
        ({"operation": "france_travail/statut"}, "/v3/france_travail/statut/identifiant"),
        ({"operation": "dss/prime_activite", "modality": "france_connect"}, "/v3/dss/prime_activite/france_connect"),
    ],
)
def test_a_part_asks_one_operation(part: dict[str, Any], path: str) -> None:
    [planned] = plan_of({"p": part}).parts
    assert planned.target.path == path


def test_each_operation_gets_the_parameters_that_it_takes() -> None:
    plan = plan_of(
        {
            "qf": {**QF, "parameters": {"annee": 2026, "mois": 11}},
            "etudes": {"operation": "mesri/statut_etudiant", "modality": "ine"},
            "citoyen": {"operation": "dss/prime_activite", "modality": "france_connect"},
        }
    )
    assert {part.name: part.values for part in plan.parts} == {
        "qf": {**MAELYS, "annee": 2026, "mois": 11},
        "etudes": {"ine": "050617293HK"},
        "citoyen": {},
    }


def test_a_parameter_of_a_part_replaces_what_identifies_the_person() -> None:
    [part] = plan_of({"qf": {**QF, "parameters": {"nomNaissance": "MARTIN"}}}).parts
    assert part.values == {**MAELYS, "nomNaissance": "MARTIN"}


def test_the_query_of_a_part_is_read_as_that_of_a_single_call() -> None:
    values: Values = {
        "prenoms": ("Maëlys", "Anne&x=1"),
        "mois": 11,
        "nomNaissance": "É+",
        "ine": "a\n",
        "annee": "9" * 256,
    }
    parameters = parameters_of(RECIPIENT, values)
    query = parse_query(parameters.raw_query)
    assert (query.scalar("recipient"), query.scalar("mois")) == (RECIPIENT, "11")
    assert (query.scalar("nomNaissance"), query.list("prenoms")) == ("É+", ("Maëlys", "Anne&x=1"))
    assert parameters.query == query


def test_only_parts_that_are_asked_at_once_count_as_named_calls() -> None:
    assert plan_of({"aeeh": AEEH, "qf": QF}).paths_without_for_each == ("/v3/dss/quotient_familial/identite",)


def test_a_person_of_for_each_gets_nothing_of_the_dossier_s_own_person() -> None:
    [aeeh, _] = plan_of({"aeeh": {**AEEH, "with": {"codeCogInseePaysNaissance": "99100"}}, "qf": QF}).parts
    assert aeeh.for_each is not None
    assert (aeeh.values, aeeh.for_each.fallback) == ({}, {"code_cog_insee_pays_naissance": "99100"})


def test_an_operation_that_a_silent_provider_may_offer_is_no_fault() -> None:
    silent = Discovery(MemoryBus(), ("cnaf",))
    [part] = plan_of({"qf": QF}, offers=silent).parts
    assert (part.target.path, part.target.match) == ("/v3/dss/quotient_familial/identite", None)


WRONG: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "no resource": ({"resources": {}}, [("00482", "/resources")]),
    "resources that are no object": ({"resources": [QF]}, [("00481", "/resources")]),
    "21 resources": ({"resources": {f"p{n}": QF for n in range(21)}}, [("00482", "/resources")]),
    "name of a resource": ({"resources": {"DURANT é": QF}}, [("00481", "/resources")]),
    "unknown member": ({"resources": {"qf": QF}, "nom": "DURANT"}, [("00481", "")]),
    "no SIRET": ({"resources": {"qf": QF}, "recipient": "13002526500014"}, [("00210", "/recipient")]),
    "recipient that is no text": ({"resources": {"qf": QF}, "recipient": 1}, [("00481", "/recipient")]),
    "unknown field of a person": ({"resources": {"qf": QF}, "identite": {"nom": "X"}}, [("00481", "/identite")]),
    "object in a field of a person": (
        {"resources": {"qf": QF}, "identite": {"prenoms": {"a": 1}}},
        [("00481", "/identite/prenoms")],
    ),
    "no operation": ({"resources": {"qf": {"version": 3}}}, [("00481", "/resources/qf/operation")]),
    "unknown operation": ({"resources": {"x": {"operation": "dss/nothing"}}}, [("00483", "/resources/x/operation")]),
    "path of version 2": (
        {"resources": {"x": {"operation": "api/v2/etudiants"}}},
        [("00483", "/resources/x/operation")],
    ),
    "path that climbs": ({"resources": {"x": {"operation": "../api/errors"}}}, [("00481", "/resources/x/operation")]),
    "unknown version": ({"resources": {"qf": {**QF, "version": 9}}}, [("00483", "/resources/qf/operation")]),
    "version that is a text": ({"resources": {"qf": {**QF, "version": "3"}}}, [("00481", "/resources/qf/version")]),
    "unknown modality": ({"resources": {"qf": {**QF, "modality": "ine"}}}, [("00483", "/resources/qf/operation")]),
    "another recipient for a part": (
        {"resources": {"qf": {**QF, "parameters": {"recipient": "35600000000048"}}}},
        [("00481", "/resources/qf/parameters")],
    ),
    "number of thousands of digits": (
        {"resources": {"qf": {**QF, "parameters": {"annee": 10**30}}}},
        [("00481", "/resources/qf/parameters/annee")],
    ),
    "object with too many members": (
        {"resources": {"qf": {**QF, "parameters": {f"a{number}": {} for number in range(33)}}}},
        [("00481", "/resources/qf/parameters")],
    ),
    "for_each of a part that is not there": ({"resources": {"aeeh": AEEH}}, [("00484", "/resources/aeeh/for_each")]),
    "for_each of itself": (
        {"resources": {"aeeh": {**AEEH, "for_each": "aeeh.enfants"}}},
        [("00484", "/resources/aeeh/for_each")],
    ),
    "circle": (
        {"resources": {"a": {**QF, "for_each": "b.enfants"}, "b": {**QF, "for_each": "a.enfants"}}},
        [("00484", "/resources/a/for_each"), ("00484", "/resources/b/for_each")],
    ),
    "for_each of a for_each": (
        {"resources": {"qf": QF, "a": {**QF, "for_each": "qf.enfants"}, "b": {**QF, "for_each": "a.enfants"}}},
        [("00484", "/resources/b/for_each")],
    ),
    "for_each of a field without persons": (
        {"resources": {"qf": QF, "aeeh": {**AEEH, "for_each": "qf.adresse"}}},
        [("00484", "/resources/aeeh/for_each")],
    ),
    "for_each by INE": (
        {
            "resources": {
                "qf": QF,
                "x": {"operation": "mesri/statut_etudiant", "modality": "ine", "for_each": "qf.enfants"},
            }
        },
        [("00484", "/resources/x/for_each")],
    ),
    "with, without for_each": (
        {"resources": {"qf": {**QF, "with": {"nomNaissance": "X"}}}},
        [("00484", "/resources/qf/with")],
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_dossier_is_refused_as_a_whole(wrong: str) -> None:
    changes, expected = WRONG[wrong]
    assert faults(**changes) == expected


def test_all_faults_are_reported_together() -> None:
    resources = {"qf": {"operation": "dss/nothing"}, "aeeh": {**AEEH, "version": "x"}, "b": {**AEEH, "for_each": "c.d"}}
    assert faults(resources, recipient="") == [
        ("00210", "/recipient"),
        ("00481", "/resources/aeeh/version"),
        ("00483", "/resources/qf/operation"),
        ("00484", "/resources/b/for_each"),
    ]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'{"recipient": ', b"\xff", b"[" * MAX_BODY_BYTES, b'{"a":' * 9000]
)
def test_a_body_that_is_no_object_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(Problem) as refused:
        read_dossier(body)
    assert refused.value.reasons == ("bad_request",)
