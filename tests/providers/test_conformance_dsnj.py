"""The conformance suite of the kit, run against the DSNJ's worker."""

from __future__ import annotations

from pathlib import Path

from bouquet_dsnj.simulator import simulator
from bouquet_dsnj.worker import worker
from bouquet_worker.testing import Conformance, cases_in

PROVIDERS = Path(__file__).parents[2] / "services" / "providers"


class TestDsnj(Conformance):
    worker = worker
    simulator = simulator
    cases = cases_in(PROVIDERS / "dsnj" / "cases")
