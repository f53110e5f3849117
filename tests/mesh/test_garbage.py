"""Tests of garbage collection in a server process."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest

from bouquet_mesh.gc_tuning import YOUNG_THRESHOLD, exempt_started_objects


class Ring:
    """Object in a reference cycle, which only the garbage collector frees."""

    def __init__(self) -> None:
        self.next = self


@pytest.fixture
def start() -> Iterator[Callable[[], None]]:
    """Yields `exempt_started_objects`, by which a server process exempts long-lived objects from garbage collection.
    Restores the collector's settings after the test."""
    thresholds = gc.get_threshold()
    yield exempt_started_objects
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def walked() -> int:
    # By type(): isinstance() asks lazy objects of Django for their class, which wants settings.
    return sum(type(thing) is Ring for thing in gc.get_objects())


def test_objects_made_before_the_start_are_exempt_from_garbage_collection(start: Callable[[], None]) -> None:
    ring = Ring()
    assert walked() == 1
    start()
    assert walked() == 0
    assert ring.next is ring


def test_reference_cycles_made_after_the_start_are_freed(start: Callable[[], None]) -> None:
    start()
    for _ in range(3 * YOUNG_THRESHOLD):
        Ring()
    assert walked() <= YOUNG_THRESHOLD
