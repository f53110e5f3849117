"""The conformance suite, which every provider must pass, and a harness for a provider's own tests.

The package needs `bouquet-worker[testing]`. A test class with these members runs a few dozen tests:

class TestAcme(Conformance):
    worker = worker
    simulator = simulator
    cases = cases_in(Path(__file__).parent.parent / "cases")

A test of the provider's own behaviour sends questions to the worker in a `worker_harness`.
"""

from __future__ import annotations

import warnings
from typing import Any

from bouquet_worker.testing.cases import Case, cases_in, found
from bouquet_worker.testing.conformance import Conformance
from bouquet_worker.testing.harness import WorkerHarness, worker_harness

__all__ = ["Case", "Conformance", "WorkerHarness", "cases_in", "found", "worker_harness"]

_RENAMED: dict[str, Any] = {"Workbench": WorkerHarness, "workbench": worker_harness}
"""Maps each deprecated name of this package to the object that replaces it."""


def __getattr__(name: str) -> Any:
    """Returns the member that formerly had this name, and issues a `DeprecationWarning`."""
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    renamed = _RENAMED[name]
    warnings.warn(f"{__name__}.{name} is now called {renamed.__name__}", DeprecationWarning, stacklevel=2)
    return renamed
