"""The conformance suite of the kit, run against the GIP-MDS's worker."""

from __future__ import annotations

from pathlib import Path

from bouquet_gip_mds.simulator import simulator
from bouquet_gip_mds.worker import worker
from bouquet_worker.testing import Conformance, cases_in

PROVIDERS = Path(__file__).parents[2] / "services" / "providers"


class TestGipMds(Conformance):
    worker = worker
    simulator = simulator
    cases = cases_in(PROVIDERS / "gip_mds" / "cases")
