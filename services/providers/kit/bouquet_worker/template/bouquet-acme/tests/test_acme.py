"""Tests of the worker of ACME: the conformance suite and others."""

from __future__ import annotations

from pathlib import Path

from bouquet_worker import Failed
from bouquet_worker.testing import Conformance, cases_in, worker_harness

from bouquet_acme.simulator import simulator
from bouquet_acme.worker import worker

CASES = cases_in(Path(__file__).parent.parent / "cases")
OPEN = next(case for case in CASES if case.name == "dossier_open")


class TestAcme(Conformance):
    worker = worker
    simulator = simulator
    cases = CASES


async def test_a_file_is_asked_for_by_its_number() -> None:
    async with worker_harness(worker, simulator) as harness:
        await harness.ask(OPEN)
    request = harness.received[0]
    assert (request.method, request.path) == ("GET", "/files")
    assert dict(request.query) == {"number": "D-4471820"}


async def test_a_refused_key_is_a_failure_and_not_an_absence() -> None:
    environ = {"BOUQUET_ACME_KEY": "wrong"}
    async with worker_harness(worker, simulator, environ=environ) as harness:
        assert await harness.ask(OPEN) == Failed("upstream_unknown")
