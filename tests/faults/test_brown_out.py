"""Brown-out: offered four times what it can take, the mesh works as fast as ever and refuses the rest at once."""

from __future__ import annotations

import pytest
from msgspec import Struct
from yarl import URL

from bouquet_proto.names import EMBEDDED
from tests.whole.crowd import Plan, Tale, gathered
from tests.whole.door import Door, token
from tests.whole.processes import fleet

pytestmark = pytest.mark.broker

MOST = 20
PLACES, CLIENTS = 64, 32
FUND_TAKES_S = 0.2
DEADLINE_S = 3.0
TIMES = 4
MEASURED_S = 3.0
ROUNDS = 5
"""A machine that does something else makes a round slower, and nothing makes it faster: one good round tells."""
KEPT = 0.8
"""Of the peak. On a quiet machine it is 0.9 and more; two cores carry the crowd, the broker and the fund as well."""
AT_ONCE_S = 0.2
"""Less than an answer takes. What bounds it is the places, divided by what the processor answers a second."""
KEPT_STARVED = 0.4
"""Where others have the processor for longer than the gateway, rounds tell only that it does not collapse."""


class Round(Struct, frozen=True):
    peak: Tale
    overload: Tale

    @property
    def kept(self) -> float:
        return self.overload.per_second() / self.peak.per_second()

    @property
    def is_good(self) -> bool:
        return self.kept >= KEPT and self.overload.quantile_s(0.95, status=503) < AT_ONCE_S

    def __str__(self) -> str:
        return (
            f"{self.peak.per_second():.0f} a second at the peak, then {self.overload.per_second():.0f}; "
            f"refused in {self.overload.quantile_s(0.95, status=503) * 1000:.0f} ms (p95)"
        )


class Crowds:
    """One after another at a door."""

    def __init__(self, client: Door) -> None:
        self._at = URL(client.url)
        self._people = 0

    async def come(self, *, clients: int = 0, per_second: float = 0.0) -> Tale:
        host, port = str(self._at.host), int(self._at.port or 0)
        plan = Plan(host, port, token(), MEASURED_S, self._people, clients=clients, per_second=per_second)
        tale = await gathered(plan)
        self._people += tale.asked
        return tale


async def brown_out(client: Door, clients: int) -> list[Round]:
    """Peaks, each with four times as much after it, until one round is good."""
    crowds, rounds = Crowds(client), list[Round]()
    while len(rounds) < ROUNDS and not (rounds and rounds[-1].is_good):
        peak = await crowds.come(clients=clients)
        rounds.append(Round(peak, await crowds.come(per_second=TIMES * peak.per_second())))
    return rounds


def held(rounds: list[Round], *, starved: bool = False) -> None:
    for peak, overload in ((each.peak, each.overload) for each in rounds):
        assert set(peak.took_s) == {200}
        assert set(overload.took_s) == {200, 503}
        assert len(overload.took_s[503]) > len(overload.took_s[200])
    held_up = rounds[-1].is_good or (starved and max(each.kept for each in rounds) >= KEPT_STARVED)
    assert held_up, "; ".join(map(str, rounds))


async def test_four_times_the_load_is_no_less_work_done(broker_url: str) -> None:
    async with fleet(broker_url) as ships:
        ships.gate.takes_s = FUND_TAKES_S
        await ships.worker("cnaf", BOUQUET_CNAF_CONCURRENCY=str(MOST))
        _, client = await ships.gateway(
            max_requests=MOST, max_calls_per_provider=MOST, deadline_s=DEADLINE_S, hedge_after_s=0.9 * DEADLINE_S
        )
        rounds = await brown_out(client, MOST)
    held(rounds)
    slowest = (max(map(max, overload.took_s.values())) for overload in (each.overload for each in rounds))
    assert max(slowest) < DEADLINE_S


async def test_nor_is_it_where_the_processor_is_the_limit() -> None:
    """Funds that answer at once, workers in the gateway's own process, and twice as many places as callers."""
    async with fleet(EMBEDDED) as ships:
        gateway, client = await ships.gateway(max_requests=PLACES, max_calls_per_provider=PLACES)
        ran_s, waited_s = gateway.on_processor_s()
        rounds = await brown_out(client, CLIENTS)
        ran_s, waited_s = (now - then for now, then in zip(gateway.on_processor_s(), (ran_s, waited_s), strict=True))
    held(rounds, starved=waited_s > ran_s)
