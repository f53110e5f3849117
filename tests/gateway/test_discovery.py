"""Tests of discovery: a gateway learns over a bus which operations the workers offer, as they start, change and
stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest
from msgspec import Raw
from prometheus_client import REGISTRY

from bouquet_gateway.offers import discovery
from bouquet_gateway.offers.checks import Territories
from bouquet_gateway.offers.discovery import Discovery
from bouquet_mesh.bus.api import Bus, Handler
from bouquet_mesh.bus.memory import MemoryBus
from bouquet_proto.messages import Describe, Failed, Found, Reply, Request, encode
from bouquet_proto.offer import Offer, digest_of
from tests.support.offers import dossier, offer
from tests.support.waiting import TEST_TIMEOUT_S, until

NEWER = dossier(path="/v4/acme/dossier/identite", id="acme_v4_dossier")


class OfferingWorker:
    """Handler of a worker that answers every request with its offer, and counts the requests."""

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self.asked = 0
        self.told: list[tuple[str, ...]] = []
        """Each thing that the gateway told about this worker's offer."""

    async def __call__(self, request: Request) -> Reply:
        self.asked += 1
        assert isinstance(request, Describe)
        if request.offer == digest_of(encode(self.offer)):
            self.told.append(request.refused)
        return Found(Raw(encode(self.offer)))


@pytest.fixture(autouse=True)
def fast_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "MISSING_RETRY_S", 0.01)
    monkeypatch.setattr(discovery, "REFRESH_S", 0.05)


@asynccontextmanager
async def discovering(bus: Bus, *allowed: str, territories: Territories | None = None) -> AsyncIterator[Discovery]:
    """Runs a gateway's `Discovery`, and yields it once it has asked every provider for its offer."""
    asking = Discovery(bus, allowed, territories)
    running = asyncio.create_task(asking.run())
    try:
        async with asyncio.timeout(TEST_TIMEOUT_S):
            await asking.first_round()
        yield asking
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def paths(asking: Discovery) -> set[str]:
    return set(asking.catalogue.by_path)


def as_provider(name: str) -> Offer:
    return msgspec.structs.replace(offer(dossier(path=f"/v3/{name}/x")), provider=name)


async def test_an_offered_operation_is_served() -> None:
    bus = MemoryBus()
    async with bus.serve("acme", OfferingWorker(offer()), concurrency=1), discovering(bus, "acme") as asking:
        assert paths(asking) == {"/v3/acme/dossier/identite", "/api/v2/dossier-acme"}
        assert not asking.missing


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/v3", "/v3/", "/livez/x", "/v0/acme/x", "/v3/acme/x%00", "/V3/acme/x", "/v3/acmé/x"]
)
async def test_a_path_that_no_provider_may_offer_is_unknown_from_the_start(path: str) -> None:
    async with discovering(MemoryBus(), "acme") as asking:
        assert not asking.may_be_offered(path)


async def test_a_path_may_still_be_offered_until_every_worker_has_answered() -> None:
    bus = MemoryBus()
    async with discovering(bus, "acme") as asking:
        assert asking.may_be_offered("/v3/acme/other/identite")
        assert asking.may_be_offered("/api/v2/dossier")
        async with bus.serve("acme", OfferingWorker(offer()), concurrency=1):
            await until(lambda: not asking.missing)
        assert not asking.may_be_offered("/v3/acme/other/identite"), "its offer stays known when it goes away"


async def test_a_missing_worker_keeps_no_path_open_outside_of_its_territory() -> None:
    bus, territories = MemoryBus(), {"late": ("/v3/late/", "/api/v2/late")}
    async with (
        bus.serve("acme", OfferingWorker(offer()), concurrency=1),
        discovering(bus, "acme", "late", territories=territories) as asking,
    ):
        await until(lambda: asking.missing == ("late",))
        paths = ("/v3/late/x/identite", "/api/v2/late", "/v3/acme/other/identite", "/v3/lately/x", "/api/v2/other")
        assert [asking.may_be_offered(path) for path in paths] == [True, True, False, False, False]


async def test_a_worker_that_starts_late_is_discovered() -> None:
    bus = MemoryBus()
    async with discovering(bus, "acme") as asking:
        assert asking.missing
        async with bus.serve("acme", OfferingWorker(offer()), concurrency=1):
            await until(lambda: not asking.missing)
            assert paths(asking)


async def test_the_offer_of_a_worker_that_stops_is_kept() -> None:
    bus = MemoryBus()
    async with discovering(bus, "acme") as asking:
        async with bus.serve("acme", OfferingWorker(offer()), concurrency=1):
            await until(lambda: not asking.missing)
        calls = count_calls(bus)
        await until(lambda: calls["acme"] > 3)
        assert paths(asking)
        assert not asking.missing


def count_calls(bus: MemoryBus) -> dict[str, int]:
    calls = {"acme": 0}
    call = bus.call

    async def counted(provider: str, request: Request) -> Reply:
        calls[provider] += 1
        return await call(provider, request)

    bus.call = counted  # type: ignore[method-assign]
    return calls


async def test_a_changed_offer_replaces_the_former_one() -> None:
    bus, worker = MemoryBus(), OfferingWorker(offer())
    async with bus.serve("acme", worker, concurrency=1), discovering(bus, "acme") as asking:
        worker.offer = offer(NEWER)
        await until(lambda: paths(asking) == {NEWER.path})


async def test_an_unchanged_offer_keeps_the_catalogue() -> None:
    bus, worker = MemoryBus(), OfferingWorker(offer())
    async with bus.serve("acme", worker, concurrency=1), discovering(bus, "acme") as asking:
        before = asking.catalogue
        await until(lambda: worker.asked > 3)
        assert asking.catalogue is before


async def test_offers_are_in_the_order_of_the_allow_list_whatever_the_order_of_answers() -> None:
    bus = MemoryBus()
    async with (
        discovering(bus, "first", "second") as asking,
        bus.serve("second", OfferingWorker(as_provider("second")), concurrency=1),
    ):
        await until(lambda: bool(paths(asking)))
        async with bus.serve("first", OfferingWorker(as_provider("first")), concurrency=1):
            await until(lambda: not asking.missing)
        assert [known.provider for known in asking.catalogue.offers] == ["first", "second"]


async def test_a_provider_that_is_not_allowed_is_not_asked() -> None:
    bus, worker = MemoryBus(), OfferingWorker(offer())
    async with bus.serve("acme", worker, concurrency=1), discovering(bus, "other") as asking:
        assert (worker.asked, paths(asking)) == (0, set())


async def of_another(_: Request) -> Reply:
    return Found(Raw(encode(as_provider("other"))))


async def nonsense(_: Request) -> Reply:
    return Found(Raw(b'{"offer":"nonsense"}'))


async def in_trouble(_: Request) -> Reply:
    return Failed("worker_bug")


@pytest.mark.parametrize("strange", [of_another, nonsense, in_trouble])
async def test_a_reply_that_is_no_offer_is_left_out(strange: Handler) -> None:
    bus = MemoryBus()
    async with (
        bus.serve("acme", strange, concurrency=1),
        bus.serve("good", OfferingWorker(as_provider("good")), concurrency=1),
        discovering(bus, "acme", "good") as asking,
    ):
        assert paths(asking) == {"/v3/good/x"}
        assert asking.missing


@pytest.mark.parametrize("strange", [of_another, nonsense])
async def test_a_refused_offer_is_logged_without_its_own_texts(
    strange: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    bus = MemoryBus()
    async with bus.serve("acme", strange, concurrency=1), discovering(bus, "acme"):
        [*told] = {(record.message, vars(record)["provider"]) for record in caplog.records}
    assert told == [("offer unreadable", "acme")]


async def test_a_worker_is_told_what_the_gateway_does_not_serve_of_its_offer() -> None:
    bus, first, second = MemoryBus(), OfferingWorker(as_provider("first")), OfferingWorker(as_provider("second"))
    taken = dossier(path="/v3/first/x")
    second.offer = msgspec.structs.replace(offer(taken, dossier(path="/v3/second/x")), provider="second")
    async with (
        bus.serve("first", first, concurrency=1),
        bus.serve("second", second, concurrency=1),
        discovering(bus, "first", "second") as asking,
    ):
        await until(lambda: second.told[-1:] == [("path already served: acme_v3_dossier",)])
        assert gauge("second") == 1
        asking.allow(["second"])
        await until(lambda: second.told[-1:] == [()])
        assert gauge("second") == 0
    assert not any(first.told)


def gauge(provider: str) -> float | None:
    return REGISTRY.get_sample_value("bouquet_gateway_offer_refusals", {"provider": provider})


async def test_a_silent_worker_does_not_delay_the_offers_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "ASK_TIMEOUT_S", 0.1)

    async def silence(_: Request) -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    bus = MemoryBus()
    async with (
        bus.serve("silent", silence, concurrency=1, drain_s=0),
        bus.serve("acme", OfferingWorker(offer()), concurrency=1),
        discovering(bus, "silent", "acme") as asking,
    ):
        await until(lambda: bool(paths(asking)))
