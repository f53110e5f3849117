"""The conformance suite of the kit, run against the ANTS's worker."""

from __future__ import annotations

from pathlib import Path

from bouquet_ants.simulator import simulator
from bouquet_ants.worker import worker
from bouquet_worker.testing import Conformance, cases_in

PROVIDERS = Path(__file__).parents[2] / "services" / "providers"


class TestAnts(Conformance):
    worker = worker
    simulator = simulator
    cases = cases_in(PROVIDERS / "ants" / "cases")
