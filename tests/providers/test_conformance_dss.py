"""The conformance suite of the kit, run against the social security's worker."""

from __future__ import annotations

from pathlib import Path

from bouquet_dss.simulator import simulator
from bouquet_dss.worker import worker
from bouquet_worker.testing import Conformance, cases_in

PROVIDERS = Path(__file__).parents[2] / "services" / "providers"


class TestDss(Conformance):
    worker = worker
    simulator = simulator
    cases = cases_in(PROVIDERS / "dss" / "cases")
