"""From unit costs to machines, and to what breaks first: the arithmetic of docs/capacity.md.

Each function gives figures for the page to tell, named in words. Rates are lookups a second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.capacity.figure import Figure, Figures
from bench.capacity.remembering import alike, remembered, unevenly
from bouquet_gateway.access.registry_client import POLL_S
from bouquet_gateway.journal.spool import FULL_AT
from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh.outbox.api import MOST
from bouquet_worker import WorkerSettings

ASSUMPTIONS = Path(__file__).with_name("assumptions.toml")
DAY_S = 24 * 3600
MONTH_S = 30 * DAY_S
RATES = (1_000, 10_000)
LOW, HIGH = RATES
TOKENS = (10_000, 100_000, 1_000_000)
NODES = (2, 4, 8, 16, 32, 64)
"""Cores that one may have."""


class Assumptions(Struct, frozen=True, forbid_unknown_fields=True):
    """As assumptions.toml says, where each is explained."""

    busy_share: float
    asking_share: float
    upstream_s: float
    filled: float
    min_gateways: int
    max_gateways: int
    aimed_requests: int
    min_workers: int
    max_workers: int


class Costs(Struct, frozen=True):
    """What is multiplied, from what was measured; and the settings' defaults."""

    gateway_us: float
    worker_us: float
    broker_us: float
    redis_us: float
    record_us: float
    who_is_us: float
    noted_us: float
    rest_us: float
    cached_bytes: float
    record_bytes: float
    spooled_bytes: float
    known_bytes: float
    in_memory_bytes: float
    written_us: float
    assumed: Assumptions
    gateway: GatewaySettings = GatewaySettings()
    worker: WorkerSettings = WorkerSettings()

    def cores(self, rate: float, us: float) -> int:
        """Whole ones, filled as planned."""
        return math.ceil(rate * us / 1e6 / self.assumed.filled)

    def asked(self, rate: float) -> float:
        return rate * self.assumed.asking_share

    def gateways(self, rate: float) -> int:
        return self.cores(rate, self.gateway_us)

    def workers(self, rate: float) -> int:
        under_way = self.asked(rate) * self.assumed.upstream_s
        return max(self.cores(self.asked(rate), self.worker_us), math.ceil(under_way / self.worker.concurrency))


def read_assumptions() -> Assumptions:
    return msgspec.toml.decode(ASSUMPTIONS.read_bytes(), type=Assumptions)


def costs_of(measured: Figures, assumed: Assumptions) -> Costs:
    one, most = measured.one, measured.most
    return Costs(
        gateway_us=one("lookup", "gateway") + one("lookup in redis", "gateway"),
        worker_us=one("lookup", "worker"),
        broker_us=one("lookup", "broker"),
        redis_us=one("lookup in redis", "redis"),
        record_us=one("lookup", "registry") + one("journal, PostgreSQL", "record written"),
        who_is_us=most("registry", "WhoIs, PostgreSQL, *"),
        noted_us=most("registry", "use noted, PostgreSQL, *"),
        rest_us=most("broker", "idle *, itself"),
        cached_bytes=most("cache in redis", "entry of *"),
        record_bytes=one("journal, PostgreSQL", "record kept, with its indexes"),
        spooled_bytes=one("journal, PostgreSQL", "record in the spool and on the way"),
        known_bytes=one("token", "known to a gateway"),
        in_memory_bytes=most("cache in memory", "entry of *"),
        written_us=one("journal, PostgreSQL", "record written"),
        assumed=assumed,
    )


def planned(measured: Figures, assumed: Assumptions) -> Iterator[Figure]:
    costs = costs_of(measured, assumed)
    for rate in RATES:
        yield from _machines(costs, rate)
    for tokens in TOKENS:
        yield from _tokens(costs, tokens)
    yield from _settings(costs)
    yield from _limits(costs)
    yield from _bounds(costs)
    yield from _growth(costs, measured)


def _machines(costs: Costs, rate: int) -> Iterator[Figure]:
    """At a peak of `rate`, and over a month with that peak."""
    asked, gateways, workers = costs.asked(rate), costs.gateways(rate), costs.workers(rate)
    worker_cores, broker_cores = costs.cores(asked, costs.worker_us), costs.cores(asked, costs.broker_us)
    journal_cores = costs.cores(rate, costs.record_us)
    mean = rate * costs.assumed.busy_share
    month_bytes = mean * MONTH_S * costs.record_bytes
    for of, value, unit in (
        ("gateways", gateways, "exactly"),
        ("calls under way in a gateway", asked * costs.assumed.upstream_s / gateways, ""),
        ("worker cores", worker_cores, "exactly"),
        ("workers", workers, "exactly"),
        ("broker cores", broker_cores, "exactly"),
        ("broker cores, at rest", (2 * gateways + workers) * costs.rest_us / 1e6, ""),
        ("redis's core", rate * costs.redis_us / 1e4, "%"),
        ("redis, answers of a day", costs.asked(mean) * DAY_S * costs.cached_bytes, "bytes"),
        ("journal cores", journal_cores, "exactly"),
        ("journal, a month", month_bytes, "bytes"),
        ("journal, a year", 12 * month_bytes, "bytes"),
        ("records of a month", mean * MONTH_S / 1e6, "million"),
        ("gateway nodes", math.ceil(max(costs.assumed.min_gateways, gateways) / 2), "exactly"),
        ("worker nodes", math.ceil(max(2, worker_cores) / 2), "exactly"),
        ("cores of a broker's node", _node(broker_cores), "exactly"),
        ("cores of PostgreSQL", _node(journal_cores), "exactly"),
    ):
        yield Figure(f"at {rate}", of, value, unit)


def _node(cores: int) -> int:
    return next((size for size in NODES if size >= cores), cores)


def _tokens(costs: Costs, tokens: int) -> Iterator[Figure]:
    """In use, of calls at the highest rate, in as many gateways as it needs."""
    rate = HIGH / costs.gateways(HIGH)
    for used, spread in (("alike", alike(tokens)), ("unevenly", unevenly(tokens))):
        now, with_room = (
            remembered(spread, rate, kept, costs.gateway.registry_refresh_s)
            for kept in (costs.gateway.known_tokens, tokens)
        )
        questions = HIGH * (1 - now.known)
        for of, value, unit in (
            ("waiting", now.waiting * 100, "%"),
            ("waiting, with room for all", with_room.waiting * 100, "%"),
            ("questions a second", questions, ""),
            ("cores of the registry", questions * costs.who_is_us / 1e6, ""),
        ):
            yield Figure(f"{tokens} tokens, {used}", of, value, unit)


def _settings(costs: Costs) -> Iterator[Figure]:
    """Defaults and assumptions that the page names."""
    for of, value, unit in (
        ("known tokens", costs.gateway.known_tokens, "exactly"),
        ("known tokens of all gateways", costs.gateway.known_tokens * costs.gateways(HIGH), "exactly"),
        ("refresh", costs.gateway.registry_refresh_s * 1e6, "µs"),
        ("patience", costs.gateway.registry_patience_s * 1e6, "µs"),
        ("most requests", costs.gateway.max_requests, "exactly"),
        ("most calls to a provider", costs.gateway.max_calls_per_provider, "exactly"),
        ("most items", costs.gateway.cache_max_items, "exactly"),
        ("most bytes", costs.gateway.cache_max_bytes, "bytes"),
        ("spool", costs.gateway.journal_spool_max_bytes, "bytes"),
        ("concurrency", costs.worker.concurrency, "exactly"),
        ("batch", MOST, "exactly"),
        ("mean over peak", costs.assumed.busy_share * 100, "%"),
        ("peak over mean", 1 / costs.assumed.busy_share, ""),
        ("lookups that ask", costs.assumed.asking_share * 100, "%"),
        ("a provider's time", costs.assumed.upstream_s * 1e6, "µs"),
        ("filled", costs.assumed.filled * 100, "%"),
        ("fewest gateways", costs.assumed.min_gateways, "exactly"),
        ("most gateways", costs.assumed.max_gateways, "exactly"),
        ("aimed requests", costs.assumed.aimed_requests, "exactly"),
        ("fewest workers", costs.assumed.min_workers, "exactly"),
        ("most workers", costs.assumed.max_workers, "exactly"),
    ):
        yield Figure("set", of, value, unit)


def _limits(costs: Costs) -> Iterator[Figure]:
    """Lookups a second at which something is full."""
    assumed = costs.assumed
    a_worker = costs.worker.concurrency / assumed.upstream_s
    a_share = costs.gateway.max_calls_per_provider / assumed.upstream_s
    of_a_share = HIGH / costs.gateways(HIGH)
    for of, value in (
        ("the fewest workers of a provider", assumed.min_workers * a_worker),
        ("the most workers of a provider", assumed.max_workers * a_worker),
        ("one provider's share of the fewest gateways", assumed.min_gateways * a_share),
        ("one provider's share of the most gateways", assumed.max_gateways * a_share),
        ("one provider's share of the gateways for the high rate", costs.gateways(HIGH) * a_share),
        ("autoscaling", assumed.max_gateways * assumed.aimed_requests / assumed.upstream_s / assumed.asking_share),
        ("the most gateways' cores", assumed.max_gateways * assumed.filled * 1e6 / costs.gateway_us),
        ("redis, as filled as planned", assumed.filled * 1e6 / costs.redis_us),
        ("redis", 1e6 / costs.redis_us),
        ("the journal's head", 1e6 / costs.written_us),
        ("a provider's queue", 1e6 / costs.broker_us),
        ("a gateway's share of the high rate", of_a_share),
    ):
        yield Figure("full at", of, value, "/s")


def _bounds(costs: Costs) -> Iterator[Figure]:
    rate = HIGH / costs.gateways(HIGH)
    room = costs.gateway.journal_spool_max_bytes * FULL_AT / costs.spooled_bytes
    asked = costs.asked(rate)
    for of, value, unit in (
        ("the spool lasts", room / rate * 1e6, "µs"),
        ("a provider's time that fills a gateway", costs.gateway.max_requests / asked * 1e6, "µs"),
        ("times the usual latency", costs.gateway.max_requests / asked / costs.assumed.upstream_s, ""),
        ("answers in memory", costs.gateway.cache_max_bytes / costs.in_memory_bytes, ""),
        ("transactions of the journal", HIGH / MOST, ""),
        ("questions that a core of the registry answers", 1e6 / costs.who_is_us, "/s"),
        ("uses noted", 1e6 / costs.noted_us, "/s"),
        ("10 GB of redis", 1e10 / costs.cached_bytes / 1e6, "million"),
    ):
        yield Figure("bound", of, value, unit)


def _growth(costs: Costs, measured: Figures) -> Iterator[Figure]:
    one, hundred, million, billion = measured.one, 1e2, 1e6, 1e9
    series = one("metrics", "of a provider of 4 operations, at a gateway")
    for of, value, unit in (
        ("100 providers: series", hundred * series, ""),
        ("100 providers: scrape", hundred * series * one("metrics", "one series shown, time"), "µs"),
        ("100 providers: document", hundred * one("offer", "OpenAPI document, of 100, each"), "bytes"),
        ("100 providers: document made", hundred * one("offer", "OpenAPI document made, of 100, each"), "µs"),
        ("100 workers: CPU", hundred * one("broker", "idle worker, broker"), "µs"),
        ("100 workers: memory", hundred * one("broker", "idle worker's connection"), "bytes"),
        ("100 gateways: CPU", hundred * one("broker", "idle gateway, broker"), "µs"),
        ("100 gateways: changes", hundred / POLL_S, ""),
        ("a million tokens", million * one("registry", "token and its habilitation, PostgreSQL"), "bytes"),
        ("known tokens", costs.gateway.known_tokens * costs.known_bytes, "bytes"),
        ("a million known tokens", million * costs.known_bytes, "bytes"),
        ("ten million answers in redis", 10 * million * costs.cached_bytes, "bytes"),
        ("ten million hints in redis", 10 * million * one("cache in redis", "regime hint"), "bytes"),
        ("ten million answers in memory", 10 * million * costs.in_memory_bytes, "bytes"),
        ("a billion records", billion * costs.record_bytes, "bytes"),
        ("a billion records verified", billion * one("journal, PostgreSQL", "record verified"), "µs"),
        (
            "a month's records counted",
            LOW * costs.assumed.busy_share * MONTH_S * one("journal, PostgreSQL", "record counted by stats"),
            "µs",
        ),
    ):
        yield Figure("grown", of, value, unit)
