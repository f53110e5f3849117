"""What a provider costs a gateway: its part of the catalogue, of the OpenAPI document, and of `/metrics`."""

from __future__ import annotations

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
    found = [
        Figure("offer", f"described, {len(offer.operations)} operations", float(len(body)), "bytes"),
        Figure("offer", "read again", cpu_us(lambda: read_offer("men", Raw(body), {}), 50), "µs"),
    ]
    for size in SIZES:
        offers = [_copy(offer, number) for number in range(size)]
        catalogue = Catalogue(offers)
        document = msgspec.json.encode(openapi.document(catalogue.by_path))
        found += [
            Figure("offer", f"catalogue made, of {size}, each", cpu_us(lambda: Catalogue(offers), 2) / size, "µs"),  # noqa: B023
            Figure("offer", f"OpenAPI document, of {size}, each", len(document) / size, "bytes"),
            Figure(
                "offer",
                f"OpenAPI document made, of {size}, each",
                cpu_us(lambda: msgspec.json.encode(openapi.document(catalogue.by_path)), 1) / size,  # noqa: B023
                "µs",
            ),
        ]
    return [*found, *_series(offer)]


def _copy(offer: Offer, number: int) -> Offer:
    """Another provider of as much, at paths of its own."""
    operations = tuple(
        replace(one, id=f"{one.id}_{number}", path=f"/v3/p{number}{one.path}") for one in offer.operations
    )
    return replace(offer, provider=f"p{number}", operations=operations)


def _series(offer: Offer) -> list[Figure]:
    """Of one more provider, all of whose operations have been answered in every way; and what a scrape of one costs."""
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
        Figure("metrics", f"of a provider of {len(offer.operations)} operations, at a gateway", series, ""),
        Figure("metrics", "of a gateway without any", before, ""),
        Figure("metrics", "one series shown", grown / series, "bytes"),
        Figure("metrics", "one series shown, time", scraped, "µs"),
    ]


def _count(registry: CollectorRegistry = REGISTRY) -> float:
    return float(sum(len(metric.samples) for metric in registry.collect()))
