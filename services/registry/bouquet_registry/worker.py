"""Runs the registry on the bus: answers gateways, and sends notices (warnings before a token expires). With the object
`registry` of this module, another program can run the registry in its own process."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Raw
from sqlalchemy.exc import SQLAlchemyError

from bouquet_mesh.bus.api import Bus, RequestConsumer
from bouquet_mesh.outbox.api import Outbox
from bouquet_mesh.settings import Reader, read_all
from bouquet_mesh.tasks import alongside
from bouquet_proto.messages import (
    Changes,
    Failed,
    FindDelegations,
    FindRevocation,
    Found,
    ListDelegations,
    NotFound,
    Reply,
    Request,
    WhoIs,
    encode,
)
from bouquet_proto.offer import Offer
from bouquet_proto.registry_messages import AS_OF, PROVIDER, UNKNOWN_TOKEN, Revocation
from bouquet_registry import changes
from bouquet_registry.clock import Clock, utc_now
from bouquet_registry.database_url import database_of
from bouquet_registry.delivery import account_url, notice_destination, open_channel
from bouquet_registry.gauges import count_periodically
from bouquet_registry.journal.entries import answering_about_entries
from bouquet_registry.journal.pseudonym_search import keys_of
from bouquet_registry.journal.retention import check_retention
from bouquet_registry.journal.worker import writing
from bouquet_registry.last_used import LastUses
from bouquet_registry.notices import send_notices_periodically
from bouquet_registry.proofs.administration import revoked_at
from bouquet_registry.served_scopes import ScopeReports
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import PREFIX, Store, open_store
from bouquet_registry.token_signing import Signer

log = logging.getLogger(__name__)

MAX_PER_PAGE = 100
"""Largest number of delegations on one page of the list of an editor's delegations."""

CHECKS: tuple[Callable[[RegistrySettings], object], ...] = (
    lambda settings: database_of(settings.database_url),
    lambda settings: Signer(settings.signing_key) if settings.signing_key else None,
    lambda settings: keys_of(settings.journal_keys) if settings.journal_keys else None,
    lambda settings: check_retention(settings.journal_keep_months),
    lambda settings: notice_destination(settings),
    lambda settings: account_url(settings),
)
"""Functions that check the settings at the start, before connections are opened. A function raises `SettingsError` for
a wrong setting."""


class Service:
    """The registry as a service that another program runs in its own process, connected to a bus in memory."""

    provider = PROVIDER
    """Name under which gateways call the registry."""

    def offers(self) -> tuple[Offer, ...]:
        """Returns an empty tuple: the registry offers no operations, because only gateways send requests to it."""
        return ()

    def read(self, reader: Reader) -> RegistrySettings:
        """Reads and checks the registry's settings. Adds each problem to `reader`, which reports all problems
        together."""
        return reader.read(RegistrySettings, PREFIX, *CHECKS)

    def settings(self, environ: Mapping[str, str]) -> RegistrySettings:
        """Reads the registry's settings. Raises `SettingsError` for wrong ones."""
        return read_all(environ, self.read)

    @asynccontextmanager
    async def running(
        self, bus: Bus, environ: Mapping[str, str], outbox: Outbox | None
    ) -> AsyncIterator[RequestConsumer]:
        """Runs the registry on a bus in memory until the context ends, and yields the consumer of gateways' requests.
        Also writes the journal if the setting `journal` is true and `outbox`, the queue of journal records, is not
        None."""
        settings = self.settings(environ)
        async with open_store(settings.database_url) as store, AsyncExitStack() as stack:
            if outbox is not None and settings.journal:
                await stack.enter_async_context(writing(outbox, store, settings.journal_keep_months))
                await stack.enter_async_context(answering_about_entries(bus, store))
            yield await stack.enter_async_context(answering(bus, store, settings))


registry = Service()


@asynccontextmanager
async def answering(
    bus: Bus, store: Store, settings: RegistrySettings, clock: Clock = utc_now
) -> AsyncIterator[RequestConsumer]:
    """Runs the registry's tasks until the context ends, and yields the consumer of gateways' requests."""
    # The tasks answer gateways, send notices, and set the metrics that count records. They also write the times of
    # tokens' last use and the scopes that gateways serve.
    uses, scopes = LastUses(store), ScopeReports(store, clock)
    window = GatewayRequests(store, uses, scopes, clock)
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(open_channel(settings))
        stack.push_async_callback(uses.write)
        await stack.enter_async_context(alongside(uses.keep_writing()))
        await stack.enter_async_context(alongside(scopes.keep_writing()))
        await stack.enter_async_context(alongside(count_periodically(store, clock)))
        if channel is not None:
            noticing = send_notices_periodically(store, channel, settings.notices_every_s, clock)
            await stack.enter_async_context(alongside(noticing))
        yield await stack.enter_async_context(
            bus.serve(PROVIDER, window.answer, concurrency=settings.concurrency, drain_s=settings.drain_s)
        )


class GatewayRequests:
    """Handler of gateways' requests. A request about a known token also counts as a use of the token."""

    def __init__(self, store: Store, uses: LastUses, scopes: ScopeReports, clock: Clock = utc_now) -> None:
        self._store = store
        self._uses = uses
        self._scopes = scopes
        self._clock = clock

    async def answer(self, request: Request) -> Reply:
        """Answers one request of a gateway. The answer is the failure `registry_unavailable` if the database cannot be
        reached, and `malformed_request` for an unknown kind of request."""
        try:
            match request:
                case WhoIs():
                    return await self._who_is(request)
                case Changes():
                    return await self._changes(request)
                case FindDelegations():
                    return await self._find_delegations(request)
                case ListDelegations():
                    return await self._list_delegations(request)
                case FindRevocation():
                    return await self._find_revocation(request)
                case _:
                    return Failed("malformed_request")
        except (SQLAlchemyError, OSError) as error:
            log.error("database unavailable", extra={"error": type(error).__name__})
            return Failed("registry_unavailable")

    async def _who_is(self, request: WhoIs) -> Reply:
        async with self._store.reading() as connection:
            found, as_of = await changes.find_token(
                connection, request.token, refuses_withdrawn=request.refuses_withdrawn
            )
        if found is None:
            return NotFound(UNKNOWN_TOKEN, {AS_OF: as_of})
        self._uses.note(request.token, self._clock())
        return Found(Raw(encode(found)))

    async def _changes(self, request: Changes) -> Reply:
        self._scopes.note(request.scopes)
        async with self._store.reading() as connection:
            return Found(Raw(encode(await changes.changes_since(connection, request.log, request.since))))

    async def _find_delegations(self, request: FindDelegations) -> Reply:
        async with self._store.reading() as connection:
            return Found(Raw(encode(await changes.find_delegations(connection, request.editor, request.siret))))

    async def _list_delegations(self, request: ListDelegations) -> Reply:
        page, per_page = max(1, request.page), max(1, min(request.per_page, MAX_PER_PAGE))
        async with self._store.reading() as connection:
            return Found(Raw(encode(await changes.delegation_page(connection, request.editor, page, per_page))))

    async def _find_revocation(self, request: FindRevocation) -> Reply:
        async with self._store.reading() as connection:
            at = await revoked_at(connection, request.record)
        return Found(Raw(encode(Revocation(revoked_at=None if at is None else at.timestamp()))))
