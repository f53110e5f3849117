"""Catalogue of the APIs, page of each API (fiche), and examples of answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from bouquet_portal import search
from bouquet_portal.bac_a_sable.cases import Case
from bouquet_portal.bac_a_sable.sandbox import sandbox
from bouquet_portal.catalogue import curl
from bouquet_portal.catalogue.entries import (
    Entry,
    Filters,
    entries,
    errors_of,
    filtered,
    providers,
    state_of,
)
from bouquet_portal.catalogue.example import lines
from bouquet_portal.documents.model import Operation, ResourceState
from bouquet_portal.site import site
from bouquet_portal.theme.dates import PARIS
from bouquet_portal.theme.words import MODALITIES, modality_name


def all_entries() -> tuple[Entry, ...]:
    """Returns all APIs of the catalogue, with the operations last read from the gateway."""
    return entries(site().content, site().gateway.operations.latest())


def states() -> Mapping[str, ResourceState]:
    latest = site().gateway.states.latest()
    return latest.value if latest else {}


@require_safe
def catalogue(request: HttpRequest) -> HttpResponse:
    filters = Filters(
        query=request.GET.get("q", "")[:200].strip(),
        provider=request.GET.get("fournisseur", ""),
        modality=request.GET.get("modalite", ""),
        use_case=request.GET.get("cas_usage", ""),
        with_deprecated="depreciees" in request.GET,
    )
    known, use_cases, now = all_entries(), site().content.use_cases, states()
    found = filtered(known, filters, use_cases)
    context = {
        "filters": filters,
        "rows": [(entry, state_of(entry, now)) for entry in found if not entry.is_incoming],
        "incoming": [entry for entry in found if entry.is_incoming],
        "providers": sorted({name for entry in known for name in providers(entry)}, key=search.simplified),
        "modalities": [name for name in MODALITIES.values() if any(name in one.modalities for one in known)],
        "use_cases": use_cases,
        "count": len(found),
        "operations": site().gateway.operations.latest(),
    }
    return render(request, "catalogue/catalogue.html", context)


@require_safe
def fiche(request: HttpRequest, uid: str) -> HttpResponse:
    entry = _entry(uid)
    if isinstance(entry, HttpResponse):
        return entry
    return render(request, "catalogue/fiche.html", _fiche(entry))


def _fiche(entry: Entry) -> dict[str, Any]:
    content, api = site().content, entry.api
    today = datetime.now(PARIS).date()
    latest = site().gateway.states.latest()
    return {
        "entry": entry,
        "api": api,
        "alerts": [alert for alert in api.alerts if alert.is_shown(today)] if api else [],
        "state": state_of(entry, latest.value) if latest else None,
        "states": latest,
        "operations_read": site().gateway.operations.latest(),
        "calls": [_call(operation) for operation in entry.newest.operations] if entry.is_served else [],
        "errors": _errors(entry),
        "uses": [
            (case, use)
            for case in content.use_cases
            for use in case.apis
            if use.uid == entry.uid and use.level != "injustifiee"
        ],
        "changes": [change for change in content.changes if change.scope == entry.uid],
    }


def _call(operation: Operation) -> dict[str, Any]:
    settings = site().settings
    parameters = [one for one in operation.parameters if one.location == "query"]
    return {
        "operation": operation,
        "title": modality_name(operation.modality) if operation.modality else operation.title,
        "parameters": sorted(parameters, key=lambda one: not one.is_required),
        "curl": curl.command(operation, settings.api_url or settings.gateway_url),
    }


def _errors(entry: Entry) -> dict[str, Any] | None:
    """Returns the documented errors of an API's newest version, from its provider and from the platform. Returns None
    if the gateway does not serve the API, or if its errors are not known yet."""
    latest = site().gateway.errors.latest()
    if latest is None or not entry.is_served:
        return None
    found = errors_of(entry.newest.operations, latest.value)
    return {
        "of_provider": [one for one in found if one.provider],
        "of_platform": [one for one in found if not one.provider],
    }


@require_safe
def example(request: HttpRequest, uid: str) -> HttpResponse:
    """Shows a page with an example answer of an API. With the query `?choix=1&avec=SCOPE`, the page marks the fields
    that a caller with only the scope SCOPE does not get."""
    entry = _entry(uid)
    if isinstance(entry, HttpResponse):
        return entry
    if not entry.is_served:
        raise Http404
    operation = max(entry.newest.operations, key=lambda one: len(tuple(one.all_fields())))
    case = _longest_case(operation)
    scopes = set(request.GET.getlist("avec")) if "choix" in request.GET else set(entry.scopes)
    context = {
        "entry": entry,
        "operation": operation,
        "case": case,
        "lines": lines(operation.fields, scopes, case.payload["data"] if case else None),
        "scopes": [(scope, scope in scopes) for scope in entry.scopes],
    }
    return render(request, "catalogue/example.html", context)


def _longest_case(operation: Operation) -> Case | None:
    """Returns the sandbox's test case of this operation with the longest answer. Returns None if no answer contains
    data."""
    latest = sandbox_cases()
    found = [
        case
        for case in latest
        if case.operation_id == operation.id and isinstance(case.payload, dict) and case.payload.get("data")
    ]
    return max(found, key=lambda case: len(str(case.payload)), default=None)


def sandbox_cases() -> tuple[Case, ...]:
    known = sandbox()
    latest = known.cases.latest() if known else None
    return latest.value.cases if latest else ()


def _entry(uid: str) -> Entry | HttpResponsePermanentRedirect:
    """Returns the API with this uid, or a redirect to the API that had this uid formerly. Raises `Http404` for an
    unknown uid."""
    for entry in all_entries():
        if entry.uid == uid:
            return entry
    if (api := site().content.successor(uid)) is not None:
        return redirect("fiche", uid=api.uid, permanent=True)
    raise Http404
