"""Checks of a dossier (several lookups in one request) before any provider is asked: its body, its caller and the rate
limit."""

from __future__ import annotations

from urllib.parse import urlencode

from msgspec import structs

from bouquet_gateway.call import Call, HttpRequest
from bouquet_gateway.dossiers.plan import Plan, plan_dossier
from bouquet_gateway.dossiers.read import read_dossier
from bouquet_gateway.dossiers.run import Dossier
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.offers.discovery import Discovery
from bouquet_gateway.single_calls.ask import OperationCaller, Services
from bouquet_proto.deadline import Deadline


class Dossiers:
    """Service that prepares dossiers (several lookups in one request). Reads the body, finds the operation and query of
    each lookup, and checks the caller's token."""

    def __init__(self, offers: Discovery, services: Services, deadline_s: float) -> None:
        """Takes `offers`, the operations that workers have offered, and `services`, by which each lookup is made. All
        lookups of a dossier must be answered within `deadline_s` seconds."""
        self._offers = offers
        self._services = services
        self._deadline_s = deadline_s

    async def open(self, body: bytes, request: HttpRequest, call: Call) -> Dossier:
        """Returns a dossier that is ready to run. Raises `Problem` if the body has a fault, or if the caller is
        refused."""
        # Refusals come in the order of a single call: first those of the caller, then those of the request.
        deadline, plan = Deadline.after(self._deadline_s), self._plan(body)
        if isinstance(plan, Plan):
            call.counted_paths = plan.paths_without_for_each
            request = structs.replace(request, raw_query=_with_recipient(request.raw_query, plan))
        authenticate = self._services.authenticate
        admission = await authenticate.admit(request, call, deadline)
        is_session = admission.may_be_session and isinstance(plan, Plan) and plan.has_part_by_session
        if not is_session:
            admission = await authenticate.admit_token(admission, request, call, deadline)
        if isinstance(plan, Problem):
            raise plan
        if admission.undelegated is not None:
            raise Problem(admission.undelegated.reason)
        return Dossier(
            plan,
            OperationCaller(
                services=self._services,
                request=request,
                call=call,
                admission=admission,
                is_session=is_session,
                deadline=deadline,
            ),
        )

    def _plan(self, body: bytes) -> Plan | Problem:
        try:
            return plan_dossier(read_dossier(body), self._offers, self._services.clock().date())
        except Problem as problem:
            return problem


def _with_recipient(raw_query: str, plan: Plan) -> str:
    """Returns `raw_query`, completed with the parameters `recipient` and `delegation_id` of the dossier in `plan`."""
    # Authentication needs them to find the habilitation that is delegated to a software editor.
    # They stand last, since the last value of a parameter counts.
    named = {"recipient": plan.recipient, "delegation_id": plan.delegation_id}
    return "&".join(filter(None, (raw_query, urlencode(named))))
