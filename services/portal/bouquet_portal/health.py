"""Answers to the probes of an orchestrator such as Kubernetes, `/livez` and `/readyz`."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase, JsonResponse

GetResponse = Callable[[HttpRequest], HttpResponseBase]

PROBES = ("/livez", "/readyz")


def answer_probes(get_response: GetResponse) -> GetResponse:
    """Returns a middleware that answers each probe (`/livez`, `/readyz`) with 200, whatever the request's `Host`
    header. Checks nothing."""
    # The process listens only after it has checked its content files.
    # The gateway is no condition: pages answer without it, with the last known documents.

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path in PROBES:
            return JsonResponse({"status": "ok"})
        return get_response(request)

    return middleware
