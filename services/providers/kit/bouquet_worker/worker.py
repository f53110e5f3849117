"""A worker is a declaration: who it is, what it connects to, which operations it answers. The kit does the rest.

worker = Worker("acme", Settings, owner="team-acme", authority=Authority("ACME", "90"))

@worker.upstream
def acme_api(settings: Settings) -> Upstream: ...

@worker.answers(contract.DOSSIER)
async def dossier(question: Question[Identifiant], acme_api: UpstreamClient) -> Dossier | NotFound: ...

A handler takes the question, then the open upstreams that it asks, each under the name of its declaration.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import date, datetime
from typing import Any, Generic, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Raw, Struct

from bouquet_mesh.bus.api import Bus, Handler, Serving
from bouquet_mesh.settings import Reader, read_all
from bouquet_proto.deadline import Deadline
from bouquet_proto.failures import Failure
from bouquet_proto.identity import MODALITIES, Identity
from bouquet_proto.limits import MAX_OFFER_BYTES, MAX_OPERATIONS, USUAL, ReplyLimits, excess_of
from bouquet_proto.messages import (
    Caller,
    Describe,
    Failed,
    Found,
    Lookup,
    NotFound,
    Parameter,
    Rejected,
    Reply,
    Request,
    encode,
)
from bouquet_proto.names import worker_prefix
from bouquet_proto.offer import Authority, Modality, Offer, Operation, unlisted_fields
from bouquet_worker import metrics
from bouquet_worker.caller import on_behalf_of
from bouquet_worker.deadline import within
from bouquet_worker.errors import UpstreamError
from bouquet_worker.settings import WorkerSettings
from bouquet_worker.upstream import Upstream, UpstreamClient

log = logging.getLogger(__name__)

PARIS = ZoneInfo("Europe/Paris")

I = TypeVar("I", bound=Identity)  # noqa: E741 - the one type parameter that reads as a word: Question[Identite]
R = TypeVar("R")
Clock: TypeAlias = Callable[[], date]


def paris_today() -> date:
    """Returns the date in Paris, which is "today" in every rule of the contract."""
    return datetime.now(PARIS).date()


class Question(Struct, Generic[I], frozen=True):
    """One question about one person, as a handler sees it."""

    identity: I
    parameters: Mapping[str, Parameter]
    caller: Caller
    request_id: str
    today: date
    """The day in Paris."""


class PublishedOperation(Struct, Generic[R], frozen=True):
    """An operation, and the function from the handler's result to its data: several versions may publish one result."""

    operation: Operation
    view: Callable[[R], Any]
    result: type[R] | None = None
    """What the view takes. To be told of version 2: a sandbox reads the cases of its successors as such results."""


class InternalOperation(Struct, frozen=True):
    """An operation that gateways call for themselves: it has no path, and is in no offer."""

    id: str
    modality: Modality
    reply: ReplyLimits = USUAL


A = TypeVar("A", bound=Callable[..., Awaitable[Any]])
D = TypeVar("D", bound=Callable[[Any], Any])
F = TypeVar("F", bound=Callable[..., Any])


class _Factory(Struct, frozen=True):
    """What makes an upstream, and the names of the upstreams that it takes."""

    make: Callable[..., Any]
    upstreams: tuple[str, ...]


class _Answering(Struct, frozen=True):
    operation: Operation | InternalOperation
    view: Callable[[Any], Any]
    result: type[Any] | None
    answer: Callable[..., Awaitable[Any]]
    upstreams: tuple[str, ...]

    def reads(self, lookup: Lookup) -> bool:
        return isinstance(lookup.identity, MODALITIES[self.operation.modality])


class Worker:
    """Handlers return their resource, or `NotFound`, `Rejected`, `Failed`; they may raise `UpstreamError`.

    A declaration that cannot work raises `TypeError` as it is made.
    """

    def __init__(
        self,
        provider: str,
        settings: type[WorkerSettings],
        *,
        owner: str,
        authority: Authority,
        problems: Mapping[str, Failure] | None = None,
        checks: Sequence[Callable[[Any], object]] = (),
        clock: Clock = paris_today,
    ) -> None:
        """`checks` are called with the settings before anything starts, as the factories of upstreams are. They raise
        `SettingsError` for what cannot be used: keys, or settings that make no sense together."""
        self.provider = provider
        self.clock = clock
        self._settings = settings
        self._checks = tuple(checks)
        self._owner = owner
        self._authority = authority
        self._problems = dict(problems or {})
        self._upstreams: dict[str, _Factory] = {}
        self._documents: dict[str, Callable[[Any], Any]] = {}
        self._answering: dict[str, _Answering] = {}

    def upstream(self, factory: F, name: str = "") -> F:
        """Declares an API that the worker asks, under `name` or else the name of its factory.

        The factory takes the settings, then open upstreams that are declared above it, each under its name. It returns
        an `Upstream`, which the kit opens with the worker's settings, or an object of the author's own, which is
        entered where it is an async context manager.
        """
        name = name or factory.__name__
        if name in self._upstreams:
            raise TypeError(f"{self.provider}: two upstreams are called {name}")
        self._upstreams[name] = _Factory(factory, self._asked_by(factory))
        return factory

    def document(self, path: str) -> Callable[[D], D]:
        """Declares JSON that gateways publish for anybody, at a path under `/api/`. It is made of the settings."""

        def declare(factory: D) -> D:
            self._documents[path] = factory
            return factory

        return declare

    def answers(
        self, *declared: PublishedOperation[Any] | Operation | InternalOperation, asking: Sequence[str] = ()
    ) -> Callable[[A], A]:
        """Declares the handler of one or several operations. `asking` names its upstreams where its parameters have
        other names, as those of a handler that several declarations share."""

        def declare(answer: A) -> A:
            upstreams = self._asked_by(answer, asking)
            for one in declared:
                operation, view, result = (
                    (one.operation, one.view, one.result)
                    if isinstance(one, PublishedOperation)
                    else (one, _as_it_is, None)
                )
                if operation.id in self._answering:
                    raise TypeError(f"{self.provider}: {operation.id} has two handlers")
                if isinstance(operation, Operation) and (unlisted := ", ".join(unlisted_fields(operation))):
                    raise TypeError(
                        f"{self.provider}: {operation.id} shows {unlisted}, of which `fields` names no scope"
                    )
                self._answering[operation.id] = _Answering(operation, view, result, answer, upstreams)
            return answer

        return declare

    def _asked_by(self, function: Callable[..., Any], asking: Sequence[str] = ()) -> tuple[str, ...]:
        """The upstreams that a handler takes after its question, or a factory after its settings."""
        _, *parameters = inspect.signature(function).parameters.values()
        own = tuple(parameter.name for parameter in parameters if parameter.kind is not parameter.KEYWORD_ONLY)
        names = tuple(asking) or own
        if len(names) != len(own):
            raise TypeError(f"{self.provider}: {function} takes {len(own)} upstreams, and asks {len(names)}")
        for name in names:
            if name not in self._upstreams:
                taker = getattr(function, "__qualname__", function)
                raise TypeError(f"{self.provider}: {taker} takes {name}, which no @worker.upstream above it declares")
        return names

    def offer(self, settings: WorkerSettings | None = None) -> Offer:
        """Without settings, without documents."""
        operations = (row.operation for row in self._answering.values())
        documents = self._documents if settings else {}
        return Offer(
            provider=self.provider,
            owner=self._owner,
            authority=self._authority,
            operations=tuple(operation for operation in operations if isinstance(operation, Operation)),
            problems=self._problems,
            documents={path: factory(settings) for path, factory in documents.items()},
        )

    @property
    def published(self) -> Mapping[str, PublishedOperation[Any]]:
        """What it offers, and how it shows the result of each, by id of the operation."""
        return {
            name: PublishedOperation(row.operation, row.view, row.result)
            for name, row in self._answering.items()
            if isinstance(row.operation, Operation)
        }

    def offers(self) -> tuple[Offer, ...]:
        """As a host of several asks for them."""
        return (self.offer(),)

    def read(self, reader: Reader) -> WorkerSettings:
        """Reads the settings of `BOUQUET_<PROVIDER>_*`, and checks them whole: upstreams that need no other are made of
        them, and not opened."""
        made = [factory.make for factory in self._upstreams.values() if not factory.upstreams]
        return reader.read(self._settings, worker_prefix(self.provider), *made, *self._checks)

    def settings(self, environ: Mapping[str, str]) -> WorkerSettings:
        """Raises `SettingsError` with every wrong setting."""
        return read_all(environ, self.read)

    @asynccontextmanager
    async def running(self, bus: Bus, environ: Mapping[str, str]) -> AsyncIterator[Serving]:
        """Serves on the bus until the context ends; drains then. Raises `SettingsError` before anything starts."""
        settings = self.settings(environ)
        metrics.CONCURRENCY.labels(self.provider).set(settings.concurrency)
        async with (
            self.connected(settings) as upstreams,
            bus.serve(
                self.provider,
                self.handler(upstreams, settings),
                concurrency=settings.concurrency,
                drain_s=settings.drain_s,
            ) as serving,
        ):
            yield serving

    @asynccontextmanager
    async def connected(self, settings: WorkerSettings) -> AsyncIterator[Mapping[str, Any]]:
        """The worker's upstreams, open, by name. Raises what a factory raises: `SettingsError`."""
        opened: dict[str, Any] = {}
        async with AsyncExitStack() as stack:
            for name, factory in self._upstreams.items():
                made = factory.make(settings, *(opened[upstream] for upstream in factory.upstreams))
                if isinstance(made, Upstream):
                    made = UpstreamClient(made, self.provider, settings)
                if isinstance(made, AbstractAsyncContextManager):
                    made = await stack.enter_async_context(made)
                opened[name] = made
            yield opened

    def handler(self, upstreams: Mapping[str, Any], settings: WorkerSettings | None = None) -> Handler:
        """The worker as a function from request to reply, over upstreams that are open."""
        offer = self._told(self.offer(settings))

        async def handle(request: Request) -> Reply:
            match request:
                case Describe():
                    return offer
                case Lookup(operation=name) if name in self._answering and self._answering[name].reads(request):
                    row = self._answering[name]
                    with within(Deadline(request.deadline)), on_behalf_of(request.caller.mark):
                        reply = await _answer(row, request, [upstreams[name] for name in row.upstreams], self.clock())
                        return self._within_limits(reply, row.operation)
                case _:  # an operation of another version of ours, or a gateway's bug
                    return Failed("malformed_request")

        return handle

    def _told(self, offer: Offer) -> Found:
        """As gateways hear it. Those refuse one that is too large: its author reads here why."""
        text = encode(offer)
        if len(text) > MAX_OFFER_BYTES or len(offer.operations) > MAX_OPERATIONS:
            facts = {"provider": self.provider, "size_bytes": len(text), "operations": len(offer.operations)}
            log.error("offer that gateways refuse", extra=facts)
        return Found(Raw(text))

    def _within_limits(self, reply: Reply, operation: Operation | InternalOperation) -> Reply:
        """No gateway reads a reply that says too much. It is a failure here, where its author reads why."""
        excess = excess_of(reply, operation.reply)
        if not excess:
            return reply
        facts = {"provider": self.provider, "operation": operation.id, "excess": excess}
        log.error("reply beyond its limits", extra=facts)
        return Failed("malformed_reply")


def _as_it_is(result: Any) -> Any:
    return result


async def _answer(row: _Answering, lookup: Lookup, upstreams: list[Any], today: date) -> Reply:
    question = Question(
        identity=lookup.identity,
        parameters=lookup.parameters,
        caller=lookup.caller,
        request_id=lookup.id,
        today=today,
    )
    try:
        result = await row.answer(question, *upstreams)
    except UpstreamError as error:
        error.log()
        return Failed(error.reason, retry_in_s=error.retry_in_s)
    match result:
        case NotFound() | Rejected() | Failed():
            return result
        case None:  # a forgotten `return` would be a resource that is null
            raise TypeError("a handler returned nothing")
        case _:
            return Found(Raw(msgspec.json.encode(row.view(result))))
