"""Page from which a visitor sends a dossier (one request for several lookups) to the sandbox. The page shows the answer
to each lookup."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from bouquet_portal.bac_a_sable.dossier import EXAMPLE, PATH, faults, json_fault, rows
from bouquet_portal.bac_a_sable.snippets import dossier_command
from bouquet_portal.bac_a_sable.views.contents import SandboxContents, limit, with_sandbox_contents
from bouquet_portal.documents.client import GatewayError
from bouquet_portal.rate_limit import address_of

MAX_BYTES = 64 * 1024
"""Largest size, in bytes, of a dossier that a gateway accepts."""


@require_http_methods(["GET", "HEAD", "POST"])
@with_sandbox_contents
def dossier(request: HttpRequest, contents: SandboxContents) -> HttpResponse:
    """Shows the form, at first with a dossier about an invented household. If the visitor has sent the form, also sends
    the dossier to the sandbox and shows the answer. The portal does not store the dossier."""
    if request.method != "POST":
        return render(request, "bac_a_sable/dossier.html", {"text": EXAMPLE, "path": PATH})
    text = request.POST.get("text", "").replace("\r\n", "\n")
    context: dict[str, Any] = {"text": text, "path": PATH}
    if wrong := "Le dossier dépasse 64 Kio." if len(text.encode()) > MAX_BYTES else json_fault(text):
        return render(request, "bac_a_sable/dossier.html", context | {"wrong_text": wrong}, status=422)
    if not limit().allows(address_of(request)):
        return render(request, "bac_a_sable/too_many.html", status=429)
    try:
        result = contents.sandbox.send(PATH, text.encode())
    except GatewayError:
        return render(request, "bac_a_sable/dossier.html", context | {"is_away": True}, status=502)
    context |= {
        "result": result,
        "rows": list(rows(result.body)) if result.status == 200 else [],
        "faults": faults(result.body) if result.status != 200 else [],
        "command": dossier_command(text, contents.sandbox.token, f"{contents.sandbox.url.rstrip('/')}{PATH}"),
    }
    return render(request, "bac_a_sable/dossier.html", context)
