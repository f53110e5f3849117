"""Tuning of Python's garbage collector, to keep it from stopping a server process for long
(https://docs.python.org/3/library/gc.html#gc.freeze)."""
# A full collection stops the process for a tenth of a second and more, mostly to walk modules, routes and decoders that
# live as long as the process. Requests create hardly any reference cycle.

from __future__ import annotations

import gc

YOUNG_THRESHOLD = 20_000
"""Number of new objects after which the garbage collector examines the young generation, that is, the newest
objects."""
# Python's default of 700 is reached every hundred calls.


def exempt_started_objects() -> None:
    """Exempts all existing objects from garbage collection, and makes collections of new objects rarer. A process calls
    this function once, at the end of its start."""
    # Without a collection before: it would free some hundred objects, and take 50 ms.
    gc.freeze()
    gc.set_threshold(YOUNG_THRESHOLD, *gc.get_threshold()[1:])
