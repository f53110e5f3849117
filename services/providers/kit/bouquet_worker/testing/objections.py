"""Checks of a worker's source, test cases and offer (description of operations), without any lookup."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bouquet_worker.testing.cases import Case
from bouquet_worker.testing.offers import objections_to_case, objections_to_offer, objections_to_operation
from bouquet_worker.testing.sources import objections_to_sources
from bouquet_worker.worker import Worker


def objections(worker: Worker, cases: Iterable[Case]) -> Iterator[str]:
    """Yields one line for each fault in the worker's source, test cases or offer (description of operations)."""
    offer = worker.offer()
    yield from (f"offer of {offer.provider}: {fault}" for fault in objections_to_offer(offer))
    for operation in offer.operations:
        yield from (f"{operation.id}: {fault}" for fault in objections_to_operation(operation, offer))
    yield from objections_to_sources(worker)
    for case in cases:
        yield from (f"{case.name}: {fault}" for fault in objections_to_case(case, offer))
