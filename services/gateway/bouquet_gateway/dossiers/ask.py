"""Calls that a dossier (several lookups in one request) makes. Each of its lookups is answered like a single call, by
`lookup.answer`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct, structs
from opentelemetry.trace import SpanKind

from bouquet_gateway.access.authenticate import Admission, Authenticate
from bouquet_gateway.call import Answer, Call, HttpRequest
from bouquet_gateway.call_report import report_call
from bouquet_gateway.dossiers.plan import Parameters, Target
from bouquet_gateway.dossiers.result import PartResult, result_of
from bouquet_gateway.errors.answers import answer_of, problem_of
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.journal.record import Journal
from bouquet_gateway.lookup.answer import Lookups, describe_call
from bouquet_mesh.observe import spans
from bouquet_proto.deadline import Deadline
from bouquet_proto.rules import SharedResults

METHOD = "GET"
"""HTTP method of the single call that a part of a dossier replaces."""


class Services(Struct, frozen=True, kw_only=True):
    """Services of the gateway that answer the single calls of dossiers (several lookups in one request)."""

    authenticate: Authenticate
    lookups: Lookups
    journal: Journal
    clock: Callable[[], datetime]


class Asker(Struct, frozen=True, kw_only=True):
    """Maker of a dossier's calls (a dossier is one request for several lookups). Each call has the dossier's
    credential, request id and deadline."""

    services: Services
    request: HttpRequest
    call: Call
    """Call of the dossier itself."""
    admission: Admission
    is_session: bool
    """Whether the credential belongs to a FranceConnect session. Such a credential gives access only to the citizen's
    own data."""
    deadline: Deadline
    shared: SharedResults = {}
    """Results of computations about persons, each made once for all calls of the dossier."""

    async def ask(self, target: Target, parameters: Parameters, *, is_counted: bool) -> PartResult:
        """Makes the single call of `target` with these parameters, and returns the result: data or an error.
        `is_counted` tells whether the rate limit has already counted this call."""
        own = self.call
        call = Call(
            own.request_id,
            own.envelope,
            target.path,
            token_id=own.token_id,
            habilitation=own.habilitation,
            shared=self.shared,
        )
        if target.match is not None:
            describe_call(call, target.match)
        with spans.span(METHOD, SpanKind.INTERNAL, {"bouquet.request_id": call.request_id}) as span:
            answer = self._recorded(await self._answer(target, parameters, call, is_counted=is_counted), call)
            report_call(call, METHOD, answer.status, span)
        return result_of(call, answer, self.services.clock(), target.operation.cache_s if target.operation else 0)

    async def _answer(self, target: Target, parameters: Parameters, call: Call, *, is_counted: bool) -> Answer:
        request = structs.replace(
            self.request, method=METHOD, raw_path=target.path, raw_query=parameters.raw_query, proof=""
        )
        try:
            self.services.journal.begin(call)
            if not is_counted:
                await self.services.authenticate.count_call(self.admission, request, call)
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
        """Writes the journal record of a call. Returns `answer`, or the answer of an error if the record cannot be
        written."""
        try:
            self.services.journal.end(call, answer.status)
        except Problem as problem:
            return answer_of(problem, call, call.path)
        return answer
