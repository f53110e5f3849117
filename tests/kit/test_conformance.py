"""The conformance suite finds what it is there to find. That it passes a good worker, the scaffold's test shows."""

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
from bouquet_mesh.observe.spans import note
from bouquet_proto.failures import Failure, Kind
from bouquet_proto.identity import Identifiant, Ine
from bouquet_proto.limits import ReplyLimits
from bouquet_proto.messages import Failed, NotFound
from bouquet_proto.offer import Authority, Offer, Operation, People
from bouquet_proto.rules import Check
from bouquet_worker import UpstreamClient
from bouquet_worker.errors import UpstreamError
from bouquet_worker.simulate import Simulator
from bouquet_worker.testing import Case, Conformance, cases_in, found
from bouquet_worker.testing.offers import objections_to_case, objections_to_offer, objections_to_operation, unlike
from bouquet_worker.testing.overheard import personal_words, words_of
from bouquet_worker.worker import Question, Worker

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
TOLD = structs.replace(CASES["dossier_unknown"], name="told", identity=Identifiant(identifiant="D-9181716"))
"""Of somebody who is in no other test: a metric that named them does so until the process ends."""


class Acme:
    """The template's provider, to be spoilt."""

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
        """As its test class would be, with another handler."""
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


async def test_a_failure_taken_for_an_absence_is_found(acme: Acme, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(question: Question[Identifiant], files: UpstreamClient) -> Any:
        try:
            return await acme.dossier(question, files)
        except UpstreamError:
            return NotFound("no_file")

    with failing("when the upstream is html from request 1 on: the worker answered not_found, as if it knew"):
        await acme.suite(handler).test_a_sick_upstream_is_a_typed_failure(OPEN, "html", caplog)


async def test_an_error_of_the_handler_is_found_with_its_place(acme: Acme, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(question: Question[Identifiant], files: UpstreamClient) -> Any:
        answer = await files.get("/files", params={"number": question.identity.identifiant})
        return msgspec.json.decode(answer.body)["state"]

    with failing(r"(?s)reason worker_bug hides what happened.*DecodeError at test_conformance.py:\d+"):
        await acme.suite(handler).test_a_sick_upstream_is_a_typed_failure(OPEN, "truncated", caplog)


async def test_a_reason_without_a_row_is_found(acme: Acme, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(question: Question[Identifiant], files: UpstreamClient) -> Any:
        try:
            return await acme.dossier(question, files)
        except UpstreamError:
            return Failed("out_of_order")

    with failing("the reason out_of_order has no row"):
        await acme.suite(handler).test_a_sick_upstream_is_a_typed_failure(OPEN, "cut", caplog)


async def test_a_wait_without_the_deadline_is_found(acme: Acme, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("bouquet_worker.testing.workbench"), "HOMEWARD_S", 1.0)

    async def handler(question: Question[Identifiant], files: UpstreamClient) -> Any:
        try:
            return await acme.dossier(question, files)
        except UpstreamError:
            await asyncio.sleep(60)

    with failing("Does it wait for something else"):
        await acme.suite(handler).test_the_deadline_is_honoured(OPEN)


async def test_a_swallowed_cancellation_is_found(acme: Acme) -> None:
    async def handler(question: Question[Identifiant], files: UpstreamClient) -> Any:
        try:
            return await acme.dossier(question, files)
        except asyncio.CancelledError:
            return NotFound("no_file")

    with failing("swallows its cancellation"):
        await acme.suite(handler).test_a_cancelled_question_stops_its_request(OPEN)


async def test_a_request_that_outlives_its_question_is_found(acme: Acme, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bouquet_worker.testing.conformance.HANG_S", 2.0)
    detached: list[asyncio.Task[Any]] = []

    async def handler(question: Question[Identifiant], files: UpstreamClient) -> Any:
        detached.append(asyncio.create_task(acme.dossier(question, files)))
        return await asyncio.shield(detached[-1])

    with failing("the request goes on, and nobody waits for it"):
        await acme.suite(handler).test_a_cancelled_question_stops_its_request(OPEN)
    await asyncio.gather(*detached, return_exceptions=True)


async def test_a_worker_that_drops_its_work_is_found(acme: Acme) -> None:
    suite = acme.suite(settings={"BOUQUET_ACME_DRAIN_S": "0"})
    with failing("expected"):
        await suite.test_a_stopping_worker_finishes_what_it_began(OPEN)


@pytest.mark.parametrize("kind", ["a log line", "a span", "a metric"])
async def test_a_person_who_is_told_outside_of_the_reply_is_found(acme: Acme, kind: str) -> None:
    async def handler(question: Question[Identifiant], files: UpstreamClient) -> Any:
        number = question.identity.identifiant
        match kind:
            case "a log line":
                logging.getLogger("acme").info("asked for %s", number)
            case "a span":
                note({"acme.number": number})
            case _:
                await files.get(f"/files/{number}")  # a route that is no template
        return await acme.dossier(question, files)

    with failing(f"{kind}: 9181716"):
        await acme.suite(handler).test_no_log_span_or_metric_names_the_person(TOLD)


async def test_what_the_upstream_said_of_the_person_is_searched_for_too(acme: Acme) -> None:
    async def handler(question: Question[Identifiant], files: UpstreamClient) -> Any:
        found = await acme.dossier(question, files)
        logging.getLogger("acme").info("answered", extra={"holder": found.titulaire.prenom.title()})
        return found

    with failing("a log line: maelys"):
        await acme.suite(handler).test_no_log_span_or_metric_names_the_person(OPEN)


def test_words_are_compared_however_they_are_written() -> None:
    assert words_of("Maëlys%20LE+GOUADEC né 29019") == {"maelys", "20le", "gouadec", "29019"}
    assert words_of("Maëlys") == words_of("MAELYS") == words_of("Ma%C3%ABlys") - {"ablys"}


def test_what_the_offer_says_to_everybody_is_not_personal(acme: Acme) -> None:
    assert personal_words(OPEN, acme.offer) == {"4471820", "kervallan", "maelys"}


# Cases


async def test_another_reply_is_shown_beside_the_expected_one(acme: Acme, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(question: Question[Identifiant], files: UpstreamClient) -> Any:
        return structs.replace(await acme.dossier(question, files), statut="clos")

    with failing(r'(?s)dossier_open: expected \(-\).*- +"statut": "ouvert".*\+ +"statut": "clos"'):
        await acme.suite(handler).test_each_case_has_its_reply(OPEN, caplog)


def test_an_operation_without_a_case_is_found(acme: Acme) -> None:
    with failing("(?s)No case shows what these operations find:.*acme_v3_dossier_with_identifiant"):
        acme.suite(cases=[CASES["dossier_unknown"]]).test_each_operation_has_a_case_that_is_found()


def test_data_that_the_schema_does_not_allow_are_found(acme: Acme) -> None:
    wrong = structs.replace(OPEN, reply=found({"statut": "perdu", "date_ouverture": "2021-09-31"}))
    with failing(r"(?s)\$.date_ouverture.*\$.statut|\$.statut.*\$.date_ouverture"):
        acme.suite(cases=[wrong]).test_what_is_found_is_what_the_schema_says(acme.operation)


@pytest.mark.parametrize(
    ("changes", "objection"),
    [
        ({"operation": "acme_v9"}, "operation acme_v9 is not offered"),
        ({"identity": Ine(ine="0123456789A")}, "a gateway would name this person by identifiant"),
        ({"parameters": {"annee": 2025}}, "parameter annee: no check of the operation reads it"),
        ({"reply": NotFound("nobody")}, "reason nobody: the operation does not announce it"),
        ({"reply": Failed("worker_bug")}, "reason worker_bug: the operation does not announce it"),
    ],
)
def test_a_case_that_no_gateway_would_ask_is_found(acme: Acme, changes: dict[str, Any], objection: str) -> None:
    assert list(objections_to_case(structs.replace(OPEN, **changes), acme.offer)) == [objection]


@pytest.mark.parametrize("name", CASES)
def test_a_good_case_has_no_objection(acme: Acme, name: str) -> None:
    assert list(objections_to_case(CASES[name], acme.offer)) == []


def test_a_file_may_ask_several_operations(tmp_path: Path) -> None:
    file = msgspec.json.decode((TEMPLATE / "cases" / "dossier_open.json").read_bytes())
    (tmp_path / "open.json").write_bytes(msgspec.json.encode(file | {"operation": ["v3", "v4"]}))
    assert [(case.name, case.operation) for case in cases_in(tmp_path)] == [("open-v3", "v3"), ("open-v4", "v4")]


@pytest.mark.parametrize(
    "text", ["{", "{}", '{"operation": "v3", "identity": {"type": "ine", "ine": ""}, "reply": {}, "note": ""}']
)
def test_a_file_that_is_no_case_is_named(tmp_path: Path, text: str) -> None:
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
        ({"path": "/acme/dossier"}, "path /acme/dossier: neither /v3/… nor /api/…"),
        ({"scopes": ()}, "scopes: without any nobody may call it"),
        ({"reasons": ("nobody",)}, "reason nobody: no row, neither in the failure table nor in the worker's problems"),
        ({"checks": ((Check("shoe_size"),),)}, "check shoe_size: there is no such rule"),
        (
            {"checks": ((Check("identifiant", {"numero": "n"}),),)},
            "check identifiant: it renames numero, which this rule does not read",
        ),
        ({"fields": {"titulaire.age": ("acme",)}}, "field titulaire.age: the schema has no such field"),
        ({"fields": {"titulaire.nom": ()}}, "field titulaire.nom: no scope opens it"),
        ({"people": (People(at="titulaire"),)}, "people: the schema has no field titulaire.nom_naissance"),
        (
            {"schema": NAMES_SOMEBODY, "fields": {}},
            "people: titulaire names people, and `people` of the operation does not tell so",
        ),
        ({"schema": {"type": "objet"}, "fields": {}}, "schema: 'objet' is not valid under any of the given schemas"),
        (
            {"schema": {"$ref": "#/$defs/Dossier"}, "fields": {}},
            "schema: it has references, which lead nowhere in the gateway's document",
        ),
        (
            {"schema": {"properties": {"fin": {"type": "null"}}}, "fields": {}},
            "schema: fin is null and nothing else, for which a generated client has no type; say what it may be",
        ),
        ({"example": {"statut": 1}}, "example: $.statut: 1 is not one of ['clos', 'ouvert', 'suspendu']"),
    ],
)
def test_an_operation_that_a_gateway_cannot_serve_is_found(acme: Acme, changes: dict[str, Any], objection: str) -> None:
    spoilt = structs.replace(acme.operation, **changes)
    assert objection in list(objections_to_operation(spoilt, acme.offer))


def test_fields_are_found_through_lists_and_nullables(acme: Acme) -> None:
    inner = {"type": "object", "properties": {"nom": {"type": "string"}}}
    schema = {
        "type": "object",
        "properties": {"membres": {"anyOf": [{"type": "array", "items": inner}, {"type": "null"}]}},
    }
    nested = structs.replace(acme.operation, schema=schema, fields={"membres.nom": ("acme",)})
    assert list(objections_to_operation(nested, acme.offer)) == []


def test_gated_data_are_compared_as_they_are_shown(acme: Acme) -> None:
    data = {
        "statut": "ouvert",
        "date_ouverture": "2021-09-01",
        "titulaire": {"$any": ["acme"], "nom": "K", "prenom": None},
    }
    gated = structs.replace(acme.operation, gated=True)
    assert unlike(gated, data | {"$any": ["acme"]}) == []
    assert unlike(acme.operation, data | {"$any": ["acme"]}) != []


def row(code: str) -> Failure:
    return Failure(kind=Kind.NOT_FOUND, code=code, title="?", detail="?", fault="caller")


@pytest.mark.parametrize(
    ("changes", "objection"),
    [
        ({"authority": Authority("ACME", "9")}, "authority ACME: its prefix is not two digits"),
        ({"problems": {"nobody": row("3")}}, "problem nobody: its code has neither three digits nor five"),
        (
            {"problems": {"upstream_timeout": row("003")}},
            "problem upstream_timeout: this reason is everybody's, and the common row is the one shown",
        ),
        ({"operations": ()}, "it has no operation"),
    ],
)
def test_an_unsound_offer_is_found(acme: Acme, changes: dict[str, Any], objection: str) -> None:
    assert objection in list(objections_to_offer(structs.replace(acme.offer, **changes)))


def test_two_operations_under_one_path_are_found(acme: Acme) -> None:
    twice = structs.replace(acme.offer, operations=(acme.operation, acme.operation))
    assert list(objections_to_offer(twice)) == [
        f"id {acme.operation.id} is that of 2 operations",
        f"path {acme.operation.path} by identifiant is that of 2 operations",
    ]


# What gateways would refuse for its size


def test_an_offer_that_gateways_refuse_is_objected_to(acme: Acme) -> None:
    paths = [f"/v3/acme/a{number}/identifiant" for number in range(101)]
    operations = tuple(structs.replace(acme.operation, id=path, path=path) for path in paths)
    told = " ".join(objections_to_offer(structs.replace(acme.offer, operations=operations)))
    assert "101 operations, and a gateway takes 100" in told
    told = " ".join(objections_to_offer(structs.replace(acme.offer, documents={"/api/x": "x" * 300_000})))
    assert "a gateway takes 262144" in told


def test_an_operation_that_asks_for_everything_is_objected_to(acme: Acme) -> None:
    greedy = structs.replace(acme.operation, reply=ReplyLimits(size_bytes=10**7))
    assert any(told.startswith("reply: ") for told in objections_to_operation(greedy, acme.offer))
