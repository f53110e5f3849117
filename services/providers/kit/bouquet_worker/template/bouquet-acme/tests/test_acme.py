"""The worker of ACME: what every provider must do, and what is special to this one."""

from __future__ import annotations

from pathlib import Path

from bouquet_worker import Failed
from bouquet_worker.testing import Conformance, cases_in, workbench

from bouquet_acme.simulator import simulator
from bouquet_acme.worker import worker

CASES = cases_in(Path(__file__).parent.parent / "cases")
OPEN = next(case for case in CASES if case.name == "dossier_open")


class TestAcme(Conformance):
    worker = worker
    simulator = simulator
    cases = CASES


async def test_the_question_has_their_exact_form() -> None:
    async with workbench(worker, simulator) as bench:
        await bench.ask(OPEN)
    question = bench.received[0]
    assert (question.method, question.path) == ("GET", "/files")
    assert dict(question.query) == {"number": "D-4471820"}


async def test_a_key_that_is_refused_says_nothing_of_the_person() -> None:
    async with workbench(worker, simulator, environ={"BOUQUET_ACME_KEY": "wrong"}) as bench:
        assert await bench.ask(OPEN) == Failed("upstream_unknown")
