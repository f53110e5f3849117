"""Search for the operation at a request's path (step 4 in docs/architecture.md)."""

from __future__ import annotations

from bouquet_gateway.access.credentials import Credential
from bouquet_gateway.call import HttpRequest
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.offers.catalogue import IdentificationMethod, Match
from bouquet_gateway.offers.discovery import Discovery
from bouquet_gateway.paths import ENCODED, READING
from bouquet_proto.query import Query

REMOVED = {
    "/api/impots/svair": "gone_tax_notice",
    "/api/v2/avis-imposition": "gone_tax_notice",
    "/api/caf/famille": "gone_first_quotient",
    "/api/v2/composition-familiale": "gone_first_quotient",
}
"""Paths that the contract has withdrawn, each with the reason of the error that its callers get
(docs/reference/contract.md §1.3)."""


def match_path(offers: Discovery, request: HttpRequest, path: str, credential: Credential, query: Query) -> Match:
    """Returns the operation at `path`, with its other versions. Raises `Problem` if there is none. `path` has no
    superfluous slashes (`normalise_path`).

    In v2, several operations may share a path. The credential and the query then decide.
    """
    # The error tells whether the path is unknown, withdrawn, or may belong to a provider whose offer is still missing.
    if ENCODED in request.raw_path:
        raise Problem("unknown_route")
    is_reading = request.method in READING
    match = offers.catalogue.match(path, _identification_method(credential, query)) if is_reading else None
    if match is not None:
        return match
    if path in REMOVED:
        raise Problem(REMOVED[path])
    if is_reading and offers.may_be_offered(path):
        raise Problem("bus_unavailable")
    raise Problem("unknown_route")


def _identification_method(credential: Credential, query: Query) -> IdentificationMethod:
    """Returns how a v2 request identifies the person: by FranceConnect session, by INE (national student number), or by
    other parameters."""
    ine = query.scalar("ine")
    return IdentificationMethod(
        by_session=credential.place == "bearer", by_ine=bool(ine.strip() if isinstance(ine, str) else ine)
    )
