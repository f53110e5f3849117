"""Cost of one more provider for a gateway: in the catalogue, in the OpenAPI document and in `/metrics`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import msgspec
from msgspec import Raw
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import REGISTRY

import bouquet_proto
from bench.capacity.figure import Figure, cpu_us
from bouquet_gateway import metrics
from bouquet_gateway.offers.catalogue import Catalogue
from bouquet_gateway.offers.checks import read_offer
from bouquet_gateway.public import openapi
from bouquet_mesh.observe import metrics as of_mesh
from bouquet_proto.offer import Offer

MEN = Path(bouquet_proto.__file__).parents[1] / "offers" / "men.json"
SIZES = (10, 100)
STATUSES = (200, 400, 401, 403, 404, 409, 422, 429, 502, 503)


def figures() -> list[Figure]:
    body = MEN.read_bytes()
    offer = msgspec.json.decode(body, type=Offer)
    provider = f"provider of {len(offer.operations)} operations"
    found = [
        Figure(provider, "its offer on the bus", float(len(body)), "bytes"),
        Figure(provider, "its offer read again", cpu_us(lambda: read_offer("men", Raw(body), {}), 50), "µs"),
    ]
    for size in SIZES:
        offers = [copy_of(offer, number) for number in range(size)]
        catalogue = Catalogue(offers)
        document = _encoded_document(catalogue)
        catalogue_us = cpu_us(partial(Catalogue, offers), 2)
        document_us = cpu_us(partial(_encoded_document, catalogue), 1)
        found += [
            Figure(provider, f"its part of the catalogue, of {size} providers", catalogue_us / size, "µs"),
            Figure(provider, f"its part of the OpenAPI document, of {size} providers", len(document) / size, "bytes"),
            Figure(provider, f"the same, made, of {size} providers", document_us / size, "µs"),
        ]
    return [*found, *_series(provider, offer)]


def _encoded_document(catalogue: Catalogue) -> bytes:
    return msgspec.json.encode(openapi.document(catalogue.by_path))


def copy_of(offer: Offer, number: int) -> Offer:
    """Returns a copy of the offer under the name of another provider, with operation ids and paths that contain
    `number`."""
    operations = tuple(
        replace(one, id=f"{one.id}_{number}", path=f"/v3/p{number}{one.path}") for one in offer.operations
    )
    return replace(offer, provider=f"p{number}", operations=operations)


def _series(provider: str, offer: Offer) -> list[Figure]:
    """Returns how many Prometheus series a provider adds to a gateway, and the bytes and CPU time that one series costs
    each time Prometheus reads `/metrics`."""
    # It is the number of series of a gateway, the number that one provider adds, and the bytes and CPU of one series in
    # a scrape.
    before, bytes_before = _count(), len(generate_latest(REGISTRY))
    for operation in offer.operations:
        metrics.request_seconds(operation.id)
        for status in STATUSES:
            metrics.requests(operation.id, "v3", status, "")
    for request in ("lookup", "describe"):
        of_mesh.call_seconds(offer.provider, request)
        for outcome in ("found", "not_found", "rejected", "failed"):
            of_mesh.CALLS.labels(offer.provider, request, outcome, "", "")
    metrics.CALLS_IN_FLIGHT.labels(offer.provider)
    metrics.OPERATIONS.labels(offer.provider)
    series, grown = _count() - before, len(generate_latest(REGISTRY)) - bytes_before
    scraped = cpu_us(lambda: generate_latest(REGISTRY), 20) / _count()
    return [
        Figure(provider, "its Prometheus series at a gateway, all statuses seen", series, ""),
        Figure("Prometheus series", "of a gateway without providers", before, ""),
        Figure("Prometheus series", "one, in a scrape", grown / series, "bytes"),
        Figure("Prometheus series", "one, in a scrape: gateway", scraped, "µs"),
    ]


def _count(registry: CollectorRegistry = REGISTRY) -> float:
    return float(sum(len(metric.samples) for metric in registry.collect()))
