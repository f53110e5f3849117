"""What Python's cycle collector is left to do in a process that serves.

A full collection walks all that is alive, and nobody is answered meanwhile: a tenth of a second and more for the
modules, routes and decoders that live as long as the process. Requests leave hardly a cycle: reference counts free
what they made. So what has started is walked no more, and the rest more seldom
(https://docs.python.org/3/library/gc.html#gc.freeze).
"""

from __future__ import annotations

import gc

YOUNG = 20_000
"""Objects made and not freed before the young ones are walked, which takes milliseconds. Python's own 700 are reached
every hundred calls."""


def spare_the_started() -> None:
    """Once, when a process serves. Not after a collection: it would find some hundred objects, and take 50 ms."""
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
