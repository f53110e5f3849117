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
from bouquet_portal.bac_a_sable.views.contents import SandboxContents, with_sandbox_contents
from bouquet_portal.site import site


@require_safe
@with_sandbox_contents
def people(request: HttpRequest, contents: SandboxContents) -> HttpResponse:
    everybody = contents.cases.value.people()
    topics = explorer.by_topic(contents.cases.value.cases, contents.operations, site().content.apis)
    rows = list(explorer.matrix(everybody, topics))
    context = {"rows": rows, "topics": topics, "cases": contents.cases, "sandbox": contents.sandbox}
    return render(request, "bac_a_sable/people.html", context)


@require_safe
@with_sandbox_contents
def person(request: HttpRequest, contents: SandboxContents, slug: str) -> HttpResponse:
    found = next((one for one in contents.cases.value.people() if one.slug == slug), None)
    if found is None:
        raise Http404
    topics = explorer.by_topic(found.cases, contents.operations, site().content.apis)
    relatives = [
        one for one in contents.cases.value.people() if found.family and one.family == found.family and one != found
    ]
    parts = [(topic.title, list(explorer.distinct(topic.cases))) for topic in topics]
    return render(request, "bac_a_sable/person.html", {"person": found, "parts": parts, "relatives": relatives})


@require_safe
@with_sandbox_contents
def situations(request: HttpRequest, contents: SandboxContents) -> HttpResponse:
    words = request.GET.get("q", "").strip()[:100]
    chosen = list(matching(contents.cases.value.cases, words)) if words else contents.cases.value.cases
    topics = explorer.by_topic(chosen, contents.operations, site().content.apis)
    parts = [(topic.title, list(explorer.distinct(topic.cases))) for topic in topics]
    count = sum(len(known) for _, known in parts)
    return render(request, "bac_a_sable/situations.html", {"parts": parts, "words": words, "count": count})


@require_safe
@with_sandbox_contents
def errors(request: HttpRequest, contents: SandboxContents) -> HttpResponse:
    known = contents.sandbox.errors.latest()
    by_id = {operation.id: operation for operation in contents.operations}
    rows = list(explorer.errors_with_calls(known.value if known else (), contents.cases.value, by_id))
    return render(
        request, "bac_a_sable/errors.html", {"rows": rows, "simulated": sum(bool(row.simulated) for row in rows)}
    )


@require_safe
@with_sandbox_contents
def case(request: HttpRequest, contents: SandboxContents, operation_id: str, name: str) -> HttpResponse:
    found = contents.cases.value.case(f"{operation_id}/{name}")
    if found is None:
        raise Http404
    operation = contents.operation(operation_id)
    call = Call(operation, form.with_recipient(operation, found.parameters), _token_of(found, contents))
    context = {
        "case": found,
        "operation_case": explorer.OperationCase(found, operation),
        "operation": operation,
        "call": call,
        "snippets": snippets(call, contents.sandbox.url),
        "slug": next((one.slug for one in contents.cases.value.people() if one.name == found.person), ""),
        "cases": contents.cases,
    }
    return render(request, "bac_a_sable/case.html", context)


def _token_of(case: Case, contents: SandboxContents) -> str:
    return case.sessions[0] if case.sessions else contents.sandbox.token
