"""Answers to an orchestrator's probes, `/livez` and `/readyz`, given before any other part of the site handles the
request."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase, JsonResponse

GetResponse = Callable[[HttpRequest], HttpResponseBase]

PROBES = ("/livez", "/readyz")


def answer_probes(get_response: GetResponse) -> GetResponse:
    """Returns a middleware that answers every probe (`/livez`, `/readyz`) with 200, whatever the request's `Host`
    header. The middleware checks nothing: the process listens only after the content files have been read and
    checked."""
    # The gateway is no condition: pages answer without it, with the last known documents.

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path in PROBES:
            return JsonResponse({"status": "ok"})
        return get_response(request)

    return middleware
