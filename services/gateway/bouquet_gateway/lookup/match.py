"""Hop 4: from the path of a request to the operation that answers it."""

from __future__ import annotations

from bouquet_gateway.access.credentials import Credential
from bouquet_gateway.call import HttpRequest
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.offers.catalogue import Match, Naming
from bouquet_gateway.offers.discovery import Discovery
from bouquet_gateway.paths import ENCODED, READING
from bouquet_proto.query import Query

REMOVED = {
    "/api/impots/svair": "gone_tax_notice",
    "/api/v2/avis-imposition": "gone_tax_notice",
    "/api/caf/famille": "gone_first_quotient",
    "/api/v2/composition-familiale": "gone_first_quotient",
}
"""Paths withdrawn from the contract, with the reason that is answered (docs/reference/contract.md §1.3). An offer of
such a path has precedence."""


def match_path(offers: Discovery, request: HttpRequest, path: str, credential: Credential, query: Query) -> Match:
    """Returns the match of a tidied path. Raises `Problem` for an unknown path."""
    if ENCODED in request.raw_path:
        raise Problem("unknown_route")
    is_reading = request.method in READING
    match = offers.catalogue.match(path, _naming(credential, query)) if is_reading else None
    if match is not None:
        return match
    if path in REMOVED:
        raise Problem(REMOVED[path])
    if is_reading and offers.may_be_offered(path):
        raise Problem("bus_unavailable")
    raise Problem("unknown_route")


def _naming(credential: Credential, query: Query) -> Naming:
    """Returns whether a request identifies the person by session or by INE. A blank INE does not count."""
    ine = query.scalar("ine")
    return Naming(by_session=credential.place == "bearer", by_ine=bool(ine.strip() if isinstance(ine, str) else ine))
