"""Test cases of a sandbox (recorded answers about invented people), published as one document, and checks of proposed
cases."""
# The gateway gets the cases and checks from the casebook, the service that replaces all workers in a sandbox.

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import msgspec
from msgspec import Struct

from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.offers.discovery import Discovery
from bouquet_gateway.public.encoded_document import EncodedDocument, encode_document
from bouquet_mesh.bus.api import BusClient
from bouquet_proto import france_connect_session
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import CheckCase, Failed, Found, ListCases
from bouquet_proto.offer import Offer
from bouquet_proto.sandbox_messages import (
    CasePage,
    CaseReport,
    RecordedCase,
    SimulatedErrors,
    SimulatedSession,
)

T = TypeVar("T")

KEPT_S = 5.0
"""Seconds for which the document with all test cases is reused."""
OUTSIDE_SANDBOX_REASON = "malformed_request"
"""Reason of the failure with which a worker outside of a sandbox answers a request about test cases."""
# Such a worker does not understand the request.

_page = msgspec.json.Decoder(CasePage)
_report = msgspec.json.Decoder(CaseReport)


class CaseDocument(Struct, frozen=True):
    """Public list of what a sandbox answers: test cases, simulated errors, and simulated FranceConnect sessions."""

    cases: tuple[RecordedCase, ...]
    errors: tuple[SimulatedErrors, ...]
    sessions: tuple[SimulatedSession, ...]


class SandboxCases:
    """Service that publishes a sandbox's test cases, and checks test cases that somebody proposes. In other gateways,
    each method raises `Problem` (404), as for an unknown path."""

    def __init__(
        self, offers: Discovery, bus: BusClient, *, is_sandbox: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._offers = offers
        self._bus = bus
        self._is_sandbox = is_sandbox
        self._clock = clock
        self._building = asyncio.Lock()
        self._document: EncodedDocument | None = None
        self._built_at = 0.0

    async def document(self, request_id: str, deadline: Deadline) -> EncodedDocument:
        """Returns the document of all test cases of the sandbox. Raises `Problem` outside of a sandbox, or if a
        provider does not answer."""
        self._need_sandbox()
        async with self._building:
            if self._document is None or self._clock() >= self._built_at + KEPT_S:
                self._document = encode_document(await self._collect(request_id, deadline))
                self._built_at = self._clock()
            return self._document

    async def report(self, operation_id: str, text: str, request_id: str, deadline: Deadline) -> CaseReport:
        """Has the sandbox check `text`, a test case file proposed for an operation, and returns the report on its
        faults. Raises `Problem` for an unknown operation, or if its provider does not answer."""
        # A provider that does not belong to a sandbox also leads to a `Problem`.
        self._need_sandbox()
        offer = next((one for one in self._offers.catalogue.offers if operation_id in _folders(one)), None)
        if offer is None:
            raise Problem("unknown_operation", values={"named": ""})
        check = CheckCase(id=request_id, deadline=deadline.at, operation=operation_id, text=text)
        match await self._bus.call(offer.provider, check):
            case Found(data=data):
                return _decoded(_report, data)
            case Failed(reason=reason) if reason == OUTSIDE_SANDBOX_REASON:
                raise Problem("unknown_route")
            case _:
                raise Problem("bus_unavailable")

    def _need_sandbox(self) -> None:
        if not self._is_sandbox:
            raise Problem("unknown_route")

    async def _collect(self, request_id: str, deadline: Deadline) -> CaseDocument:
        offers = self._offers.catalogue.offers
        found = [[page async for page in self._pages(offer, request_id, deadline)] for offer in offers]
        pages = [page for own in found for page in own]
        if not pages:
            raise Problem("unknown_route")
        cases = sorted((case for page in pages for case in page.cases), key=lambda case: case.id)
        errors = sorted((one for page in pages for one in page.errors), key=lambda one: one.operation_id)
        return CaseDocument(tuple(cases), tuple(errors), tuple(one for page in pages for one in page.sessions))

    async def _pages(self, offer: Offer, request_id: str, deadline: Deadline) -> AsyncIterator[CasePage]:
        """Requests the test cases of one provider, and yields them page by page. `offer` is the description of its
        operations. Yields nothing if the provider does not belong to a sandbox. Raises `Problem` if the provider does
        not answer."""
        after: str | None = ""
        while after is not None:
            request = ListCases(id=request_id, deadline=deadline.at, after=after)
            match await self._bus.call(offer.provider, request):
                case Found(data=data):
                    page = _decoded(_page, data)
                    yield page
                    after = page.next if page.next > after else None  # never a page twice
                case Failed(reason=reason) if reason == OUTSIDE_SANDBOX_REASON:
                    return
                case _:
                    raise Problem("bus_unavailable")


def _decoded(decoder: msgspec.json.Decoder[T], data: msgspec.Raw) -> T:
    try:
        return decoder.decode(data)
    except msgspec.DecodeError:
        raise Problem("bus_unavailable") from None


def _folders(offer: Offer) -> set[str]:
    """Returns the names of the folders for a provider's test cases: one for each operation (`Operation.folder`)."""
    # FranceConnect's worker also has `france_connect`, whose cases describe the sessions of invented citizens.
    sessions = {france_connect_session.PROVIDER} & {offer.provider}
    return {operation.folder for operation in offer.operations} | sessions
