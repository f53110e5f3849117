"""Conformance suite: tests that every provider must pass."""

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
from bouquet_proto.messages import Describe, Failed, Found, NotFound, Reply, encode
from bouquet_proto.offer import Offer, Operation
from bouquet_worker.simulate import Fault, Simulator
from bouquet_worker.testing.captured_telemetry import capturing_telemetry, personal_words, words_of
from bouquet_worker.testing.cases import Case
from bouquet_worker.testing.harness import (
    BARE_404S,
    FAULTY_BEHAVIOURS,
    PATIENCE_S,
    REQUEST_ID,
    TODAY,
    Behaviour,
    FaultInjector,
    HeldRequest,
    WorkerHarness,
    lookup_of,
    simulating,
    without_pauses,
    worker_harness,
)
from bouquet_worker.testing.offers import (
    MESH_REASONS,
    objections_to_case,
    objections_to_offer,
    objections_to_operation,
    schema_violations,
)
from bouquet_worker.testing.sources import objections_to_sources
from bouquet_worker.worker import Worker

NO_REPLY_IN_TIME = "deadline_exceeded"
"""Reason of the failure that the bus reports if the worker has not replied by the deadline."""
HANG_S = 30.0
"""Seconds that a test waits for an event before it fails."""
QUOTABLE_BEHAVIOURS = (Fault.INTERNAL, Fault.TRUNCATED, "other_shape")
"""Faulty answers with personal data, for tests that the worker does not log the upstream's text."""


class Conformance:
    """Base class of a provider's conformance tests. A subclass sets `worker`, `simulator` and `cases`, and may set
    `today` and `bare_404_is_absence`."""

    worker: ClassVar[Worker]
    simulator: ClassVar[Simulator]
    cases: ClassVar[Sequence[Case]]
    """Test cases of the suite, with the replies that the worker must give. Each operation needs a case whose reply
    contains data."""
    today: ClassVar[date] = TODAY
    """Fixed date that the worker and its simulator take for today."""

    bare_404_is_absence: ClassVar[bool] = False
    """Whether the upstream reports an unknown person by the status 404 alone. If so, the suite accepts the reply
    `not_found` to all 404s without HTML."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrizes the tests: a test with the argument `case`, `operation`, `behaviour` or `found_case` runs once
        for each value of this argument."""
        # `behaviour` is a way in which an upstream can fail; `found_case` is, for each operation, the first case that
        # finds data.
        offer = self.worker.offer()
        if "case" in metafunc.fixturenames:
            metafunc.parametrize("case", self.cases, ids=[case.name for case in self.cases])
        if "operation" in metafunc.fixturenames:
            metafunc.parametrize("operation", offer.operations, ids=[operation.id for operation in offer.operations])
        if "found_case" in metafunc.fixturenames:
            found_cases = _found_cases(self.cases)
            metafunc.parametrize("found_case", found_cases, ids=[case.operation for case in found_cases])
        if "behaviour" in metafunc.fixturenames:
            metafunc.parametrize("behaviour", FAULTY_BEHAVIOURS)

    # The offer

    def test_the_offer_is_sound(self) -> None:
        _assert_none(objections_to_offer(self.worker.offer()), f"The offer of {self.worker.provider}")

    def test_each_operation_is_sound(self, operation: Operation) -> None:
        _assert_none(objections_to_operation(operation, self.worker.offer()), operation.id)

    def test_the_source_is_sound(self) -> None:
        _assert_none(objections_to_sources(self.worker), f"The source of {self.worker.provider}")

    def test_the_offer_is_the_same_after_encoding(self) -> None:
        offer = self.worker.offer()
        assert msgspec.json.decode(encode(offer), type=Offer) == offer, (
            "The offer changes when it is encoded as JSON and decoded: does it hold a type that JSON lacks?"
        )

    @pytest.mark.asyncio
    async def test_the_worker_describes_itself_by_its_offer(self) -> None:
        async with self._harness() as harness:
            describe = Describe(id=REQUEST_ID, deadline=Deadline.after(PATIENCE_S).at)
            reply = await harness.bus.call(self.worker.provider, describe)
        assert isinstance(reply, Found), f"The worker answered the request `describe` with {reply}"
        assert msgspec.json.decode(reply.data, type=Offer) == self.worker.offer()

    # The cases

    def test_each_operation_has_a_case_that_is_found(self) -> None:
        missing = {operation.id for operation in self.worker.offer().operations}
        missing -= {case.operation for case in _found_cases(self.cases)}
        _assert_none(sorted(missing), "These operations have no case whose reply is `found`")

    def test_each_case_fits_the_offer(self, case: Case) -> None:
        _assert_none(objections_to_case(case, self.worker.offer()), case.name)

    @pytest.mark.asyncio
    async def test_each_case_has_its_reply(self, case: Case, caplog: pytest.LogCaptureFixture) -> None:
        async with self._harness() as harness:
            reply = await harness.ask(case)
        assert _decoded(reply) == _decoded(case.reply), _difference(case, reply) + _logged(caplog)

    def test_the_data_of_each_case_fit_the_schema(self, operation: Operation) -> None:
        for case in self.cases:
            if case.operation == operation.id and isinstance(case.reply, Found):
                _assert_none(schema_violations(operation, msgspec.json.decode(case.reply.data)), case.name)

    # Faults of the upstream

    @pytest.mark.asyncio
    async def test_a_faulty_upstream_is_a_typed_failure(
        self, found_case: Case, behaviour: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Tests that the worker replies with `Failed` and a known reason if its upstream is faulty. A worker that sends
        several requests is also tested with faults from a later request on."""
        for after in range(await self._requests_of(found_case)):
            reply = await self._reply_with_fault(found_case, behaviour, after)
            if self.bare_404_is_absence and behaviour in BARE_404S and isinstance(reply, NotFound):
                continue
            objection = _objection_to_failure(reply, self.worker.offer())
            assert not objection, (
                f"{found_case.name}, with the fault {behaviour} from request {after + 1} on: {objection}"
                + _logged(caplog)
            )

    @pytest.mark.asyncio
    async def test_a_silent_upstream_is_a_failure_before_the_deadline(self, found_case: Case) -> None:
        reply = await self._reply_with_fault(found_case, Fault.SLOW, await self._requests_of(found_case) - 1)
        assert reply != Failed(NO_REPLY_IN_TIME), (
            f"{found_case.name}: the upstream does not answer, and the worker gave no reply before the deadline. "
            "Does the handler wait for something besides its upstreams?"
        )

    @pytest.mark.asyncio
    async def test_a_cancelled_question_cancels_its_request(self, found_case: Case) -> None:
        held, app = HeldRequest(), self.simulator.app()
        injector = FaultInjector(held, await self._requests_of(found_case) - 1)
        with without_pauses(self.worker, self.today):
            async with (
                simulating(self.simulator, app, injector, self.today) as environ,
                self.worker.connected(self.worker.settings(environ)) as upstreams,
            ):
                question = asyncio.ensure_future(self.worker.handler(upstreams)(lookup_of(found_case)))
                assert await _happens(held.arrived), f"{found_case.name}: its last request did not reach the upstream"
                question.cancel()
                await asyncio.wait([question], timeout=HANG_S)
                assert question.cancelled(), f"{found_case.name}: the handler catches its cancellation and goes on"
                assert await _happens(held.disconnected), (
                    f"{found_case.name}: the request to the upstream goes on after the question was cancelled"
                )

    @pytest.mark.asyncio
    async def test_a_stopping_worker_answers_a_running_question(self, found_case: Case) -> None:
        held = HeldRequest()
        async with self._harness(held, await self._requests_of(found_case) - 1) as harness:
            question = asyncio.create_task(harness.ask(found_case))
            assert await _happens(held.arrived), f"{found_case.name}: its last request did not reach the upstream"
            asyncio.get_running_loop().call_later(0.05, held.release.set)
        reply = await question
        assert _decoded(reply) == _decoded(found_case.reply), _difference(found_case, reply)

    # Privacy

    @pytest.mark.asyncio
    async def test_no_log_span_or_metric_names_the_person(self, case: Case) -> None:
        async with self._harness() as harness:
            await harness.ask(case)
            last = max(harness.injector.requests - 1, 0)
        with capturing_telemetry() as captured:
            for behaviour in (None, *(FAULTY_BEHAVIOURS[name] for name in QUOTABLE_BEHAVIOURS)):
                async with self._harness(behaviour, last) as harness:
                    await harness.ask(case)
        personal = personal_words(case, self.worker.offer())
        leaks = {kind: sorted(personal & words_of(text)) for kind, text in captured.texts().items()}
        _assert_none(
            (f"{kind}: {', '.join(words)}" for kind, words in leaks.items() if words),
            f"{case.name}: words of the person or of their data are in the telemetry, in",
        )

    def _harness(
        self, behaviour: Behaviour | None = None, after: int = 0
    ) -> AbstractAsyncContextManager[WorkerHarness]:
        return worker_harness(self.worker, self.simulator, today=self.today, behaviour=behaviour, after=after)

    async def _reply_with_fault(self, case: Case, behaviour: str, after: int) -> Reply:
        async with self._harness(FAULTY_BEHAVIOURS[behaviour], after) as harness:
            return await (harness.ask_with_near_deadline(case) if behaviour == Fault.SLOW else harness.ask(case))

    async def _requests_of(self, case: Case) -> int:
        """Returns the number of requests that the worker sends to upstreams in a test case. Skips the test if the
        worker sends none."""
        asked = type(self), case.name
        if asked not in _REQUESTS:
            async with self._harness() as harness:
                await harness.ask(case)
            _REQUESTS[asked] = harness.injector.requests
        if not _REQUESTS[asked]:
            pytest.skip(f"{case.operation} calls no upstream")
        return _REQUESTS[asked]


_EXPLANATIONS = {
    "worker bug": "{error} at {at}",
    "handler returned nothing": "handler returned nothing at {at}",
    "upstream gave no usable answer": "upstream gave no usable answer: {reason} {field} {cause}",
}
"""Maps the message of a log event to the line by which the suite explains a failed test. The names in braces are fields
of the log record."""
_REQUESTS: dict[tuple[type[Conformance], str], int] = {}
"""Number of requests that the worker sends to upstreams, by test class and name of the test case."""


def _found_cases(cases: Iterable[Case]) -> list[Case]:
    found = [case for case in cases if isinstance(case.reply, Found)]
    return list({case.operation: case for case in reversed(found)}.values())[::-1]


def _objection_to_failure(reply: Reply, offer: Offer) -> str:
    if not isinstance(reply, Failed):
        return f"the worker answered {reply.__struct_config__.tag}, although it cannot know"
    if reply.reason not in FAILURES | offer.problems:
        return f"the reason {reply.reason} is neither in the failure table nor in the worker's problems"
    if reply.reason in MESH_REASONS:
        return f"the reason {reply.reason} does not say what the upstream did"
    return ""


async def _happens(event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(HANG_S):
            return await event.wait()
    except TimeoutError:
        return False


def _decoded(reply: Reply) -> Any:
    return msgspec.json.decode(encode(reply))


def _difference(case: Case, reply: Reply) -> str:
    expected, answered = (msgspec.json.format(encode(each)).decode().splitlines() for each in (case.reply, reply))
    return "\n".join((f"{case.name}: expected (-) and answered (+)", *difflib.ndiff(expected, answered)))


def _logged(caplog: pytest.LogCaptureFixture) -> str:
    """Returns the causes of a failed test that the log contains, such as the place of an exception, one on each line.
    Returns "" if the log contains no cause."""
    told = [record for record in caplog.records if record.getMessage() in _EXPLANATIONS]
    return "".join(dict.fromkeys(f"\n{_EXPLANATIONS[one.getMessage()].format_map(vars(one))}" for one in told))


def _assert_none(objections: Iterable[str], about: str) -> None:
    listed = list(objections)
    assert not listed, "\n  ".join((f"{about}:", *listed))
