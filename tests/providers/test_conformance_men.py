"""The conformance suite of the kit, run against the education ministry's worker."""

from __future__ import annotations

from pathlib import Path

from bouquet_men.simulator import simulator
from bouquet_men.worker import worker
from bouquet_worker.testing import Conformance, cases_in

PROVIDERS = Path(__file__).parents[2] / "services" / "providers"


class TestMen(Conformance):
    worker = worker
    simulator = simulator
    cases = cases_in(PROVIDERS / "men" / "cases")
