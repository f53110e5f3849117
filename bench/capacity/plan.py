"""From unit costs to machines. `python -m bench.capacity.plan` writes the tables of docs/capacity.md anew."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec import Struct

from bench.programs import ROOT

COSTS = Path(__file__).with_name("costs.toml")
PAGE = ROOT / "docs" / "capacity.md"
DAY_S = 24 * 3600
MONTH_S = 30 * DAY_S
RATES = (1_000, 10_000)
TOKENS = (10_000, 100_000, 1_000_000)
GROUPED = 1.02


class Costs(Struct, frozen=True, forbid_unknown_fields=True):
    """As costs.toml says, where each is explained."""

    gateway_ms: float
    worker_ms: float
    broker_ms: float
    who_is_us: float
    redis_us: float
    redis_client_us: float
    cached_bytes: float
    record_us: float
    record_bytes: float
    rest_us: float
    busy_share: float
    asking_share: float
    upstream_s: float
    filled: float
    concurrency: int
    known_tokens: int
    refresh_s: float

    def cores(self, rate: float, us: float) -> int:
        """Whole ones, filled as planned."""
        return math.ceil(rate * us / 1e6 / self.filled)


def read_costs() -> Costs:
    return msgspec.toml.decode(COSTS.read_bytes(), type=Costs)


def machines(costs: Costs, rate: int) -> dict[str, str]:
    """At a peak of so many lookups a second."""
    asked = rate * costs.asking_share
    under_way = asked * costs.upstream_s
    gateways = costs.cores(rate, costs.gateway_ms * 1000 + costs.redis_client_us)
    workers = max(costs.cores(asked, costs.worker_ms * 1000), math.ceil(under_way / costs.concurrency))
    mean = rate * costs.busy_share
    answers_gb = mean * costs.asking_share * DAY_S * costs.cached_bytes / 1e9
    return {
        "gateway processes, a core each": str(gateways),
        "calls under way in each, on average": f"{under_way / gateways:.0f}",
        "cores that workers need, all providers": str(costs.cores(asked, costs.worker_ms * 1000)),
        f"worker processes, at {costs.concurrency} requests at a time": str(workers),
        "broker, cores for lookups": str(costs.cores(asked, costs.broker_ms * 1000)),
        "broker, cores for being there": f"{(2 * gateways + workers) * costs.rest_us / 1e6:.2f}",
        "redis, share of its one core": f"{rate * costs.redis_us / 1e4:.0f} %",
        "redis, answers of a day": f"{answers_gb:,.0f} GB",
        "journal writer and PostgreSQL, cores": str(costs.cores(rate, costs.record_us)),
        "PostgreSQL, a month of the journal": f"{mean * MONTH_S * costs.record_bytes / 1e12:.2f} TB",
        "records in a month": f"{mean * MONTH_S / 1e9:.2f} billion",
    }


Spread: TypeAlias = list[tuple[float, int]]
"""Which share of the calls each of so many tokens has."""


def known_share(spread: Spread, rate: float, kept: int, refresh_s: float) -> float:
    """How many calls find their token remembered in a gateway that gets `rate` of them a second.

    A token is forgotten when `kept` others came since its last use (Che's approximation), or so long after it was asked
    for; what forgets it more often decides.
    """
    lasting_s = _lasting_s(spread, rate, kept)

    def known(each: float) -> float:
        return min(1 - math.exp(-each * lasting_s), each * refresh_s / (1 + each * refresh_s))

    return sum(tokens * share * known(rate * share) for share, tokens in spread)


def _lasting_s(spread: Spread, rate: float, kept: int) -> float:
    """How long until so many different tokens have come."""
    if sum(tokens for _, tokens in spread) <= kept:
        return math.inf
    low, high = 0.0, 1e9
    for _ in range(60):
        middle = (low + high) / 2
        came = sum(tokens * (1 - math.exp(-rate * share * middle)) for share, tokens in spread)
        low, high = (middle, high) if came < kept else (low, middle)
    return high


def alike(tokens: int) -> Spread:
    return [(1 / tokens, tokens)]


def unevenly(tokens: int) -> Spread:
    """By Zipf's law: the one in place n is used 1/n as often as the first. Neighbours are taken together."""
    groups, place = [], 1
    while place <= tokens:
        end = min(tokens, max(place, int(place * GROUPED)))
        groups.append((2 / (place + end), end - place + 1))
        place = end + 1
    whole = sum(share * count for share, count in groups)
    return [(share / whole, count) for share, count in groups]


def machines_table(costs: Costs) -> str:
    columns = [machines(costs, rate) for rate in RATES]
    rows = [(name, *(column[name] for column in columns)) for name in columns[0]]
    return _table(("at a peak of", *(f"{rate:,} lookups/s" for rate in RATES)), rows)


def tokens_table(costs: Costs) -> str:
    """Of calls whose gateway knows their token: 10,000 a second in all, in as many gateways as those need."""
    gateways = costs.cores(RATES[-1], costs.gateway_ms * 1000 + costs.redis_client_us)
    rate = RATES[-1] / gateways
    rows = []
    for tokens in TOKENS:
        for name, spread in (("alike", alike(tokens)), ("unevenly (Zipf)", unevenly(tokens))):
            known, with_room = (
                known_share(spread, rate, kept, costs.refresh_s) for kept in (costs.known_tokens, tokens)
            )
            asked = RATES[-1] * (1 - known)
            cores = asked * costs.who_is_us / 1e6
            rows.append(
                (f"{tokens:,}, used {name}", f"{known:.0%}", f"{with_room:.0%}", f"{asked:,.0f}", f"{cores:.1f}")
            )
    heads = ("tokens in use", "known", "with room for all", "questions/s", "cores of the registry")
    return _table(heads, rows)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (heads, ("---",) * len(heads), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(text: str, costs: Costs) -> str:
    """The page with its tables made anew, each between its two comments."""
    for name, table in (("machines", machines_table(costs)), ("tokens", tokens_table(costs))):
        before, rest = text.split(f"<!-- {name} -->", 1)
        _, after = rest.split("<!-- end -->", 1)
        text = f"{before}<!-- {name} -->\n\n{table}\n\n<!-- end -->{after}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(), read_costs()))
