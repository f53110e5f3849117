"""What breaks when: a list made of a seed and of nothing else, so that a run can be had again."""

from __future__ import annotations

import random
from collections.abc import Iterator

from msgspec import Struct

GATEWAYS = ("gateway-1", "gateway-2")
PROVIDERS = ("cnaf", "msa", "dss")
"""Whom workers ask; the last one is the hub of the funds' other prestations."""
WORKERS = tuple(f"{fund}-{number}" for fund in PROVIDERS for number in (1, 2))
ANY_OF_OURS = (*GATEWAYS, *WORKERS)
USERS = ("gateway", "registry", *PROVIDERS)
"""Of the broker."""


class Fault(Struct, frozen=True):
    """A row of what may break. Two of one `place` never do at the same time."""

    name: str
    place: str
    targets: tuple[str, ...]
    lasts_s: tuple[float, float]
    """From, to. Then it is mended."""


FAULTS = (
    Fault("broker killed", "broker", ("broker",), (0.0, 3.0)),
    Fault("broker hung", "broker", ("broker",), (1.0, 8.0)),
    Fault("broker short of memory", "broker", ("broker",), (1.0, 4.0)),
    Fault("queue deleted", "broker", PROVIDERS, (0.0, 0.0)),
    Fault("right to configure lost", "broker", USERS, (1.0, 4.0)),
    Fault("right to write lost", "broker", USERS, (1.0, 4.0)),
    Fault("right to read lost", "broker", USERS, (1.0, 4.0)),
    Fault("way to the broker cut", "way", ANY_OF_OURS, (0.2, 4.0)),
    Fault("way to the broker silent", "way", ANY_OF_OURS, (1.0, 8.0)),
    Fault("way to the broker half open", "way", ANY_OF_OURS, (1.0, 8.0)),
    Fault("way to the broker slow", "way", ANY_OF_OURS, (2.0, 4.0)),
    Fault("way to the fund cut", "fund", PROVIDERS, (0.5, 4.0)),
    Fault("way to the fund silent", "fund", PROVIDERS, (1.0, 5.0)),
    Fault("way to the fund half open", "fund", PROVIDERS, (1.0, 5.0)),
    Fault("way to the fund trickling", "fund", PROVIDERS, (2.0, 5.0)),
    Fault("way to the fund slow", "fund", PROVIDERS, (2.0, 5.0)),
    Fault("fund answers 500", "fund", PROVIDERS, (1.0, 4.0)),
    Fault("fund answers 503", "fund", PROVIDERS, (1.0, 4.0)),
    Fault("fund answers garbage", "fund", PROVIDERS, (1.0, 4.0)),
    Fault("fund hangs up", "fund", PROVIDERS, (1.0, 4.0)),
    Fault("fund answers late", "fund", PROVIDERS, (1.0, 5.0)),
    Fault("worker killed", "worker", WORKERS, (0.0, 3.0)),
    Fault("worker hung", "worker", WORKERS, (1.0, 8.0)),
    Fault("worker stopped", "worker", WORKERS, (0.0, 3.0)),
    Fault("worker's clock ahead", "worker", WORKERS, (2.0, 5.0)),
    Fault("worker's clock behind", "worker", WORKERS, (2.0, 5.0)),
    Fault("every worker killed", "worker", PROVIDERS, (0.5, 4.0)),
    Fault("gateway killed", "gateway", GATEWAYS, (0.0, 4.0)),
    Fault("gateway stopped", "gateway", GATEWAYS, (0.0, 4.0)),
    Fault("redis killed", "redis", ("redis",), (0.5, 5.0)),
    Fault("redis hung", "redis", ("redis",), (0.5, 5.0)),
    Fault("registry killed", "registry", ("registry",), (0.5, 5.0)),
)

HEALING_S = 4.0
"""Planned for; an episode that has not healed by then puts off the next."""
REST_S = (0.5, 2.0)
SECOND_FAULT_PROBABILITY = 0.35
"""How often a second thing breaks while the first is broken."""


class Injection(Struct, frozen=True):
    fault: str
    target: str
    lasts_s: float

    def __str__(self) -> str:
        return f"{self.fault} ({self.target}, {self.lasts_s:.1f} s)"


class Episode(Struct, frozen=True):
    at_s: float
    injections: tuple[Injection, ...]

    def __str__(self) -> str:
        return " + ".join(map(str, self.injections))


def schedule(seed: int, seconds: float) -> tuple[Episode, ...]:
    """Episodes that end, healing and all, within so many seconds. No fault comes twice before each has come once."""
    chance = random.Random(seed)
    bag, found, at_s = _bag(chance), list[Episode](), chance.uniform(*REST_S)
    while True:
        first = next(bag)
        faults = [first]
        if chance.random() < SECOND_FAULT_PROBABILITY:
            faults.append(chance.choice([fault for fault in FAULTS if fault.place != first.place]))
        strikes = tuple(_injection(fault, chance) for fault in faults)
        ends_s = at_s + max(strike.lasts_s for strike in strikes) + HEALING_S
        if ends_s > seconds:
            return tuple(found)
        found.append(Episode(round(at_s, 2), strikes))
        at_s = ends_s + chance.uniform(*REST_S)


def _bag(chance: random.Random) -> Iterator[Fault]:
    while True:
        yield from chance.sample(FAULTS, len(FAULTS))


def _injection(fault: Fault, chance: random.Random) -> Injection:
    return Injection(fault.name, chance.choice(fault.targets), round(chance.uniform(*fault.lasts_s), 2))
