"""List of error codes, and a page for each code."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from bouquet_portal.catalogue.entries import entries
from bouquet_portal.documents.model import ErrorCode, Operation
from bouquet_portal.documents.refreshed_value import Reading
from bouquet_portal.erreurs.codes import Code, Filters, codes, filtered, identities
from bouquet_portal.site import site
from bouquet_portal.theme.words import modality_name

FAULTS = {"caller": "À vous", "platform": "À la plateforme", "provider": "Au fournisseur"}
"""French words that tell a visitor who has to act, by the party that caused the error: caller, platform or provider."""


@require_safe
def errors(request: HttpRequest) -> HttpResponse:
    read = site().gateway.errors.latest()
    filters = Filters(
        query=request.GET.get("q", "")[:200].strip(),
        provider=request.GET.get("fournisseur", ""),
        fault=request.GET.get("a_qui", ""),
    )
    known = _known(read)
    found = filtered(known, filters)
    context = {
        "rows": [(code, FAULTS[code.fault]) for code in found],
        "filters": filters,
        "providers": sorted({(code.code[:2], code.provider or site().settings.service_name) for code in known}),
        "faults": FAULTS,
        "count": len(found),
        "read": read,
    }
    return render(request, "erreurs/errors.html", context)


@require_safe
def error(request: HttpRequest, code: str) -> HttpResponse:
    read = site().gateway.errors.latest()
    if read is None:
        return render(request, "erreurs/away.html", {"code": code}, status=503)
    found = next((one for one in _known(read) if one.code == code), None)
    if found is None:
        raise Http404
    operations = [one for one in _operations() if one.id in found.operation_ids]
    context = {
        "error": found,
        "causes": [(cause, FAULTS[cause.fault]) for cause in found.causes],
        "advice": site().content.advice_on(code),
        "identities": [
            (modality_name(one.modality), one) for one in identities(found, {one.modality for one in operations} - {""})
        ],
        "fiches": [
            entry
            for entry in entries(site().content, site().gateway.operations.latest())
            if any(one in entry.operations for one in operations)
        ],
    }
    return render(request, "erreurs/error.html", context)


def _known(read: Reading[tuple[ErrorCode, ...]] | None) -> list[Code]:
    return codes(read.value, _operations()) if read else []


def _operations() -> tuple[Operation, ...]:
    latest = site().gateway.operations.latest()
    return latest.value if latest else ()
