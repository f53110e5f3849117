"""Calls that the gateway itself makes to its operations. Examples are the lookups of a dossier (several lookups in one
request)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct, structs
from opentelemetry.trace import SpanKind

from bouquet_gateway.access.authenticate import Admission, Authenticator
from bouquet_gateway.call import Answer, Call, HttpRequest
from bouquet_gateway.call_report import report_call
from bouquet_gateway.errors.answers import answer_of, problem_of
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.journal.record import Journal
from bouquet_gateway.lookup.answer import Lookups, describe_call
from bouquet_gateway.single_calls.parameters import Parameters
from bouquet_gateway.single_calls.target import Target
from bouquet_mesh.observe import spans
from bouquet_proto.deadline import Deadline
from bouquet_proto.rules import SharedResults

METHOD = "GET"
"""HTTP method, in traces and logs, of the calls that the gateway itself makes to its operations."""


class Services(Struct, frozen=True, kw_only=True):
    """Services that the gateway uses for each call: token checks, lookups and access journal."""

    authenticate: Authenticator
    lookups: Lookups
    journal: Journal
    clock: Callable[[], datetime]


class OperationCaller(Struct, frozen=True, kw_only=True):
    """Caller of operations on behalf of one request, such as a dossier (several lookups in one request). Uses the
    request's credential, id and deadline."""

    services: Services
    request: HttpRequest
    call: Call
    """Facts about the whole request for which the single calls are made."""
    admission: Admission
    is_session: bool
    """Whether the credential belongs to a FranceConnect session. If so, calls get only the citizen's own data."""
    deadline: Deadline
    refusal: Problem | None = None
    """Error that every call gets in place of a lookup; `None` if lookups are allowed."""
    shared: SharedResults = {}
    """Results of validation rules, by rule, date and parameter values. Calls with the same values share the results."""

    async def answer(self, target: Target, parameters: Parameters, *, is_counted: bool) -> tuple[Call, Answer]:
        """Calls the operation `target`, and returns the call and its answer. `is_counted` says whether the rate limit
        has already counted the call."""
        # The call is checked, recorded, traced and measured like a caller's own.
        own = self.call
        call = Call(
            own.request_id,
            own.envelope,
            target.path,
            token_id=own.token_id,
            habilitation=own.habilitation,
            purpose=own.purpose,
            shared=self.shared,
        )
        if target.match is not None:
            describe_call(call, target.match)
        with spans.span(METHOD, SpanKind.INTERNAL, {"bouquet.request_id": call.request_id}) as span:
            answer = self._recorded(await self._answer(target, parameters, call, is_counted=is_counted), call)
            report_call(call, METHOD, answer.status, span)
        return call, answer

    async def _answer(self, target: Target, parameters: Parameters, call: Call, *, is_counted: bool) -> Answer:
        request = structs.replace(
            self.request, method=METHOD, raw_path=target.path, raw_query=parameters.raw_query, proof=""
        )
        try:
            self.services.journal.begin(call)
            if not is_counted:
                await self.services.authenticate.count_call(self.admission, request, call)
            if self.refusal is not None:
                raise self.refusal
            if self.is_session and not target.by_session:
                raise Problem("insufficient_scopes")
            if target.match is None:
                raise Problem("bus_unavailable")
            return await self.services.lookups.answer_admitted(
                self.admission, target.match, request, parameters.query, call, self.deadline
            )
        except Exception as error:
            return answer_of(problem_of(error), call, call.path)

    def _recorded(self, answer: Answer, call: Call) -> Answer:
        """Writes the record of a call to the access journal. Returns `answer`, or an error in its place if the record
        cannot be written."""
        try:
            self.services.journal.end(call, answer.status)
        except Problem as problem:
            return answer_of(problem, call, call.path)
        return answer
