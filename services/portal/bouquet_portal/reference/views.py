"""API reference: an index, a page for each operation, and the OpenAPI files."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from bouquet_portal.catalogue import curl
from bouquet_portal.catalogue.entries import Entry
from bouquet_portal.catalogue.views import all_entries
from bouquet_portal.documents.model import ErrorCode, Operation
from bouquet_portal.reference.editions import EDITIONS
from bouquet_portal.site import site


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    reading = site().gateway.operations.latest()
    providers: dict[str, list[Entry]] = {}
    for entry in all_entries():
        if entry.is_served:
            providers.setdefault(entry.provider, []).append(entry)
    return render(request, "reference/index.html", {"reading": reading, "providers": providers, "editions": EDITIONS})


@require_safe
def operation(request: HttpRequest, operation_id: str) -> HttpResponse:
    reading = site().gateway.operations.latest()
    known = {one.id: one for one in reading.value} if reading else {}
    if reading is None:
        return render(request, "reference/unavailable.html", status=503)
    if operation_id not in known:
        raise Http404
    shown = known[operation_id]
    successor = next((one for one in known.values() if one.path == shown.successor), None)
    return render(
        request,
        "reference/operation.html",
        {
            "reading": reading,
            "operation": shown,
            "siblings": [one for one in known.values() if _resource_and_version(one) == _resource_and_version(shown)],
            "successor": successor,
            "fiche": next((entry for entry in all_entries() if shown in entry.operations), None),
            "errors": _errors_of(shown),
            "curl": curl.command(shown, site().settings.api_url or site().settings.gateway_url),
        },
    )


def _resource_and_version(operation: Operation) -> tuple[str, str]:
    """Returns the resource and the version of an operation, by which pages group operations."""
    # The operations of a group differ only in the way to identify the person.
    return operation.resource, operation.version


def _errors_of(shown: Operation) -> dict[int, list[ErrorCode]]:
    """Returns the errors of this operation by HTTP status, without the errors that every operation can return."""
    reading = site().gateway.errors.latest()
    by_status: dict[int, list[ErrorCode]] = {}
    for error in sorted(reading.value if reading else (), key=lambda error: (error.status, error.code)):
        if shown.id in error.operation_ids:
            by_status.setdefault(error.status, []).append(error)
    return by_status


@require_safe
def swagger(request: HttpRequest, edition: str) -> HttpResponse:
    """Shows the OpenAPI file `edition`, such as `v3`, in Swagger UI, for visitors who prefer it to the site's own
    reference."""
    shown = next((one for one in EDITIONS if one.name == edition), None)
    if shown is None:
        raise Http404
    return render(request, "reference/swagger.html", {"edition": shown, "editions": EDITIONS})


@require_safe
def file(request: HttpRequest, edition: str) -> HttpResponse:
    """Returns the OpenAPI file `edition`, such as `v3`, as JSON. Answers 503 until the portal has read the file from
    the gateway."""
    # JSON is also valid YAML, which the addresses of the files promise.
    reading = site().gateway.files[edition].latest()
    if reading is None:
        return HttpResponse("Le document n'est pas disponible pour le moment.\n", "text/plain; charset=utf-8", 503)
    response = HttpResponse(reading.value, "application/json")
    response["Content-Disposition"] = f'inline; filename="open-api-{edition}.json"'
    return response
