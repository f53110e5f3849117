"""Construction of a gateway's services (checks, lookups, documents, journal) from its settings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext, suppress
from datetime import datetime
from pathlib import Path

from bouquet_gateway.access.address_limit import AddressLimit
from bouquet_gateway.access.authenticate import Authenticator
from bouquet_gateway.access.open_counters import open_counters
from bouquet_gateway.access.rate_limit import RateLimiter
from bouquet_gateway.access.registry_client import RegistryClient
from bouquet_gateway.access.sessions import REFUSAL_REMEMBERED_S, Sessions
from bouquet_gateway.access.tokens import ClaimedTokens, TokenSource, TokenVerifier, named_keys
from bouquet_gateway.access.unknown_bearers import AddressThrottle
from bouquet_gateway.access.unknown_recipients import RecipientThrottle
from bouquet_gateway.dossiers.open import Dossiers
from bouquet_gateway.http.app import GatewayServices
from bouquet_gateway.journal.record import Journal, NoJournal, open_journal
from bouquet_gateway.load.bulkheads import Bulkheads
from bouquet_gateway.lookup.answer import Lookups
from bouquet_gateway.lookup.answer_cache import AnswerCache
from bouquet_gateway.lookup.ask import Providers
from bouquet_gateway.lookup.in_flight import InFlight
from bouquet_gateway.lookup.maintenance import parse_windows
from bouquet_gateway.lookup.regime_hints import RegimeHints
from bouquet_gateway.mcp.server import Mcp
from bouquet_gateway.offers import providers_file
from bouquet_gateway.offers.discovery import Discovery
from bouquet_gateway.paris import PARIS
from bouquet_gateway.proofs.checks import ProofChecks
from bouquet_gateway.proofs.downloads import ProofDownloads, drawing_thread
from bouquet_gateway.proofs.proofs import Proofs
from bouquet_gateway.public.documents import Documents
from bouquet_gateway.public.health_window import HealthWindows
from bouquet_gateway.public.pings import Pings
from bouquet_gateway.public.readiness import Readiness
from bouquet_gateway.public.sandbox_cases import SandboxCases
from bouquet_gateway.settings import GatewaySettings
from bouquet_gateway.single_calls.ask import Services
from bouquet_gateway.stores.cache import Cache
from bouquet_gateway.stores.open_cache import open_cache
from bouquet_mesh.bus.api import BusClient
from bouquet_mesh.outbox.api import Outbox
from bouquet_mesh.settings import SettingsError
from bouquet_mesh.tasks import alongside
from bouquet_proto import france_connect_session
from bouquet_proto.names import GATEWAY_PREFIX

FIRST_OFFERS_WAIT_S = 3.0
"""Longest time, in seconds, that a starting gateway waits for the providers' first descriptions of their operations."""


def paris_now() -> datetime:
    """Returns the current time in Paris, with its time zone."""
    # Dates in the API's rules, such as the end of a version, are in Paris time.
    return datetime.now(PARIS)


@asynccontextmanager
async def open_gateway(
    settings: GatewaySettings,
    bus: BusClient,
    outbox: Outbox | None = None,
    *,
    clock: Callable[[], datetime] = paris_now,
    epoch_s: Callable[[], float] = time.time,
) -> AsyncIterator[GatewayServices]:
    """Builds the services of a gateway, and waits up to `FIRST_OFFERS_WAIT_S` seconds for the providers' descriptions
    of their operations. Then yields the services. Raises `SettingsError` for wrong settings.

    `outbox` is the queue for journal records; `None` without a journal. `epoch_s` returns the seconds since 1970, for
    rate limits.
    """
    # The time ends when each provider has been asked, and after `FIRST_OFFERS_WAIT_S` seconds at the latest.
    # The records of the access journal are sent to `outbox`. `clock` is used by the rules of the contract, and
    # `epoch_s` (seconds since 1970) by the rate limits.
    calls = Bulkheads(bus, settings.max_calls_per_provider)
    offers = Discovery(calls, settings.providers, settings.allowed_paths())
    tokens = _tokens(settings, calls, offers)
    bounds = (settings.cache_max_items, settings.cache_max_bytes)
    async with (
        open_cache(settings.cache_url, settings.cache_secret(), *bounds) as cache,
        open_counters(settings.cache_url) as counters,
        _journal(settings, outbox) as journal,
    ):
        limiter = RateLimiter(counters, limit=settings.calls_per_second, clock=epoch_s)
        with drawing_thread() as drawing:
            services = _assemble(settings, calls, offers, tokens, limiter, cache, journal, drawing, clock, epoch_s)
            async with alongside(offers.run()), alongside(tokens.run()), _following(settings, offers):
                with suppress(TimeoutError):
                    await asyncio.wait_for(offers.first_round(), FIRST_OFFERS_WAIT_S)
                yield services


def _following(settings: GatewaySettings, offers: Discovery) -> AbstractAsyncContextManager[object]:
    """Returns a context in which changes in the file of allowed providers take effect without a restart. If the
    settings name no such file, the context does nothing."""
    path = settings.providers_file
    return alongside(providers_file.follow(path, offers.allow)) if path else nullcontext()


def _sessions(settings: GatewaySettings, bus: BusClient, offers: Discovery, health: HealthWindows) -> Sessions:
    # In a sandbox it does not remember refused sessions, since somebody may just have added a test case for such a
    # session.
    refused_s = 0.0 if settings.sandbox else REFUSAL_REMEMBERED_S
    return Sessions(
        bus,
        health.record,
        is_deployed=lambda: offers.allows(france_connect_session.PROVIDER),
        unknown_per_second=settings.unknown_sessions_per_second,
        refused_s=refused_s,
    )


def _assemble(
    settings: GatewaySettings,
    bus: BusClient,
    offers: Discovery,
    tokens: TokenSource,
    limiter: RateLimiter,
    cache: Cache,
    journal: Journal,
    drawing: Executor,
    clock: Callable[[], datetime],
    epoch_s: Callable[[], float],
) -> GatewayServices:
    secret, windows = settings.cache_secret(), parse_windows(settings.maintenance)
    health = HealthWindows(clock)
    authenticate = Authenticator(
        tokens,
        limiter,
        _sessions(settings, bus, offers, health),
        addresses=AddressThrottle(settings.refused_bearers_per_minute, epoch_s),
        recipients=RecipientThrottle(limiter, settings.unknown_recipients_per_minute, epoch_s),
        exempt=settings.exempt_digests(),
        trusted_proxies=settings.proxies(),
        rate_limit_per=settings.rate_limit_per,
    )
    proofs = _proofs(settings, clock)
    answers, hints = AnswerCache(cache, secret), RegimeHints(cache, secret)
    lookups = Lookups(
        offers=offers,
        authenticate=authenticate,
        in_flight=InFlight(cache, secret, settings.deadline_s),
        cache=answers,
        providers=Providers(bus, answers, hints, settings.hedge_timing(), health.record),
        windows=windows,
        clock=clock,
        deadline_s=settings.deadline_s,
        is_sandbox=settings.sandbox,
        caller_hash_key=secret,
        proofs=proofs,
    )
    proof_checks, proof_downloads = _proof_services(settings, proofs, bus, limiter, drawing)
    services = Services(authenticate=authenticate, lookups=lookups, journal=journal, clock=clock)
    return GatewayServices(
        settings=settings,
        authenticate=authenticate,
        lookups=lookups,
        dossiers=Dossiers(offers, services, settings.deadline_s),
        mcp=Mcp(offers, services, settings.deadline_s) if settings.mcp else None,
        documents=_documents(settings, offers, proofs),
        proof_checks=proof_checks,
        proof_downloads=proof_downloads,
        pings=Pings(offers, health, windows, clock, is_sandbox=settings.sandbox),
        sandbox_cases=SandboxCases(offers, bus, is_sandbox=settings.sandbox),
        readiness=Readiness(bus, offers, tokens, journal),
        journal=journal,
        bus=bus,
    )


def _documents(settings: GatewaySettings, offers: Discovery, proofs: Proofs | None) -> Documents:
    public_url, has_proofs = settings.public_url.rstrip("/"), proofs is not None
    return Documents(offers, public_url, settings.contact, is_sandbox=settings.sandbox, has_proofs=has_proofs)


def _proofs(settings: GatewaySettings, clock: Callable[[], datetime]) -> Proofs | None:
    keys, public_url = settings.proofs(), settings.public_url.rstrip("/")
    return Proofs(keys, clock, public_url, is_sandbox=settings.sandbox) if keys else None


def _proof_services(
    settings: GatewaySettings, proofs: Proofs | None, bus: BusClient, limiter: RateLimiter, drawing: Executor
) -> tuple[ProofChecks, ProofDownloads] | tuple[None, None]:
    """Returns the service that verifies proofs, and the service that makes their PDF files in the threads of `drawing`.
    Both are `None` if `proofs` is `None`."""
    if proofs is None:
        return None, None
    proxies = settings.proxies()
    checks = AddressLimit(limiter, " proofs", settings.proof_checks_per_minute, proxies)
    documents = AddressLimit(limiter, " proof documents", settings.proof_documents_per_minute, proxies)
    return (
        ProofChecks(proofs, bus, checks),
        ProofDownloads(proofs, documents, drawing, is_sandbox=settings.sandbox),
    )


def _tokens(settings: GatewaySettings, bus: BusClient, offers: Discovery) -> TokenSource:
    keys, max_known = named_keys(settings.token_keys), settings.known_tokens
    is_claimed = settings.tokens_from == "claims"
    tokens = TokenVerifier(settings.token_key, named_keys=keys, max_known=max_known, is_staging=is_claimed)
    if is_claimed:
        return ClaimedTokens(tokens)
    patience_s, refresh_s = settings.registry_patience_s, settings.registry_refresh_s
    return RegistryClient(
        tokens,
        bus,
        patience_s=patience_s,
        refresh_s=refresh_s,
        max_known=max_known,
        served_scopes=lambda: offers.catalogue.scopes,
    )


@asynccontextmanager
async def _journal(settings: GatewaySettings, outbox: Outbox | None) -> AsyncIterator[Journal]:
    if not settings.has_journal:
        yield NoJournal()
        return
    assert outbox is not None, "a journal needs its outbox"
    folder, max_bytes = Path(settings.journal_spool), settings.journal_spool_max_bytes
    async with AsyncExitStack() as stack:
        try:
            journal = await stack.enter_async_context(open_journal(folder, max_bytes, settings.pseudonyms(), outbox))
        except OSError as error:
            raise SettingsError([f"{GATEWAY_PREFIX}JOURNAL_SPOOL: cannot be written ({error.strerror})"]) from None
        yield journal
