"""Tests that the conformance suite reports faulty workers. tests/kit/test_scaffold.py shows that it passes a good
one."""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

import bouquet_worker
from bouquet_mesh.observe.spans import add_attributes
from bouquet_proto.failures import Failure, Kind
from bouquet_proto.identity import Identifiant, Ine
from bouquet_proto.limits import ReplyLimits
from bouquet_proto.messages import Failed, NotFound
from bouquet_proto.offer import Authority, Offer, Operation, People, Proof, ProofField, ProofSection
from bouquet_proto.rules import Check
from bouquet_worker import Question, UpstreamClient, Worker
from bouquet_worker.errors import UpstreamError
from bouquet_worker.simulate import Simulator
from bouquet_worker.testing import Case, Conformance, cases_in, found
from bouquet_worker.testing.captured_telemetry import personal_words, words_of
from bouquet_worker.testing.offers import (
    objections_to_case,
    objections_to_offer,
    objections_to_operation,
    schema_violations,
)

TEMPLATE = Path(bouquet_worker.__file__).parent / "template" / "bouquet-acme"
CASES = {case.name: case for case in cases_in(TEMPLATE / "cases")}
OPEN = CASES["dossier_open"]
NAMES_SOMEBODY = {
    "type": "object",
    "properties": {
        "titulaire": {
            "type": "object",
            "properties": {"nom": {"type": "string"}, "date_naissance": {"type": "string"}},
        }
    },
}
UNSHARED_CASE = structs.replace(
    CASES["dossier_unknown"], name="unshared", identity=Identifiant(identifiant="D-9181716")
)
"""Case about a person whom no other test uses."""
# A faulty handler puts the person's identifier in a metric, where it stays until the process ends; later tests about
# the same person would find it there and fail.


def proof_of(path: str, shown: str = "whole") -> Proof:
    """Returns a proof that shows one field, which is in an object."""
    at, _, name = path.rpartition(".")
    return Proof(
        title="Dossier", sections=(ProofSection(title="Titulaire", at=at, fields=(ProofField("Champ", name, shown),)),)
    )


class Acme:
    """The provider as `bouquet-worker new` writes it. Tests replace its handler, cases or settings with faulty ones."""

    def __init__(self) -> None:
        self.contract: Any = importlib.import_module("bouquet_acme.contract")
        self.worker: Any = importlib.import_module("bouquet_acme.worker")
        self.simulator: Simulator = importlib.import_module("bouquet_acme.simulator").simulator

    @property
    def operation(self) -> Operation:
        operation: Operation = self.contract.DOSSIER
        return operation

    @property
    def offer(self) -> Offer:
        offer: Offer = self.worker.worker.offer()
        return offer

    def suite(
        self, handler: Any = None, *, cases: Iterable[Case] = CASES.values(), settings: dict[str, str] | None = None
    ) -> Conformance:
        worker = Worker(
            "acme",
            self.worker.Settings,
            owner="team-acme",
            authority=Authority("ACME", "90"),
            problems=self.contract.PROBLEMS,
        )
        worker.upstream(self.worker.files)
        worker.answers(self.operation)(handler or self.worker.dossier)
        simulator = structs.replace(
            self.simulator, settings=lambda url: self.simulator.settings(url) | (settings or {})
        )
        members = {"worker": worker, "simulator": simulator, "cases": tuple(cases)}
        suite: Conformance = type("TestAcme", (Conformance,), members)()
        return suite

    async def dossier(self, question: Question[Identifiant], files: UpstreamClient) -> Any:
        return await self.worker.dossier(question, files)


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> Iterator[Acme]:
    monkeypatch.syspath_prepend(TEMPLATE)
    yield Acme()
    for name in [name for name in sys.modules if name.startswith("bouquet_acme")]:
        del sys.modules[name]


def failing(match: str) -> Any:
    return pytest.raises(AssertionError, match=match)


# Handlers


async def test_conformance_reports_a_failure_taken_for_an_absence(acme: Acme, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(question: Question[Identifiant], files: UpstreamClient) -> Any:
        try:
            return await acme.dossier(question, files)
        except UpstreamError:
            return NotFound("no_file")

    with failing("with the fault html from request 1 on: the worker answered not_found, although it cannot know"):
        await acme.suite(handler).test_a_faulty_upstream_is_a_typed_failure(OPEN, "html", caplog)


async def test_conformance_reports_an_exception_of_the_handler_with_its_place(
    acme: Acme, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(question: Question[Identifiant], files: UpstreamClient) -> Any:
        answer = await files.get("/files", params={"number": question.identity.identifiant})
        return msgspec.json.decode(answer.body)["state"]

    with failing(r"(?s)reason worker_bug does not say what the upstream did.*DecodeError at test_conformance.py:\d+"):
        await acme.suite(handler).test_a_faulty_upstream_is_a_typed_failure(OPEN, "truncated", caplog)


async def test_conformance_reports_a_reason_that_is_in_no_failure_table(
    acme: Acme, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(question: Question[Identifiant], files: UpstreamClient) -> Any:
        try:
            return await acme.dossier(question, files)
        except UpstreamError:
            return Failed("out_of_order")

    with failing("the reason out_of_order is neither in the failure table"):
        await acme.suite(handler).test_a_faulty_upstream_is_a_typed_failure(OPEN, "cut", caplog)


async def test_conformance_reports_a_handler_that_waits_beyond_the_deadline(
    acme: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("bouquet_worker.testing.harness"), "REPLY_MARGIN_S", 1.0)

    async def handler(question: Question[Identifiant], files: UpstreamClient) -> Any:
        try:
            return await acme.dossier(question, files)
        except UpstreamError:
            await asyncio.sleep(60)

    with failing("Does the handler wait for something besides"):
        await acme.suite(handler).test_a_silent_upstream_is_a_failure_before_the_deadline(OPEN)


async def test_conformance_repeats_a_lookup_whose_time_ends_before_the_silent_upstream_is_reached(
    acme: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = import_module("bouquet_worker.testing.harness")
    monkeypatch.setattr(harness, "SILENT_UPSTREAM_S", (0.0, *harness.SILENT_UPSTREAM_S))
    await acme.suite(acme.dossier).test_a_silent_upstream_is_a_failure_before_the_deadline(OPEN)


async def test_conformance_reports_a_handler_that_catches_its_cancellation(acme: Acme) -> None:
    async def handler(question: Question[Identifiant], files: UpstreamClient) -> Any:
        try:
            return await acme.dossier(question, files)
        except asyncio.CancelledError:
            return NotFound("no_file")

    with failing("catches its cancellation"):
        await acme.suite(handler).test_a_cancelled_question_cancels_its_request(OPEN)


async def test_conformance_reports_a_request_that_goes_on_after_its_question(
    acme: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bouquet_worker.testing.conformance.HANG_S", 2.0)
    detached: list[asyncio.Task[Any]] = []

    async def handler(question: Question[Identifiant], files: UpstreamClient) -> Any:
        detached.append(asyncio.create_task(acme.dossier(question, files)))
        return await asyncio.shield(detached[-1])

    with failing("the request to the upstream goes on after"):
        await acme.suite(handler).test_a_cancelled_question_cancels_its_request(OPEN)
    await asyncio.gather(*detached, return_exceptions=True)


async def test_conformance_reports_a_worker_that_stops_before_it_has_answered(acme: Acme) -> None:
    suite = acme.suite(settings={"BOUQUET_ACME_DRAIN_S": "0"})
    with failing("expected"):
        await suite.test_a_stopping_worker_answers_a_running_question(OPEN)


@pytest.mark.parametrize("kind", ["a log line", "a span", "a metric"])
async def test_conformance_reports_a_person_named_in_telemetry(acme: Acme, kind: str) -> None:
    async def handler(question: Question[Identifiant], files: UpstreamClient) -> Any:
        number = question.identity.identifiant
        match kind:
            case "a log line":
                logging.getLogger("acme").info("asked for %s", number)
            case "a span":
                add_attributes({"acme.number": number})
            case _:
                await files.get(f"/files/{number}")  # a route that is no template
        return await acme.dossier(question, files)

    with failing(f"{kind}: 9181716"):
        await acme.suite(handler).test_no_log_span_or_metric_names_the_person(UNSHARED_CASE)


async def test_conformance_searches_telemetry_for_the_upstream_s_data_too(acme: Acme) -> None:
    async def handler(question: Question[Identifiant], files: UpstreamClient) -> Any:
        found = await acme.dossier(question, files)
        logging.getLogger("acme").info("answered", extra={"holder": found.titulaire.prenom.title()})
        return found

    with failing("a log line: maelys"):
        await acme.suite(handler).test_no_log_span_or_metric_names_the_person(OPEN)


def test_words_are_compared_without_case_accents_and_url_encoding() -> None:
    assert words_of("Maëlys%20LE+GOUADEC né 29019") == {"maelys", "20le", "gouadec", "29019"}
    assert words_of("Maëlys") == words_of("MAELYS") == words_of("Ma%C3%ABlys") - {"ablys"}


def test_words_of_the_public_offer_are_not_personal(acme: Acme) -> None:
    assert personal_words(OPEN, acme.offer) == {"4471820", "kervallan", "maelys"}


# Cases


async def test_conformance_shows_a_wrong_reply_beside_the_expected_one(
    acme: Acme, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(question: Question[Identifiant], files: UpstreamClient) -> Any:
        return structs.replace(await acme.dossier(question, files), statut="clos")

    with failing(r'(?s)dossier_open: expected \(-\).*- +"statut": "ouvert".*\+ +"statut": "clos"'):
        await acme.suite(handler).test_each_case_has_its_reply(OPEN, caplog)


def test_conformance_reports_an_operation_without_a_case(acme: Acme) -> None:
    with failing("(?s)These operations have no case whose reply is `found`:.*acme_v3_dossier_with_identifiant"):
        acme.suite(cases=[CASES["dossier_unknown"]]).test_each_operation_has_a_case_that_is_found()


def test_conformance_reports_data_that_violate_the_schema(acme: Acme) -> None:
    wrong = structs.replace(OPEN, reply=found({"statut": "perdu", "date_ouverture": "2021-09-31"}))
    with failing(r"(?s)\$.date_ouverture.*\$.statut|\$.statut.*\$.date_ouverture"):
        acme.suite(cases=[wrong]).test_the_data_of_each_case_fit_the_schema(acme.operation)


@pytest.mark.parametrize(
    ("changes", "objection"),
    [
        ({"operation": "acme_v9"}, "operation acme_v9 is not offered"),
        ({"identity": Ine(ine="0123456789A")}, "this operation identifies people by identifiant"),
        ({"parameters": {"annee": 2025}}, "parameter annee: no check of the operation reads it"),
        ({"reply": NotFound("nobody")}, "reason nobody: not among the `reasons` of the operation"),
        ({"reply": Failed("worker_bug")}, "reason worker_bug: not among the `reasons` of the operation"),
    ],
)
def test_conformance_reports_a_case_that_no_gateway_would_ask(
    acme: Acme, changes: dict[str, Any], objection: str
) -> None:
    assert list(objections_to_case(structs.replace(OPEN, **changes), acme.offer)) == [objection]


@pytest.mark.parametrize("name", CASES)
def test_conformance_accepts_every_case_of_the_template(acme: Acme, name: str) -> None:
    assert list(objections_to_case(CASES[name], acme.offer)) == []


def test_a_case_file_may_name_several_operations(tmp_path: Path) -> None:
    file = msgspec.json.decode((TEMPLATE / "cases" / "dossier_open.json").read_bytes())
    (tmp_path / "open.json").write_bytes(msgspec.json.encode(file | {"operation": ["v3", "v4"]}))
    assert [(case.name, case.operation) for case in cases_in(tmp_path)] == [("open-v3", "v3"), ("open-v4", "v4")]


@pytest.mark.parametrize(
    "text", ["{", "{}", '{"operation": "v3", "identity": {"type": "ine", "ine": ""}, "reply": {}, "note": ""}']
)
def test_a_malformed_case_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "wrong.json").write_text(text)
    with pytest.raises(ValueError, match="wrong.json: "):
        cases_in(tmp_path)


def test_a_folder_without_cases_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no case"):
        cases_in(tmp_path)


# Offers


@pytest.mark.parametrize(
    ("changes", "objection"),
    [
        (
            {"path": "/acme/dossier"},
            "path /acme/dossier: must be /v and a number, or /api, then segments of a-z, 0-9 and _",
        ),
        ({"scopes": ()}, "scopes: empty, so no caller may call the operation"),
        (
            {"reasons": ("nobody",)},
            "reason nobody: neither the failure table nor the worker's problems have a row for it",
        ),
        ({"checks": ((Check("shoe_size"),),)}, "check shoe_size: no rule has this name"),
        (
            {"checks": ((Check("identifiant", {"numero": "n"}),),)},
            "check identifiant: it renames numero, which is no field of this rule",
        ),
        ({"fields": {"titulaire.age": ("acme",)}}, "field titulaire.age: the schema has no field of this path"),
        ({"fields": {"titulaire.nom": ()}}, "field titulaire.nom: has no scope"),
        ({"people": (People(at="titulaire"),)}, "people: the schema has no field titulaire.nom_naissance"),
        ({"meta_fields": ("age",)}, "meta_fields: the schema has no field age"),
        ({"meta_fields": ("titulaire",)}, "meta_fields: titulaire must be one of `open_fields`"),
        ({"proof": proof_of("titulaire.age")}, "proof: the schema has no field titulaire.age"),
        (
            {"proof": proof_of("titulaire.nom", "in part")},
            "proof: nom is shown in part, which is none of whole, initials, month, sex",
        ),
        (
            {"path": "/api/acme", "proof": proof_of("titulaire.nom")},
            "proof: answers of version 2 cannot name it",
        ),
        (
            {"schema": NAMES_SOMEBODY, "fields": {}},
            "people: titulaire holds a name and a birth date, but `people` of the operation does not name it",
        ),
        ({"schema": {"type": "objet"}, "fields": {}}, "schema: 'objet' is not valid under any of the given schemas"),
        (
            {"schema": {"$ref": "#/$defs/Dossier"}, "fields": {}},
            "schema: it has references (`$ref`), which the gateway's OpenAPI document cannot resolve",
        ),
        (
            {"schema": {"properties": {"fin": {"type": "null"}}}, "fields": {}},
            "schema: fin can only be null, for which generated clients have no type; name the type it may have",
        ),
        ({"example": {"statut": 1}}, "example: $.statut: 1 is not one of ['clos', 'ouvert', 'suspendu']"),
    ],
)
def test_conformance_reports_an_operation_that_a_gateway_cannot_serve(
    acme: Acme, changes: dict[str, Any], objection: str
) -> None:
    faulty = structs.replace(acme.operation, **changes)
    assert objection in list(objections_to_operation(faulty, acme.offer))


def test_conformance_finds_fields_through_lists_and_nullables(acme: Acme) -> None:
    inner = {"type": "object", "properties": {"nom": {"type": "string"}}}
    schema = {
        "type": "object",
        "properties": {"membres": {"anyOf": [{"type": "array", "items": inner}, {"type": "null"}]}},
    }
    nested = structs.replace(acme.operation, schema=schema, fields={"membres.nom": ("acme",)})
    assert list(objections_to_operation(nested, acme.offer)) == []


def test_gated_data_are_validated_as_a_caller_receives_them(acme: Acme) -> None:
    data = {
        "statut": "ouvert",
        "date_ouverture": "2021-09-01",
        "titulaire": {"$any": ["acme"], "nom": "K", "prenom": None},
    }
    gated = structs.replace(acme.operation, gated=True)
    assert schema_violations(gated, data | {"$any": ["acme"]}) == []
    assert schema_violations(acme.operation, data | {"$any": ["acme"]}) != []


def row(code: str) -> Failure:
    return Failure(kind=Kind.NOT_FOUND, code=code, title="?", detail="?", fault="caller")


@pytest.mark.parametrize(
    ("changes", "objection"),
    [
        ({"authority": Authority("ACME", "9")}, "authority ACME: its prefix is not two digits"),
        ({"problems": {"nobody": row("3")}}, "problem nobody: its code must have three digits, or five"),
        (
            {"problems": {"upstream_timeout": row("003")}},
            "problem upstream_timeout: the failure table has this reason too, and callers see its row",
        ),
        ({"operations": ()}, "the offer has no operation"),
    ],
)
def test_conformance_reports_an_unsound_offer(acme: Acme, changes: dict[str, Any], objection: str) -> None:
    assert objection in list(objections_to_offer(structs.replace(acme.offer, **changes)))


def test_conformance_reports_two_operations_with_one_path(acme: Acme) -> None:
    by_ine = structs.replace(acme.operation, modality="ine")
    twice = structs.replace(acme.offer, operations=(acme.operation, by_ine))
    assert list(objections_to_offer(twice)) == [
        f"2 operations have the id {acme.operation.id}",
        f"2 operations have the path {acme.operation.path}",
    ]


# Limits of gateways


def test_conformance_reports_an_offer_too_large_for_gateways(acme: Acme) -> None:
    paths = [f"/v3/acme/a{number}/identifiant" for number in range(101)]
    operations = tuple(structs.replace(acme.operation, id=path, path=path) for path in paths)
    objections = " ".join(objections_to_offer(structs.replace(acme.offer, operations=operations)))
    assert "a gateway refuses it: 101 operations; the limit is 100" in objections
    objections = " ".join(objections_to_offer(structs.replace(acme.offer, documents={"/api/x": "x" * 300_000})))
    assert "a gateway accepts 262144" in objections


def test_conformance_reports_reply_limits_above_those_of_gateways(acme: Acme) -> None:
    greedy = structs.replace(acme.operation, reply=ReplyLimits(size_bytes=10**7))
    objections = list(objections_to_operation(greedy, acme.offer))
    assert objections == ["a gateway refuses it: 10000000 bytes in a reply; the limit is 1000000"]
