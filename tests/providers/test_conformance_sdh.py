"""The conformance suite of the kit, run against the Sport Data Hub's worker."""

from __future__ import annotations

from pathlib import Path

from bouquet_sdh.simulator import simulator
from bouquet_sdh.worker import worker
from bouquet_worker.testing import Conformance, cases_in

PROVIDERS = Path(__file__).parents[2] / "services" / "providers"


class TestSdh(Conformance):
    worker = worker
    simulator = simulator
    cases = cases_in(PROVIDERS / "sdh" / "cases")
    bare_404_is_absence = True
