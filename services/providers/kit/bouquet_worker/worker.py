"""Workers: each answers the requests for one provider. A worker's author declares upstreams and handlers:

worker = Worker("acme", Settings, owner="team-acme", authority=Authority("ACME", "90"))

@worker.upstream
def acme_api(settings: Settings) -> Upstream: ...

@worker.answers(contract.DOSSIER)
async def dossier(question: Question[Identifiant], acme_api: UpstreamClient) -> Dossier | NotFound: ...

A handler takes the question, then the clients of the upstreams that it calls, each under the name of its declaration.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from msgspec import Raw, Struct

from bouquet_mesh.bus.api import Bus, Handler, RequestConsumer
from bouquet_mesh.settings import Reader, SettingsError, read_all
from bouquet_proto.deadline import Deadline
from bouquet_proto.failures import FAILURES, Failure
from bouquet_proto.limits import MAX_OFFER_BYTES, MAX_OPERATIONS
from bouquet_proto.messages import Describe, Failed, Found, Lookup, Reply, Request, encode
from bouquet_proto.names import worker_prefix
from bouquet_proto.offer import Authority, Offer, Operation
from bouquet_worker import metrics
from bouquet_worker.answer import Answer
from bouquet_worker.answering import OnError, answer, place_of, within_limits
from bouquet_worker.caller import on_behalf_of
from bouquet_worker.deadline import within
from bouquet_worker.errors import UpstreamError
from bouquet_worker.exchange import Observer
from bouquet_worker.offer_verdict import OfferVerdict
from bouquet_worker.operations import (
    AnswerHandler,
    HandledOperation,
    InternalOperation,
    PublishedOperation,
    handled,
    objection_to,
)
from bouquet_worker.paris import Clock, paris_today
from bouquet_worker.setting_urls import check_urls
from bouquet_worker.settings import WorkerSettings
from bouquet_worker.upstream import Upstream, UpstreamClient

log = logging.getLogger(__name__)

A = TypeVar("A", bound=AnswerHandler)
D = TypeVar("D", bound=Callable[[Any], Any])
F = TypeVar("F", bound=Callable[..., Any])


class _Factory(Struct, frozen=True):
    """Function that makes an upstream from the worker's settings. `upstreams` are the names of other upstreams whose
    clients the function takes."""

    make: Callable[..., Any]
    upstreams: tuple[str, ...]


class RunningWorker(Struct, frozen=True):
    """Worker that serves its queue. `verdict` says what gateways refuse in its offer (the description of its
    operations)."""

    serving: RequestConsumer
    verdict: OfferVerdict

    @property
    def consuming(self) -> bool:
        return self.serving.consuming

    def unmet_condition(self) -> Mapping[str, object]:
        """Returns the body of `/readyz` while gateways refuse one of the worker's operations, else an empty mapping."""
        return self.verdict.unmet_condition()


class Worker:
    """The worker of one provider. A declaration that cannot work raises `TypeError` at once.

    Handlers return their resource, or `NotFound`, `Rejected` or `Failed`, and may raise `UpstreamError`.

    Args:
        provider: Name of the provider, such as `france_travail`, by which the queue, the settings and the metrics are
            named.
        settings: Struct of the worker's settings, read from `BOUQUET_<PROVIDER>_*`.
        owner: Team or organisation that runs the worker.
        authority: Administration that error answers name in `meta.provider`, and the first two digits of their codes.
        problems: Failures that only this provider has, by reason. The failures that all providers share are in
            `bouquet_proto.failures.FAILURES`.
        checks: Functions that raise `SettingsError` for unusable settings, such as a malformed key, before anything
            starts.
        clock: Function that returns today's date; tests replace it.
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
        self.provider = provider
        self.clock = clock
        self._settings = settings
        self._checks = tuple(checks)
        self._owner = owner
        self._authority = authority
        self._problems = dict(problems or {})
        self._upstreams: dict[str, _Factory] = {}
        self._documents: dict[str, Callable[[Any], Any]] = {}
        self._operations: dict[str, HandledOperation] = {}

    def upstream(self, factory: F, name: str = "") -> F:
        """Declares an upstream, which the decorated function makes from the settings. Handlers call it by `name`, by
        default the function's name. The function may also take clients of upstreams declared before it, each under the
        upstream's name."""
        # It returns an `Upstream`, or an object of the author's own. If that object is an async context manager, it is
        # entered when the worker starts.
        name = name or factory.__name__
        if name in self._upstreams:
            raise TypeError(f"{self.provider}: two upstreams are called {name}")
        self._upstreams[name] = _Factory(factory, self._upstreams_of(factory))
        return factory

    def document(self, path: str) -> Callable[[D], D]:
        """Declares a JSON document that gateways publish at `path`. The decorated function takes the settings and
        returns the document."""

        def declare(factory: D) -> D:
            self._documents[path] = factory
            return factory

        return declare

    def answers(
        self, *declared: PublishedOperation[Any] | Operation | InternalOperation, asking: Sequence[str] = ()
    ) -> Callable[[A], A]:
        """Declares the decorated function as the handler of one or several operations. The handler takes the question,
        then a client of each upstream that it calls. A parameter has its upstream's name, unless `asking` lists the
        upstreams in the order of the parameters."""

        def declare(handler: A) -> A:
            upstreams = self._upstreams_of(handler, asking)
            for one in declared:
                row = handled(one, handler, upstreams)
                if row.operation.id in self._operations:
                    raise TypeError(f"{self.provider}: {row.operation.id} has two handlers")
                if objection := objection_to(row):
                    raise TypeError(f"{self.provider}: {objection}")
                self._operations[row.operation.id] = row
            return handler

        return declare

    def _upstreams_of(self, function: Callable[..., Any], asking: Sequence[str] = ()) -> tuple[str, ...]:
        """Returns the names of the upstreams that a function calls: `asking`, or else its parameters after the first.
        Raises `TypeError` for an undeclared upstream, or if `asking` has too few or too many names."""
        _, *parameters = inspect.signature(function).parameters.values()
        own = tuple(parameter.name for parameter in parameters if parameter.kind is not parameter.KEYWORD_ONLY)
        names = tuple(asking) or own
        if len(names) != len(own):
            raise TypeError(f"{self.provider}: {function} takes {len(own)} upstreams, but `asking` names {len(names)}")
        for name in names:
            if name not in self._upstreams:
                taker = getattr(function, "__qualname__", function)
                raise TypeError(f"{self.provider}: {taker} takes {name}, which no @worker.upstream above it declares")
        return names

    def offer(self, settings: WorkerSettings | None = None) -> Offer:
        """Returns the worker's offer: the description of its operations for gateways. Without `settings`, the offer
        lacks the documents declared by `Worker.document`."""
        operations = (row.operation for row in self._operations.values())
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
    def handler_modules(self) -> frozenset[str]:
        """Names of the modules in which the worker's handlers are defined."""
        return frozenset(inspect.unwrap(row.handler).__module__ for row in self._operations.values())

    @property
    def published(self) -> Mapping[str, PublishedOperation[Any]]:
        """Operations that gateways publish, by id."""
        return {
            name: PublishedOperation(row.operation, row.view, row.result)
            for name, row in self._operations.items()
            if isinstance(row.operation, Operation)
        }

    def offers(self) -> tuple[Offer, ...]:
        """Returns a tuple with the worker's only offer."""
        # The sandbox, which answers for several providers, returns several offers from its method of this name.
        return (self.offer(),)

    def read(self, reader: Reader) -> WorkerSettings:
        """Reads and checks the settings, and adds any problems with them to `reader`."""
        # Factories that need no other upstream are called too, since they may refuse settings; nothing is opened.
        made = [partial(self._check_upstream, row.make) for row in self._upstreams.values() if not row.upstreams]
        return reader.read(self._settings, worker_prefix(self.provider), *made, *self._checks)

    def _check_upstream(self, factory: Callable[..., Any], settings: WorkerSettings) -> None:
        """Raises `SettingsError` if the upstream that a factory makes has a wrong URL or an unknown reason of
        failure."""
        match factory(settings):
            case Upstream() as upstream:
                check_urls(self.provider, settings, upstream)
                unknown = {*upstream.failures.values()} - FAILURES.keys() - self._problems.keys()
                if unknown:
                    says = f"{place_of(factory)}: `failures` of {upstream.name} has {', '.join(sorted(unknown))}"
                    raise SettingsError([f"{says}: neither the failure table nor the worker's problems have it"])

    def settings(self, environ: Mapping[str, str]) -> WorkerSettings:
        return read_all(environ, self.read)

    @asynccontextmanager
    async def running(self, bus: Bus, environ: Mapping[str, str]) -> AsyncIterator[RunningWorker]:
        """Serves requests from the bus until the context ends, then waits up to `drain_s` seconds for running requests.
        Raises `SettingsError` for wrong settings before anything starts."""
        settings = self.settings(environ)
        metrics.CONCURRENCY.labels(self.provider).set(settings.concurrency)
        offer = self._encoded(settings)
        verdict = OfferVerdict(self.provider, offer)
        async with (
            self.connected(settings) as upstreams,
            bus.serve(
                self.provider,
                self._handler(upstreams, offer, verdict),
                concurrency=settings.concurrency,
                drain_s=settings.drain_s,
            ) as serving,
        ):
            yield RunningWorker(serving, verdict)

    @asynccontextmanager
    async def connected(
        self,
        settings: WorkerSettings,
        observer: Observer | None = None,
        answers: Iterator[Answer] | None = None,
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Opens the worker's upstreams until the context ends, and yields their clients by name. `observer` receives
        each request with its answer or error. If `answers` is given, the clients return these answers without calling
        the upstream. Raises `SettingsError` for unusable settings."""
        # Only trials pass an observer, and only the replay of a recording passes answers.
        opened: dict[str, Any] = {}
        async with AsyncExitStack() as stack:
            for name, factory in self._upstreams.items():
                made = factory.make(settings, *(opened[upstream] for upstream in factory.upstreams))
                if isinstance(made, Upstream):
                    made = UpstreamClient(made, self.provider, settings, observer=observer, answers=answers)
                if isinstance(made, AbstractAsyncContextManager):
                    made = await stack.enter_async_context(made)
                opened[name] = made
            yield opened

    def handler(
        self,
        upstreams: Mapping[str, Any],
        settings: WorkerSettings | None = None,
        on_error: OnError = UpstreamError.log,
    ) -> Handler:
        """Returns the function that answers requests from the bus. `upstreams` holds the open client of each upstream,
        by name. Without `settings`, the worker's offer lacks the documents declared by `Worker.document`. `on_error` is
        called with each `UpstreamError` before the worker replies `Failed`."""
        offer = self._encoded(settings)
        return self._handler(upstreams, offer, OfferVerdict(self.provider, offer), on_error)

    def _handler(
        self, upstreams: Mapping[str, Any], offer: bytes, verdict: OfferVerdict, on_error: OnError = UpstreamError.log
    ) -> Handler:
        async def handle(request: Request) -> Reply:
            match request:
                case Describe():
                    verdict.note(request)
                    return Found(Raw(offer))
                case Lookup(operation=name) if name in self._operations and self._operations[name].accepts(request):
                    row = self._operations[name]
                    own = [upstreams[name] for name in row.upstreams]
                    with within(Deadline(request.deadline)), on_behalf_of(request.caller.mark):
                        reply = await answer(row, request, own, self.clock(), on_error)
                        return within_limits(reply, row, self.provider)
                case _:  # an operation of another version of the worker, or a bug of a gateway
                    return Failed("malformed_request")

        return handle

    def _encoded(self, settings: WorkerSettings | None) -> bytes:
        """Returns the worker's offer (description of its operations) as JSON. Without `settings`, the offer lacks the
        documents declared by `Worker.document`. Logs an error if the JSON is larger than gateways accept."""
        offer = self.offer(settings)
        text = encode(offer)
        if len(text) > MAX_OFFER_BYTES or len(offer.operations) > MAX_OPERATIONS:
            facts = {"provider": self.provider, "size_bytes": len(text), "operations": len(offer.operations)}
            log.error("offer too large for gateways", extra=facts)
        return text
