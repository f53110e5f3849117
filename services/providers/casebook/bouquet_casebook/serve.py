"""Process of the sandbox, which answers requests on RabbitMQ from test case files, in place of every installed
worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw, Struct

from bouquet_casebook import sessions
from bouquet_casebook.cases import Case, Casebook
from bouquet_casebook.check import Checker
from bouquet_casebook.errors import code_in_identity, code_in_payload, failure_reply, failures_of
from bouquet_casebook.listing import listed, page_of, simulated_errors, simulated_sessions
from bouquet_casebook.matching import case_keys_of, signature_of_question
from bouquet_casebook.proposal import report_on
from bouquet_casebook.sessions import open_session
from bouquet_casebook.version_2 import answered_from_successors
from bouquet_mesh.bus.api import Bus, Handler, RequestConsumer
from bouquet_mesh.settings import Reader, SettingsError, read_all
from bouquet_proto import france_connect_session, quotient_familial
from bouquet_proto.failures import PROVIDER, Failure, Kind, failure_of
from bouquet_proto.identity import Ine
from bouquet_proto.messages import (
    CheckCase,
    Describe,
    Failed,
    Found,
    ListCases,
    Lookup,
    NotFound,
    Recorded,
    Reply,
    Request,
    encode,
)
from bouquet_proto.names import WORKERS
from bouquet_proto.offer import Offer, Operation
from bouquet_proto.sandbox_messages import CasePage, CaseReport, RecordedCase
from bouquet_worker import PublishedOperation, Worker

log = logging.getLogger(__name__)

PREFIX = "BOUQUET_CASEBOOK_"
CONCURRENCY = 100
SESSIONS = Offer(
    provider=france_connect_session.PROVIDER, owner="sandbox", authority=france_connect_session.AUTHORITY, operations=()
)

OF_AUTHORITIES = (*(reason for reason in PROVIDER if reason != "several_matches"), quotient_familial.QUOTIENT_MISSING)


class CasebookSettings(Struct, frozen=True, kw_only=True):
    """Settings of the sandbox, from the environment variables `BOUQUET_CASEBOOK_*`."""

    cases: str
    """Path of the folder with the case files: a subfolder for each operation id, and `france_connect` for simulated
    sessions."""


def _need_folder(settings: CasebookSettings) -> None:
    if not Path(settings.cases).is_dir():
        raise SettingsError([f"{PREFIX}CASES: is not a folder"])


class CombinedServing(Struct, frozen=True):
    """All consumers by which the sandbox takes requests from RabbitMQ: one for each provider that it replaces."""

    each: tuple[RequestConsumer, ...]

    @property
    def consuming(self) -> bool:
        return all(serving.consuming for serving in self.each)

    def unmet_condition(self) -> Mapping[str, object]:
        """Returns an empty mapping: no condition is unmet. The sandbox is ready as soon as it takes requests."""
        # If gateways refuse some of the operations that it offers, the real workers of these operations report this.
        return {}


class Sandbox:
    """Worker of the sandbox, which answers from test case files in place of every installed worker."""

    provider = "casebook"

    def offers(self) -> tuple[Offer, ...]:
        """Returns the offers (descriptions of operations) that the sandbox answers: `SESSIONS`, and the offers of
        installed workers, simplified by `sandboxed`."""
        return (*sandboxed(worker.offer() for worker in _workers()), SESSIONS)

    def published(self) -> dict[str, PublishedOperation[Any]]:
        """Returns the operations of all installed workers, by id. Each has the function that converts a worker's result
        to published data."""
        return {name: one for worker in reversed(_workers()) for name, one in worker.published.items()}

    def read(self, reader: Reader) -> CasebookSettings:
        """Returns the sandbox's settings. `reader` reads them, and collects the errors in them."""
        return reader.read(CasebookSettings, PREFIX, _need_folder)

    def settings(self, environ: Mapping[str, str]) -> CasebookSettings:
        """Returns the sandbox's settings, read from environment variables. Raises `SettingsError` if a setting is
        wrong."""
        return read_all(environ, self.read)

    @asynccontextmanager
    async def running(self, bus: Bus, environ: Mapping[str, str]) -> AsyncIterator[CombinedServing]:
        casebook = Casebook(Path(self.settings(environ).cases))
        casebook.read_all()  # logs unreadable files now, not at the first question for them
        async with AsyncExitStack() as stack:
            offers, published = self.offers(), self.published()
            case_service = CaseService(casebook, offers, published)
            handlers = {offer.provider: handler_of(offer, casebook, published, case_service) for offer in offers}
            handlers |= {france_connect_session.PROVIDER: _sessions(casebook, _scopes_of(offers), case_service)}
            servings = [
                await stack.enter_async_context(bus.serve(provider, handler, concurrency=CONCURRENCY))
                for provider, handler in handlers.items()
            ]
            yield CombinedServing(tuple(servings))


def _workers() -> list[Worker]:
    """Returns the installed workers, sorted by name. FranceConnect's worker is left out, since the sandbox takes
    sessions from case files."""
    # If several workers offer the same operation, the sandbox takes it from the first of them.
    installed = sorted(entry_points(group=WORKERS), key=lambda entry: entry.name)
    return [entry.load() for entry in installed if entry.name != france_connect_session.PROVIDER]


def sandboxed(offers: Iterable[Offer]) -> tuple[Offer, ...]:
    """Returns copies of workers' offers (descriptions of operations), simplified for the sandbox. Gateways then do not
    cache answers or check identities from FranceConnect, and ask one provider only (docs/reference/contract.md §1.4,
    §6.5)."""
    # If an operation of an offer has a plan (how a gateway asks several providers), the offer also gets the errors that
    # each of the asked providers answers in its own name.
    taken: set[str] = set()
    result = []
    for offer in offers:
        own = tuple(operation for operation in offer.operations if operation.id not in taken)
        taken |= {operation.id for operation in own}
        of_authorities = _problems_of_authorities(offer.problems) if any(operation.plan for operation in own) else {}
        simple = tuple(_without_plan(operation, tuple(of_authorities)) for operation in own)
        result.append(msgspec.structs.replace(offer, operations=simple, problems={**offer.problems, **of_authorities}))
    return tuple(result)


def _without_plan(operation: Operation, reasons_of_authorities: tuple[str, ...]) -> Operation:
    reasons = (*operation.reasons, *reasons_of_authorities) if operation.plan else operation.reasons
    return msgspec.structs.replace(operation, plan="", cache_s=0, pivot=(), reasons=reasons)


def _problems_of_authorities(problems: Mapping[str, Failure]) -> dict[str, Failure]:
    """Returns the errors of CNAF and of MSA, each under a reason of its own, such as `cnaf_upstream_internal`.
    `problems` are the provider's own errors, by reason."""
    # The errors occur in operations for which a gateway asks both providers.
    by_code: dict[str, tuple[str, Failure]] = {}
    for authority in quotient_familial.REGIMES.authorities.values():
        for reason, row in failures_of(OF_AUTHORITIES, problems):
            detail = row.detail.replace("{provider}", authority.label)
            own = msgspec.structs.replace(
                row, code=row.code_of(authority.prefix), provider=authority.label, detail=detail
            )
            if own.code != row.code:
                by_code.setdefault(own.code, (f"{authority.label.lower()}_{reason}", own))
    return dict(by_code.values())


def _scopes_of(offers: Iterable[Offer]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(scope for offer in offers for operation in offer.operations for scope in operation.scopes)
    )


class CaseService:
    """Lists the sandbox's test cases for gateways, and checks case files that authors propose."""

    def __init__(
        self, casebook: Casebook, offers: Sequence[Offer], published: Mapping[str, PublishedOperation[Any]]
    ) -> None:
        self._casebook = casebook
        self._offers = offers
        self._published = published

    def page(self, offer: Offer, after: str) -> CasePage:
        """Returns a page of the test cases for the operations in `offer`: the page after the case with the id `after`.
        An empty `after` means the first page, which also lists simulated errors and sessions."""
        checker = self._checker()
        folders = sorted({operation.folder for operation in offer.operations})
        cases = {folder: self._casebook.folder(folder).cases for folder in folders}
        page = page_of(sorted(self._listed(cases, checker), key=lambda case: case.id), after)
        if after:
            return page
        is_of_sessions = offer.provider == france_connect_session.PROVIDER
        citizens = simulated_sessions(self._casebook.folder(sessions.FOLDER).cases) if is_of_sessions else ()
        errors = simulated_errors(offer, cases)
        return msgspec.structs.replace(page, errors=tuple(errors), sessions=tuple(citizens))

    def report(self, folder: str, text: str) -> CaseReport:
        """Checks the text of a case file that is proposed for a folder, and returns its faults."""
        return report_on(text, folder, self._checker(), self._casebook.folder(folder).cases, self._casebook.today())

    def _checker(self) -> Checker:
        return Checker(self._casebook.root, self._offers, self._published, self._casebook.today())

    def _listed(self, cases: Mapping[str, tuple[Case, ...]], checker: Checker) -> Iterator[RecordedCase]:
        return (listed(case, checker.operations_by_folder[folder]) for folder, own in cases.items() for case in own)


def handler_of(
    offer: Offer, casebook: Casebook, published: Mapping[str, PublishedOperation[Any]], case_service: CaseService
) -> Handler:
    """Returns the function that answers all requests of gateways to one provider. Lookups are answered from case
    files."""
    # The function also describes the operations as in `offer`, and lists and checks test cases.
    answers = _Answers(offer, casebook, published)
    folders = {operation.folder for operation in offer.operations}

    async def handle(request: Request) -> Reply:
        match request:
            case Describe():
                return Found(Raw(encode(offer)))
            case Lookup(operation=name) if name in answers.operations:
                return answers.reply(request, answers.operations[name])
            case ListCases(after=after):
                return Found(Raw(encode(await asyncio.to_thread(case_service.page, offer, after))))
            case CheckCase(operation=folder, text=text) if folder in folders:
                return Found(Raw(encode(await asyncio.to_thread(case_service.report, folder, text))))
            case _:
                return Failed("malformed_request")

    return handle


class _Answers:
    """Answers of the sandbox to the lookups that one provider's worker would answer."""

    def __init__(self, offer: Offer, casebook: Casebook, published: Mapping[str, PublishedOperation[Any]]) -> None:
        self.operations = {operation.id: operation for operation in offer.operations}
        self._older = answered_from_successors(self.operations, published)
        self._offer = offer
        self._casebook = casebook

    def reply(self, lookup: Lookup, operation: Operation) -> Reply:
        """Returns the reply to a lookup: the error whose code the identity contains, or else the test case with the
        same parameters. If no case fits, replies with the default case (`404.yaml`), or else `NotFound`."""
        # Without a reason for `NotFound`, the operation fails with `upstream_unknown`.
        # For an operation of version 2, a matching case of its successor in a later version comes before the default
        # case.
        return (
            self._failure(code_in_identity(lookup.identity), operation)
            or _recorded(self._case(lookup, operation))
            or self._as_version_2(lookup, operation)
            or _recorded(self._casebook.folder(operation.folder).default)
            or self._absence(operation)
        )

    def _failure(self, code: str | None, operation: Operation) -> Reply | None:
        offer = self._offer
        return failure_reply(code, operation, offer.authority_of(operation), offer.problems) if code else None

    def _case(self, lookup: Lookup, operation: Operation) -> Case | None:
        signature = signature_of_question(case_keys_of(operation, self.operations), lookup)
        return self._casebook.folder(operation.folder).find(signature)

    def _as_version_2(self, lookup: Lookup, operation: Operation) -> Reply | None:
        """Answers a lookup of version 2 from a test case of the same operation in a later version. Returns `None` if
        the operation has test cases of its own, or if no test case fits."""
        older = self._older.get(operation.id)
        if older is None or self._casebook.folder(operation.folder).cases:
            return None
        match self._case(lookup, older.successor):
            case None:
                return None
            case Case(status=HTTPStatus.OK, payload=payload, name=name):
                asked = {"ine": lookup.identity.ine} if isinstance(lookup.identity, Ine) else {}
                try:
                    return Recorded(HTTPStatus.OK, older.body(payload, asked))
                except msgspec.ValidationError:
                    facts = {"operation": older.successor.id, "file": name}
                    log.warning("case that version 2 cannot show", extra=facts)
                    return Failed("upstream_malformed")
            case Case(payload=payload):
                return self._failure(code_in_payload(payload), operation)

    def _absence(self, operation: Operation) -> Reply:
        rows = {reason: failure_of(reason, self._offer.problems) for reason in operation.reasons}
        absences = [reason for reason, row in rows.items() if row and row.kind is Kind.NOT_FOUND]
        return NotFound(absences[0]) if absences else Failed("upstream_unknown")


def _recorded(case: Case | None) -> Recorded | None:
    return Recorded(case.status, case.payload) if case else None


def _sessions(casebook: Casebook, scopes: tuple[str, ...], case_service: CaseService) -> Handler:
    """Returns the function that answers all requests of gateways about simulated FranceConnect sessions. `scopes` are
    the scopes of a session that serves only to make calls fail."""
    # The function opens a session, and lists and checks the case files of sessions.

    async def handle(request: Request) -> Reply:
        match request:
            case Describe():
                return Found(Raw(encode(SESSIONS)))
            case Lookup(operation=france_connect_session.OPERATION):
                return open_session(casebook, request, scopes)
            case ListCases(after=after):
                return Found(Raw(encode(await asyncio.to_thread(case_service.page, SESSIONS, after))))
            case CheckCase(operation=sessions.FOLDER, text=text):
                return Found(Raw(encode(await asyncio.to_thread(case_service.report, sessions.FOLDER, text))))
            case _:
                return Failed("malformed_request")

    return handle


sandbox = Sandbox()
