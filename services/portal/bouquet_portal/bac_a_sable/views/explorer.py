"""Pages of the sandbox's invented people, of the test cases about them, and of the errors that the sandbox
simulates."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from bouquet_portal.bac_a_sable import explorer, form
from bouquet_portal.bac_a_sable.cases import Case, matching
from bouquet_portal.bac_a_sable.sandbox import Call
from bouquet_portal.bac_a_sable.snippets import snippets
from bouquet_portal.bac_a_sable.views.shown import Shown, shows_sandbox
from bouquet_portal.site import site


@require_safe
@shows_sandbox
def people(request: HttpRequest, shown: Shown) -> HttpResponse:
    everybody = shown.cases.value.people()
    topics = explorer.by_topic(shown.cases.value.cases, shown.operations, site().content.apis)
    rows = list(explorer.matrix(everybody, topics))
    context = {"rows": rows, "topics": topics, "cases": shown.cases, "sandbox": shown.sandbox}
    return render(request, "bac_a_sable/people.html", context)


@require_safe
@shows_sandbox
def person(request: HttpRequest, shown: Shown, slug: str) -> HttpResponse:
    found = next((one for one in shown.cases.value.people() if one.slug == slug), None)
    if found is None:
        raise Http404
    topics = explorer.by_topic(found.cases, shown.operations, site().content.apis)
    relatives = [
        one for one in shown.cases.value.people() if found.family and one.family == found.family and one != found
    ]
    parts = [(topic.title, list(explorer.distinct(topic.known))) for topic in topics]
    return render(request, "bac_a_sable/person.html", {"person": found, "parts": parts, "relatives": relatives})


@require_safe
@shows_sandbox
def situations(request: HttpRequest, shown: Shown) -> HttpResponse:
    words = request.GET.get("q", "").strip()[:100]
    chosen = list(matching(shown.cases.value.cases, words)) if words else shown.cases.value.cases
    topics = explorer.by_topic(chosen, shown.operations, site().content.apis)
    parts = [(topic.title, list(explorer.distinct(topic.known))) for topic in topics]
    count = sum(len(known) for _, known in parts)
    return render(request, "bac_a_sable/situations.html", {"parts": parts, "words": words, "count": count})


@require_safe
@shows_sandbox
def errors(request: HttpRequest, shown: Shown) -> HttpResponse:
    known = shown.sandbox.errors.latest()
    by_id = {operation.id: operation for operation in shown.operations}
    rows = list(explorer.yielded(known.value if known else (), shown.cases.value, by_id))
    return render(
        request, "bac_a_sable/errors.html", {"rows": rows, "simulated": sum(bool(row.simulated) for row in rows)}
    )


@require_safe
@shows_sandbox
def case(request: HttpRequest, shown: Shown, operation_id: str, name: str) -> HttpResponse:
    found = shown.cases.value.case(f"{operation_id}/{name}")
    if found is None:
        raise Http404
    operation = shown.operation(operation_id)
    call = Call(operation, form.with_recipient(operation, found.parameters), _token_of(found, shown))
    context = {
        "case": found,
        "known": explorer.Known(found, operation),
        "operation": operation,
        "call": call,
        "snippets": snippets(call, shown.sandbox.url),
        "slug": next((one.slug for one in shown.cases.value.people() if one.name == found.person), ""),
        "cases": shown.cases,
    }
    return render(request, "bac_a_sable/case.html", context)


def _token_of(case: Case, shown: Shown) -> str:
    return case.sessions[0] if case.sessions else shown.sandbox.token
