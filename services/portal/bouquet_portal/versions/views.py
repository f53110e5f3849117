"""Table of all versions, and a page for each API that has several."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from bouquet_portal.catalogue.entries import Entry, entries
from bouquet_portal.site import site
from bouquet_portal.versions.comparison import compare


@require_safe
def versions(request: HttpRequest) -> HttpResponse:
    operations = site().gateway.operations.latest()
    context = {
        "entries": [entry for entry in _entries() if entry.is_served],
        "notes": site().content.version_notes.get("general"),
        "operations_read": operations,
    }
    return render(request, "versions/versions.html", context)


@require_safe
def changes(request: HttpRequest, uid: str) -> HttpResponse:
    """Shows how each former version of an API differs from the newest one."""
    entry = next((one for one in _entries() if one.uid == uid), None)
    if entry is None:
        if (api := site().content.successor(uid)) is not None:
            return redirect("version_changes", uid=api.uid, permanent=True)
        raise Http404
    notes = site().content.version_notes.get(uid)
    renamed = notes.renamed if notes else {}
    context = {
        "entry": entry,
        "notes": notes,
        "comparisons": [
            (former, compare(former.operations, entry.newest.operations, renamed)) for former in entry.versions[1:]
        ],
    }
    return render(request, "versions/changes.html", context)


def _entries() -> tuple[Entry, ...]:
    return entries(site().content, site().gateway.operations.latest())
