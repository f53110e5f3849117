"""Execution of a dossier (several lookups in one request): the lookups run concurrently, and identical ones are made
once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import TypeAlias

from msgspec import Raw, Struct

from bouquet_gateway import metrics
from bouquet_gateway.dossiers.persons import persons_in
from bouquet_gateway.dossiers.plan import MAX_PERSONS, ForEach, Part, Plan
from bouquet_gateway.dossiers.read import COUNT
from bouquet_gateway.dossiers.result import (
    PartResult,
    PersonsResult,
    Result,
    refused,
    result_of,
    results_in,
    without_source,
)
from bouquet_gateway.single_calls.ask import OperationCaller
from bouquet_gateway.single_calls.parameters import Parameters, Values, encoded, parameters_of
from bouquet_gateway.single_calls.target import Target

ReportResult: TypeAlias = Callable[[str, Result], Awaitable[None]]
"""Function that is called once for each part (lookup) of a dossier, as soon as its result is known. Arguments are the
part's name and its result."""


class Dossier(Struct, frozen=True):
    """Dossier (several lookups in one request) whose caller has been checked, and whose lookups have not begun."""

    plan: Plan
    caller: OperationCaller

    async def run(self, tell: ReportResult, is_wanted: Callable[[], bool]) -> None:
        """Makes all lookups, and passes each result to `tell` as soon as it is known. `is_wanted` returns whether the
        client still waits. Once the client has hung up, no lookup with `for_each` is begun."""
        async with asyncio.TaskGroup() as group:
            run = _Run(self.plan.recipient, self.caller, group, is_wanted)
            asked = {part.name: run.ask(part) for part in self.plan.parts if part.for_each is None}
            for part in self.plan.parts:
                group.create_task(run.tell(part, asked, tell))


class _Run:
    def __init__(
        self, recipient: str, caller: OperationCaller, group: asyncio.TaskGroup, is_wanted: Callable[[], bool]
    ) -> None:
        self._recipient = recipient
        self._caller = caller
        self._group = group
        self._is_wanted = is_wanted
        self._encode = cache(encoded)
        """Cached function that encodes a query parameter."""
        self._calls: dict[tuple[str, str], asyncio.Task[PartResult]] = {}
        """Tasks of the calls so far, by path and query."""

    def ask(self, part: Part) -> asyncio.Task[PartResult]:
        """Begins the call of a part (one lookup of the dossier) without `for_each`, and returns the task of the
        call."""
        return self._call(part.target, part.values, is_counted=True)

    async def tell(self, part: Part, asked: Mapping[str, asyncio.Task[PartResult]], tell: ReportResult) -> None:
        """Waits for the result of a part (one lookup of the dossier), and passes it to `tell`. `asked` holds the
        running calls of the parts without `for_each`, by name."""
        # A part with `for_each` first waits for the data of another part.
        result: Result
        if part.for_each is None:
            result = await asked[part.name]
        else:
            source = await asked[part.for_each.source]
            if not self._is_wanted():
                return
            result = await self._ask_each(part, part.for_each, source)
        for one in results_in(result):
            metrics.dossier_parts(one.status).inc()
        await tell(part.name, result)

    async def _ask_each(self, part: Part, for_each: ForEach, source: PartResult) -> Result:
        if self._caller.is_session:
            return refused("insufficient_scopes")
        if source.status != "found" or not isinstance(source.data, Raw) or for_each.people is None:
            return without_source(source)
        persons = persons_in(source.data, for_each.people)
        if persons is None:
            return refused("insufficient_scopes")
        asked = [self._ask_about(part, for_each, person) for person in persons[:MAX_PERSONS]]
        results = [await result for result in asked]
        return PersonsResult(results + [refused(COUNT)] * (len(persons) - len(asked)))

    def _ask_about(self, part: Part, for_each: ForEach, person: Values) -> asyncio.Task[PartResult]:
        of_person = part.target.parameters_for({**for_each.fallback, **person})
        return self._call(part.target, {**of_person, **part.values}, is_counted=False)

    def _call(self, target: Target, values: Values, *, is_counted: bool) -> asyncio.Task[PartResult]:
        """Begins a call of the operation `target` with the parameters `values`, and returns its task. If the same call
        has already begun, returns its task. `is_counted` says whether the rate limit has already counted the call."""
        parameters = parameters_of(self._recipient, values, self._encode)
        key = (target.path, parameters.raw_query)
        call = self._calls.get(key)
        if call is None:
            call = self._group.create_task(self._answered(target, parameters, is_counted=is_counted))
            self._calls[key] = call
        return call

    async def _answered(self, target: Target, parameters: Parameters, *, is_counted: bool) -> PartResult:
        call, answer = await self._caller.answer(target, parameters, is_counted=is_counted)
        cache_s = target.operation.cache_s if target.operation else 0
        return result_of(call, answer, self._caller.services.clock(), cache_s)
