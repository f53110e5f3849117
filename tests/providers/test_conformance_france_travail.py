"""The conformance suite of the kit, run against France Travail's worker."""

from __future__ import annotations

from pathlib import Path

from bouquet_france_travail.simulator import simulator
from bouquet_france_travail.worker import worker
from bouquet_worker.testing import Conformance, cases_in

PROVIDERS = Path(__file__).parents[2] / "services" / "providers"


class TestFranceTravail(Conformance):
    worker = worker
    simulator = simulator
    cases = cases_in(PROVIDERS / "france_travail" / "cases")
