"""Data that the pages of the sandbox show, and the limit on the calls that visitors make through these pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Concatenate, ParamSpec

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from msgspec import Struct

from bouquet_portal.bac_a_sable.cases import Cases
from bouquet_portal.bac_a_sable.sandbox import Sandbox, sandbox
from bouquet_portal.documents.model import Operation
from bouquet_portal.documents.refreshed_value import Reading
from bouquet_portal.rate_limit import RateLimit

P = ParamSpec("P")

CALLS_PER_MINUTE = 60
"""Largest number of calls per minute that the portal makes to the sandbox for visitors with the same IP address."""


class SandboxContents(Struct, frozen=True):
    """Sandbox gateway, with its test cases and operations as the portal last read them."""

    sandbox: Sandbox
    cases: Reading[Cases]
    operations: tuple[Operation, ...]

    def operation(self, id: str) -> Operation:
        """Returns the operation with this id. Raises `Http404` for an unknown id."""
        found = next((operation for operation in self.operations if operation.id == id), None)
        if found is None:
            raise Http404
        return found


@cache
def limit() -> RateLimit:
    return RateLimit(CALLS_PER_MINUTE)


def with_sandbox_contents(
    view: Callable[Concatenate[HttpRequest, SandboxContents, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Decorator that passes the sandbox's test cases and operations (`SandboxContents`) to a Django view.

    If the portal has no sandbox, the visitor gets an error page with status 404. Until the sandbox has been read once,
    the status is 503.
    """

    @wraps(view)
    def answer(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        known = sandbox()
        if known is None:
            return render(request, "bac_a_sable/none.html", status=404)
        cases, operations = known.cases.latest(), known.operations.latest()
        if cases is None or operations is None:
            return render(request, "bac_a_sable/away.html", status=503)
        return view(request, SandboxContents(known, cases, operations.value), *args, **kwargs)

    return answer
