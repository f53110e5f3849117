"""The conformance suite of the kit, run against the MSA's worker."""

from __future__ import annotations

from pathlib import Path

from bouquet_msa.simulator import simulator
from bouquet_msa.worker import worker
from bouquet_worker.testing import Conformance, cases_in

PROVIDERS = Path(__file__).parents[2] / "services" / "providers"


class TestMsa(Conformance):
    worker = worker
    simulator = simulator
    cases = cases_in(PROVIDERS / "msa" / "cases")
