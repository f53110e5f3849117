"""The conformance suite of the kit, run against the CNAF's worker."""

from __future__ import annotations

from pathlib import Path

from bouquet_cnaf.simulator import simulator
from bouquet_cnaf.worker import worker
from bouquet_worker.testing import Conformance, cases_in

PROVIDERS = Path(__file__).parents[2] / "services" / "providers"


class TestCnaf(Conformance):
    worker = worker
    simulator = simulator
    cases = cases_in(PROVIDERS / "cnaf" / "cases")
