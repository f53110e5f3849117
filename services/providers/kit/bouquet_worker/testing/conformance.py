"""The conformance suite: what every provider must do, whoever wrote it. Failures speak to its author."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import Any, ClassVar

import msgspec
import pytest

from bouquet_proto.deadline import Deadline
from bouquet_proto.failures import FAILURES
from bouquet_proto.messages import Describe, Failed, Found, Reply, encode
from bouquet_proto.offer import Offer, Operation
from bouquet_worker.simulate import Fault, Simulator
from bouquet_worker.testing.cases import Case
from bouquet_worker.testing.offers import (
    OURS,
    objections_to_case,
    objections_to_offer,
    objections_to_operation,
    unlike,
)
from bouquet_worker.testing.overheard import overhearing, personal_words, words_of
from bouquet_worker.testing.workbench import (
    PATIENCE_S,
    REQUEST_ID,
    SICKNESSES,
    TODAY,
    Behaviour,
    Front,
    Held,
    Workbench,
    impatient,
    lookup_of,
    simulating,
    workbench,
)
from bouquet_worker.worker import Worker

TOO_LATE = "deadline_exceeded"
"""What the bus says where the worker has said nothing yet."""
HANG_S = 30.0
"""After which what was waited for does not happen."""
QUOTING = (Fault.INTERNAL, Fault.TRUNCATED, "other_shape")
"""Answers that a worker might be tempted to quote."""


class Conformance:
    """`today` is the day of the worker and of its simulator, so that recorded replies do not age."""

    worker: ClassVar[Worker]
    simulator: ClassVar[Simulator]
    cases: ClassVar[Sequence[Case]]
    today: ClassVar[date] = TODAY

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """`case` is each case; `known` one that is found, for each operation."""
        offer = self.worker.offer()
        if "case" in metafunc.fixturenames:
            metafunc.parametrize("case", self.cases, ids=[case.name for case in self.cases])
        if "operation" in metafunc.fixturenames:
            metafunc.parametrize("operation", offer.operations, ids=[operation.id for operation in offer.operations])
        if "known" in metafunc.fixturenames:
            known = _known(self.cases)
            metafunc.parametrize("known", known, ids=[case.operation for case in known])
        if "sickness" in metafunc.fixturenames:
            metafunc.parametrize("sickness", SICKNESSES)

    # The offer

    def test_the_offer_is_sound(self) -> None:
        _none(objections_to_offer(self.worker.offer()), f"The offer of {self.worker.provider}")

    def test_each_operation_is_sound(self, operation: Operation) -> None:
        _none(objections_to_operation(operation, self.worker.offer()), operation.id)

    def test_the_offer_survives_the_wire(self) -> None:
        offer = self.worker.offer()
        assert msgspec.json.decode(encode(offer), type=Offer) == offer, (
            "The offer that a gateway reads is not the one that was written: is there a type that JSON does not have?"
        )

    @pytest.mark.asyncio
    async def test_the_worker_describes_itself_by_its_offer(self) -> None:
        async with self._workbench() as bench:
            describe = Describe(id=REQUEST_ID, deadline=Deadline.after(PATIENCE_S).at)
            reply = await bench.bus.call(self.worker.provider, describe)
        assert isinstance(reply, Found), f"To `describe` the worker answered {reply}"
        assert msgspec.json.decode(reply.data, type=Offer) == self.worker.offer()

    # The cases

    def test_each_operation_has_a_case_that_is_found(self) -> None:
        missing = {operation.id for operation in self.worker.offer().operations}
        missing -= {case.operation for case in _known(self.cases)}
        _none(sorted(missing), "No case shows what these operations find")

    def test_each_case_asks_what_is_offered(self, case: Case) -> None:
        _none(objections_to_case(case, self.worker.offer()), case.name)

    @pytest.mark.asyncio
    async def test_each_case_has_its_reply(self, case: Case, caplog: pytest.LogCaptureFixture) -> None:
        async with self._workbench() as bench:
            reply = await bench.ask(case)
        assert _told(reply) == _told(case.reply), _difference(case, reply) + _bug(caplog)

    def test_what_is_found_is_what_the_schema_says(self, operation: Operation) -> None:
        for case in self.cases:
            if case.operation == operation.id and isinstance(case.reply, Found):
                _none(unlike(operation, msgspec.json.decode(case.reply.data)), case.name)

    # Its upstream in trouble

    @pytest.mark.asyncio
    async def test_a_sick_upstream_is_a_typed_failure(
        self, known: Case, sickness: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """At whichever of its requests, a token's included: nobody may conclude anything of the person."""
        for untouched in range(await self._requests_of(known)):
            reply = await self._reply_of_the_sick(known, sickness, untouched)
            objection = _objection_to_failure(reply, self.worker.offer())
            assert not objection, (
                f"{known.name}, when the upstream is {sickness} from request {untouched + 1} on: {objection}"
                + _bug(caplog)
            )

    @pytest.mark.asyncio
    async def test_the_deadline_is_honoured(self, known: Case) -> None:
        reply = await self._reply_of_the_sick(known, Fault.SLOW, await self._requests_of(known) - 1)
        assert reply != Failed(TOO_LATE), (
            f"{known.name}: the deadline passed before the worker said that its upstream is silent. "
            "Does it wait for something else than its upstreams?"
        )

    @pytest.mark.asyncio
    async def test_a_cancelled_question_stops_its_request(self, known: Case) -> None:
        held, app = Held(), self.simulator.app()
        front = Front(held, await self._requests_of(known) - 1)
        with impatient(self.worker, self.today):
            async with (
                simulating(self.simulator, app, front, self.today) as environ,
                self.worker.connected(self.worker.settings(environ)) as upstreams,
            ):
                question = asyncio.ensure_future(self.worker.handler(upstreams)(lookup_of(known)))
                assert await _happens(held.begun), f"{known.name}: its last request never came"
                question.cancel()
                await asyncio.wait([question], timeout=HANG_S)
                assert question.cancelled(), f"{known.name}: the handler swallows its cancellation"
                assert await _happens(held.abandoned), f"{known.name}: the request goes on, and nobody waits for it"

    @pytest.mark.asyncio
    async def test_a_stopping_worker_finishes_what_it_began(self, known: Case) -> None:
        held = Held()
        async with self._workbench(held, await self._requests_of(known) - 1) as bench:
            question = asyncio.create_task(bench.ask(known))
            assert await _happens(held.begun), f"{known.name}: its last request never came"
            asyncio.get_running_loop().call_later(0.05, held.go_on.set)
        reply = await question
        assert _told(reply) == _told(known.reply), _difference(known, reply)

    # Privacy

    @pytest.mark.asyncio
    async def test_no_log_span_or_metric_names_the_person(self, case: Case) -> None:
        async with self._workbench() as bench:
            await bench.ask(case)
            last = max(bench.front.asked - 1, 0)
        with overhearing() as overheard:
            for behaviour in (None, *(SICKNESSES[name] for name in QUOTING)):
                async with self._workbench(behaviour, last) as bench:
                    await bench.ask(case)
        personal = personal_words(case, self.worker.offer())
        leaks = {kind: sorted(personal & words_of(text)) for kind, text in overheard.texts().items()}
        _none(
            (f"{kind}: {', '.join(words)}" for kind, words in leaks.items() if words),
            f"{case.name}: words of the person or of their data are in",
        )

    def _workbench(
        self, behaviour: Behaviour | None = None, untouched: int = 0
    ) -> AbstractAsyncContextManager[Workbench]:
        return workbench(self.worker, self.simulator, today=self.today, behaviour=behaviour, untouched=untouched)

    async def _reply_of_the_sick(self, case: Case, sickness: str, untouched: int) -> Reply:
        async with self._workbench(SICKNESSES[sickness], untouched) as bench:
            return await (bench.ask_the_silent(case) if sickness == Fault.SLOW else bench.ask(case))

    async def _requests_of(self, case: Case) -> int:
        """How many requests it takes, tokens included."""
        async with self._workbench() as bench:
            await bench.ask(case)
        if not bench.front.asked:
            pytest.skip(f"{case.operation} asks no upstream")
        return bench.front.asked


def _known(cases: Iterable[Case]) -> list[Case]:
    """The first found case of each operation."""
    found = [case for case in cases if isinstance(case.reply, Found)]
    return list({case.operation: case for case in reversed(found)}.values())[::-1]


def _objection_to_failure(reply: Reply, offer: Offer) -> str:
    if not isinstance(reply, Failed):
        return f"the worker answered {reply.__struct_config__.tag}, as if it knew"
    if reply.reason not in FAILURES | offer.problems:
        return f"the reason {reply.reason} has no row"
    if reply.reason in OURS:
        return f"the reason {reply.reason} hides what happened"
    return ""


async def _happens(event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(HANG_S):
            return await event.wait()
    except TimeoutError:
        return False


def _told(reply: Reply) -> Any:
    """However it is written."""
    return msgspec.json.decode(encode(reply))


def _difference(case: Case, reply: Reply) -> str:
    expected, answered = (msgspec.json.format(encode(each)).decode().splitlines() for each in (case.reply, reply))
    return "\n".join((f"{case.name}: expected (-) and answered (+)", *difflib.ndiff(expected, answered)))


def _bug(caplog: pytest.LogCaptureFixture) -> str:
    """Where the handler raised what it should not have, as the bus logs it."""
    bugs = [record for record in caplog.records if record.getMessage() == "worker bug"]
    return "".join(f"\n{vars(bug)['error']} at {vars(bug)['at']}" for bug in bugs)


def _none(objections: Iterable[str], about: str) -> None:
    told = list(objections)
    assert not told, "\n  ".join((f"{about}:", *told))
