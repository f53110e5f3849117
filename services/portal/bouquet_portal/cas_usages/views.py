"""Pages of use cases, which say what data a public service may ask for, and why."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from bouquet_portal.content.model import Api, ApiUse, UseCase
from bouquet_portal.site import site

LEVELS = ("indispensable", "utile", "injustifiee")


@require_safe
def use_cases(request: HttpRequest) -> HttpResponse:
    return render(request, "cas_usages/use_cases.html", {"use_cases": site().content.use_cases})


@require_safe
def use_case(request: HttpRequest, id: str) -> HttpResponse:
    found = next((case for case in site().content.use_cases if case.id == id), None)
    if found is None:
        raise Http404
    return render(request, "cas_usages/use_case.html", {"case": found, "rows": _rows(found)})


def _rows(case: UseCase) -> list[tuple[ApiUse, Api]]:
    """Returns the APIs of a use case, each with the degree to which the use case needs it, the most needed first."""
    uses = sorted(case.apis, key=lambda use: LEVELS.index(use.level))
    return [(use, api) for use in uses if (api := site().content.api(use.uid))]
