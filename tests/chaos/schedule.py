"""Schedule of the faults of a chaos run. The same seed and length give the same schedule."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from msgspec import Struct

GATEWAYS = ("gateway-1", "gateway-2")
PROVIDERS = ("cnaf", "msa", "dss")
"""Providers whose workers and upstreams a run breaks."""
# `dss` provides the RSA and the other benefits of the Sécurité sociale.
WORKERS = tuple(f"{provider}-{number}" for provider in PROVIDERS for number in (1, 2))
ANY_OF_OURS = (*GATEWAYS, *WORKERS)
NODES = ("node-1", "node-2", "node-3")
REPLIES = "replies"
QUEUES = (*PROVIDERS, "registry", "journal", REPLIES)
"""Queues that select the broker node to break: a fault on a queue breaks the node that hosts it. `replies` stands for
the reply queue of a gateway."""
# Another node may have neither queues nor clients, and its loss would show nothing.
USERS = ("gateway", "registry", *PROVIDERS)
"""Processes whose RabbitMQ user may lose a permission in a fault."""


class Fault(Struct, frozen=True):
    """A kind of fault. `place` is the part of the mesh that it breaks; simultaneous faults have different places."""

    name: str
    place: str
    targets: tuple[str, ...]
    lasts_s: tuple[float, float]
    whole_within_s: float | None = None
    """Goal, in seconds, for the time until the mesh works again although the fault still lasts. None if the mesh need
    not work before the fault ends."""


FAULTS = (
    Fault("broker killed", "broker", ("broker",), (0.0, 3.0)),
    Fault("broker hung", "broker", ("broker",), (1.0, 8.0)),
    Fault("broker short of memory", "broker", ("broker",), (1.0, 4.0)),
    Fault("queue deleted", "broker", PROVIDERS, (0.0, 0.0)),
    Fault("right to configure lost", "broker", USERS, (1.0, 4.0)),
    Fault("right to write lost", "broker", USERS, (1.0, 4.0)),
    Fault("right to read lost", "broker", USERS, (1.0, 4.0)),
    Fault("connection to the broker cut", "connection", ANY_OF_OURS, (0.2, 4.0)),
    Fault("connection to the broker silent", "connection", ANY_OF_OURS, (1.0, 8.0)),
    Fault("connection to the broker half open", "connection", ANY_OF_OURS, (1.0, 8.0)),
    Fault("connection to the broker slow", "connection", ANY_OF_OURS, (2.0, 4.0)),
    Fault("connection to the upstream cut", "upstream", PROVIDERS, (0.5, 4.0)),
    Fault("connection to the upstream silent", "upstream", PROVIDERS, (1.0, 5.0)),
    Fault("connection to the upstream half open", "upstream", PROVIDERS, (1.0, 5.0)),
    Fault("connection to the upstream trickling", "upstream", PROVIDERS, (2.0, 5.0)),
    Fault("connection to the upstream slow", "upstream", PROVIDERS, (2.0, 5.0)),
    Fault("upstream answers 500", "upstream", PROVIDERS, (1.0, 4.0)),
    Fault("upstream answers 503", "upstream", PROVIDERS, (1.0, 4.0)),
    Fault("upstream answers garbage", "upstream", PROVIDERS, (1.0, 4.0)),
    Fault("upstream hangs up", "upstream", PROVIDERS, (1.0, 4.0)),
    Fault("upstream answers late", "upstream", PROVIDERS, (1.0, 5.0)),
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

CLUSTER_FAULTS = (
    Fault("node killed", "broker", QUEUES, (6.0, 10.0), 5.0),
    Fault("node stopped", "broker", QUEUES, (6.0, 10.0), 5.0),
    Fault("node hung", "broker", QUEUES, (22.0, 26.0), 20.0),
    Fault("node cut from the other nodes", "broker", QUEUES, (22.0, 26.0), 20.0),
    Fault("node cut from its clients", "broker", QUEUES, (22.0, 26.0), 20.0),
    Fault("node cut off", "broker", QUEUES, (22.0, 26.0), 20.0),
    Fault("node back before it is missed", "broker", QUEUES, (1.0, 6.0)),
    Fault("node back when it is missed", "broker", QUEUES, (6.0, 9.0)),
    Fault("connections between nodes lost", "broker", QUEUES, (0.0, 0.0)),
    Fault("nodes restarted in turn", "broker", ("nodes",), (0.0, 0.0)),
    Fault("gateways restarted in turn", "gateway", ("gateways",), (0.0, 0.0)),
    Fault("workers restarted in turn", "worker", ("workers",), (0.0, 0.0)),
    Fault("worker killed", "worker", WORKERS, (0.0, 3.0)),
    Fault("worker hung", "worker", WORKERS, (1.0, 8.0)),
    Fault("worker stopped", "worker", WORKERS, (0.0, 3.0)),
    Fault("gateway killed", "gateway", GATEWAYS, (0.0, 4.0)),
    Fault("gateway stopped", "gateway", GATEWAYS, (0.0, 4.0)),
    Fault("redis killed", "redis", ("redis",), (0.5, 5.0)),
    Fault("registry killed", "registry", ("registry",), (0.5, 5.0)),
    Fault("journal killed", "registry", ("journal",), (0.5, 5.0)),
    Fault("database killed", "registry", ("database",), (0.5, 5.0)),
)

HEALING_S = 4.0
"""Seconds that the schedule leaves after the faults of each episode, so that the mesh can recover."""
REST_S = (0.5, 2.0)
"""Shortest and longest pause, in seconds, between the recovery after one episode and the start of the next."""
SECOND_FAULT_PROBABILITY = 0.35
"""Probability that an episode has two faults at the same time."""


class Injection(Struct, frozen=True):
    """One fault of an episode: its name, its target and its length in seconds."""

    fault: str
    target: str
    lasts_s: float
    whole_within_s: float | None = None

    def __str__(self) -> str:
        return f"{self.fault} ({self.target}, {self.lasts_s:.1f} s)"


class Episode(Struct, frozen=True):
    """One or two faults that begin together, `at_s` seconds after the start of the run."""

    at_s: float
    injections: tuple[Injection, ...]

    @property
    def whole_within_s(self) -> float | None:
        """Goal `whole_within_s` of the episode's fault. None if the episode has two faults, or if its fault has no such
        goal."""
        return self.injections[0].whole_within_s if len(self.injections) == 1 else None

    def __str__(self) -> str:
        return " + ".join(map(str, self.injections))


def faults_named(text: str, faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """Returns the fault whose name is `text`, or else every fault whose name contains it."""
    exact = tuple(fault for fault in faults if fault.name == text)
    return exact or tuple(fault for fault in faults if text in fault.name)


def schedule(seed: int, seconds: float, faults: Sequence[Fault] = FAULTS) -> tuple[Episode, ...]:
    """Returns the episodes of a run that lasts `seconds`. The first fault of each episode is taken from a random order
    of all faults; another order begins when all have been used."""
    chance = random.Random(seed)
    bag, found, at_s = _bag(chance, faults), list[Episode](), chance.uniform(*REST_S)
    while True:
        first = next(bag)
        together = [first]
        others = [fault for fault in faults if fault.place != first.place]
        if chance.random() < SECOND_FAULT_PROBABILITY and others:
            together.append(chance.choice(others))
        injections = tuple(_injection(fault, chance) for fault in together)
        ends_s = at_s + max(injection.lasts_s for injection in injections) + HEALING_S
        if ends_s > seconds:
            return tuple(found)
        found.append(Episode(round(at_s, 2), injections))
        at_s = ends_s + chance.uniform(*REST_S)


def _bag(chance: random.Random, faults: Sequence[Fault]) -> Iterator[Fault]:
    while True:
        yield from chance.sample(faults, len(faults))


def _injection(fault: Fault, chance: random.Random) -> Injection:
    target = chance.choice(fault.targets)
    return Injection(fault.name, target, round(chance.uniform(*fault.lasts_s), 2), fault.whole_within_s)
