"""Tests that the checks of a chaos run accept right answers and find each kind of wrong one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.chaos.invariants import (
    Answer,
    Caller,
    Invariant,
    Margins,
    ResourceUsage,
    Rules,
    Violation,
    as_single,
    grown,
    left_in_queues,
    status_and_code,
    violations,
)
from tests.chaos.people import ABSENCES, BY_NAME, PART, Citizen

RULES = Rules(
    late_s=5.0, errors=frozenset({"502 23001", "404 00493", "409 00015", "422 00361", "500 00500", *ABSENCES})
)
EVERYTHING = Caller("", frozenset({"quotient_familial", "allocataires", "enfants", "adresse"}))
PERSONS = Caller("", frozenset({"allocataires"}))
HERS = Citizen(7, BY_NAME["of the CAF"])
NOBODY_S = Citizen(7, BY_NAME["of nobody"])


def found(citizen: Citizen = HERS, *, by: str = "CNAF", took_s: float = 0.1) -> Answer:
    person = {"nom_naissance": "CAF-FOUND", "prenoms": citizen.first_names}
    return said(200, {"data": {"quotient_familial": {"fournisseur": by}, "allocataires": [person]}}, took_s)


def failed(status: int, code: str, took_s: float = 0.1) -> Answer:
    return said(status, {"errors": [{"code": code, "title": "…"}]}, took_s)


def said(status: int, body: Any, took_s: float = 0.1) -> Answer:
    return Answer(status, json.dumps(body).encode(), took_s)


def invariants(broken: list[Violation]) -> list[Invariant]:
    return [one.invariant for one in broken]


@pytest.mark.parametrize(
    ("citizen", "answer"),
    [(HERS, found()), (HERS, failed(502, "23001")), (NOBODY_S, failed(404, "35003"))],
    ids=["found", "a typed error", "an absence"],
)
def test_a_right_answer_breaks_no_invariant(citizen: Citizen, answer: Answer) -> None:
    assert violations(citizen, EVERYTHING, answer, RULES) == []


@pytest.mark.parametrize(
    ("answer", "invariant"),
    [
        (found(took_s=5.1), Invariant.IN_TIME),
        (failed(502, "23001", took_s=5.1), Invariant.IN_TIME),
        (failed(404, "35003"), Invariant.NEVER_NOBODY),
        (found(Citizen(8, HERS.kind)), Invariant.OWN_PERSON),
        (found(by="MSA"), Invariant.OWN_PERSON),
        (failed(502, "99999"), Invariant.TYPED),
        (failed(500, "00500"), Invariant.TYPED),
        (failed(422, "00361"), Invariant.TYPED),
        (failed(404, "00493"), Invariant.TYPED),
        (failed(409, "00015"), Invariant.TYPED),
        (said(502, "<html>"), Invariant.TYPED),
        (said(200, {"data": {}}), Invariant.TYPED),
    ],
)
def test_a_wrong_answer_breaks_its_invariant(answer: Answer, invariant: Invariant) -> None:
    assert invariants(violations(HERS, EVERYTHING, answer, RULES)) == [invariant]


def test_data_about_an_unknown_person_break_own_person() -> None:
    assert invariants(violations(NOBODY_S, EVERYTHING, found(NOBODY_S), RULES)) == [Invariant.OWN_PERSON]


@pytest.mark.parametrize(
    ("kind", "has_it", "expected"),
    [
        ("with the RSA", True, []),
        ("without the RSA", False, []),
        ("with the RSA", False, [Invariant.NEVER_NOBODY]),
        ("without the RSA", True, [Invariant.OWN_PERSON]),
    ],
)
def test_an_entitlement_reported_wrongly_breaks_an_invariant(
    kind: str, has_it: bool, expected: list[Invariant]
) -> None:
    caller = Caller("", frozenset({"est_beneficiaire"}))
    answer = said(200, {"data": {"est_beneficiaire": has_it}})
    assert invariants(violations(Citizen(7, BY_NAME[kind]), caller, answer, RULES)) == expected


def test_a_field_outside_of_the_caller_s_scopes_breaks_own_fields() -> None:
    assert invariants(violations(HERS, PERSONS, found(), RULES)) == [Invariant.OWN_FIELDS]


def test_a_conflict_is_allowed_for_a_repeated_call() -> None:
    assert violations(HERS, EVERYTHING, failed(409, "00015"), RULES, repeated=True) == []


MARGINS = Margins(memory_share=0.1, memory_mb=5.0, descriptors=2, tasks=3)
BEFORE = ResourceUsage(memory_mb=100.0, descriptors=20, tasks=30, pending=0)


@pytest.mark.parametrize("after", [BEFORE, ResourceUsage(115.0, 22, 33, 0), ResourceUsage(50.0, 10, 5, 0)])
def test_resource_usage_within_the_margins_is_no_growth(after: ResourceUsage) -> None:
    assert grown({"gateway": BEFORE}, {"gateway": after}, MARGINS) == []


@pytest.mark.parametrize(
    ("after", "invariant"),
    [
        (ResourceUsage(116.0, 20, 30, 0), Invariant.BASELINE),
        (ResourceUsage(100.0, 23, 30, 0), Invariant.BASELINE),
        (ResourceUsage(100.0, 20, 34, 0), Invariant.BASELINE),
        (ResourceUsage(100.0, 20, 30, 1), Invariant.QUIET),
    ],
)
def test_resource_usage_beyond_a_margin_is_a_violation(after: ResourceUsage, invariant: Invariant) -> None:
    assert invariants(grown({"gateway": BEFORE}, {"gateway": after}, MARGINS)) == [invariant]


def test_a_leftover_message_or_queue_is_a_violation() -> None:
    assert left_in_queues({"a": 0, "reply-1": 0}, {"a": 0, "reply-2": 0}) == []
    assert invariants(left_in_queues({"a": 0}, {"a": 3})) == [Invariant.QUIET]
    assert invariants(left_in_queues({"a": 0}, {"a": 0, "b": 0})) == [Invariant.BASELINE]
    assert invariants(left_in_queues({"a": 0}, {"a.reserve": 0})) == [Invariant.BASELINE]


def test_the_page_on_chaos_lists_every_invariant_in_the_words_of_the_report() -> None:
    page = (Path(__file__).parents[2] / "docs" / "chaos.md").read_text(encoding="utf-8")
    table = page[page.index("| invariant |") :].split("\n\n")[0]
    rows = re.findall(r"^\| (.+?) \|", table, re.MULTILINE)
    assert rows == ["invariant", *Invariant]


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"status": "found", "data": {"est_beneficiaire": True}}, "200"),
        ({"status": "not_found", "errors": [{"code": "35003"}]}, "404 35003"),
        ({"status": "failed", "errors": [{"code": "23001"}]}, "502 23001"),
        ({"status": "failed", "errors": [{"code": "12345"}]}, "500 12345"),
        ({"status": "failed"}, "500 garbage"),
    ],
)
def test_a_dossier_of_one_part_is_judged_as_the_single_call(part: dict[str, Any], told: str) -> None:
    status, body = as_single(200, msgspec.json.encode({"data": {PART: part}}), RULES)
    assert status_and_code(Answer(status, body, 0.1)) == told
