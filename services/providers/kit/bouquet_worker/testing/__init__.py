"""What a provider's author tests with; needs `bouquet-worker[testing]`.

class TestAcme(Conformance):
    worker = worker
    simulator = simulator
    cases = cases_in(Path(__file__).parent.parent / "cases")

is some dozens of tests. What is special to the provider goes next to them, on a `workbench`.
"""

from __future__ import annotations

from bouquet_worker.testing.cases import Case, cases_in, found
from bouquet_worker.testing.conformance import Conformance
from bouquet_worker.testing.workbench import Workbench, workbench

__all__ = ["Case", "Conformance", "Workbench", "cases_in", "found", "workbench"]
