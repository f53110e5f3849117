"""Memory of the registry's answers to one kind of request, such as for the rights of a token. An answer is kept until
the registry reports a change (docs/adr/0008)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from bouquet_gateway.access.tokens import CredentialRefusal
from bouquet_gateway.stores.single_flight import SingleFlight
from bouquet_mesh.bus.api import BusClient
from bouquet_proto import registry_messages
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Reply, Request

V = TypeVar("V")

ASK_TIMEOUT_S = 2.0
MAX_AGE_IN_REFRESHES = 2
"""Largest age, in refresh intervals, of a remembered answer that a call may use while the gateway requests a new one.
If the remembered answer is older, the call waits for the new one."""
REGISTRY_UNAVAILABLE = CredentialRefusal("registry_unavailable")


class PollState(Protocol):
    """State of the gateway's polls: regular requests to the registry for changes."""

    # All `RegistryAnswers` of a gateway share this state.

    @property
    def cursor(self) -> int:
        """Number of the last change that the registry has reported."""

    @property
    def is_silent(self) -> bool:
        """Whether the registry has stopped answering the gateway's regular requests for changes (polls)."""

    @property
    def is_tolerated(self) -> bool:
        """Whether remembered answers may be used. True while the registry answers, and for a limited time after it has
        stopped."""


class RegistryAnswer(Struct, Generic[V], frozen=True):
    """Answer of the registry. `as_of` is the number of the last change in the registry's log that the answer takes into
    account."""

    value: V
    as_of: int


class _Known(Struct, Generic[V], frozen=True):
    """Answer of the registry that the gateway remembers. `asked_at` is the time of the gateway's request, in seconds of
    the monotonic clock."""

    value: V
    asked_at: float


class RegistryAnswers(Generic[V]):
    """Memory of the registry's answers by key, such as a token's id. Above a limit, the least recently used answer is
    dropped.

    An answer in use is requested again in the background at a regular interval, in case a change was missed.
    """

    def __init__(
        self,
        bus: BusClient,
        polls: PollState,
        decode: Callable[[str, Reply], RegistryAnswer[V] | None],
        *,
        refresh_s: float,
        max_known: int,
        clock: Callable[[], float],
    ) -> None:
        """Takes `decode(key, reply)`, which extracts the answer about `key` from the registry's reply. `decode` returns
        `None` for a failure or an unreadable reply.

        An answer older than `refresh_s` seconds is requested again. `polls` says whether the registry still answers. At
        most `max_known` answers are kept. `clock` returns seconds.
        """
        self._bus = bus
        self._polls = polls
        self._decode = decode
        self._refresh_s = refresh_s
        self._max_known = max_known
        self._clock = clock
        self._known: OrderedDict[str, _Known[V]] = OrderedDict()
        self._asking: SingleFlight[V | CredentialRefusal] = SingleFlight()

    def __len__(self) -> int:
        return len(self._known)

    async def get(self, key: str, deadline: Deadline, question: Callable[[float], Request]) -> V | CredentialRefusal:
        """Returns the remembered answer for `key`, or asks the registry. Returns a refusal if the registry does not
        answer. `question` builds the request to the registry; its argument is the request's deadline, in seconds since
        the epoch."""
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            if self._is_fresh(known):
                return known.value
        until = min(deadline.at, Deadline.after(ASK_TIMEOUT_S).at)
        answer = self._asking.start(key, lambda: self._ask(key, question(until)))
        if known is not None and self._is_usable_meanwhile(known):
            return known.value
        return await asyncio.shield(answer)

    def forget(self, keys: Iterable[str]) -> None:
        """Forgets the answers with these keys."""
        for key in keys:
            self._known.pop(key, None)

    def forget_if(self, condition: Callable[[str], bool]) -> None:
        """Forgets the answers whose keys meet the condition."""
        self.forget([key for key in self._known if condition(key)])

    def _is_fresh(self, known: _Known[V]) -> bool:
        """Returns whether a call may use the remembered answer `known` without a new request to the registry. Usually
        the answer may be up to one refresh interval old. While the registry does not answer, older answers are allowed
        for a limited time (`PollState.is_tolerated`)."""
        if self._polls.is_silent:  # a new request would not be answered
            return self._polls.is_tolerated
        return self._clock() - known.asked_at < self._refresh_s

    def _is_usable_meanwhile(self, known: _Known[V]) -> bool:
        """Returns whether a call may use the remembered answer `known` while the gateway requests a new one. The answer
        must be younger than `MAX_AGE_IN_REFRESHES` refresh intervals. Returns false if the registry has stopped
        answering."""
        return not self._polls.is_silent and self._clock() - known.asked_at < MAX_AGE_IN_REFRESHES * self._refresh_s

    async def _ask(self, key: str, question: Request) -> V | CredentialRefusal:
        asked_at = self._clock()
        answered = self._decode(key, await self._bus.call(registry_messages.PROVIDER, question))
        if answered is None:
            known = self._known.get(key)  # removed if a change was reported meanwhile
            return known.value if known and self._polls.is_tolerated else REGISTRY_UNAVAILABLE
        if answered.as_of >= self._polls.cursor:  # an older answer may miss a change reported since
            self._remember(key, _Known(answered.value, asked_at))
        return answered.value

    def _remember(self, key: str, known: _Known[V]) -> None:
        self._known[key] = known
        self._known.move_to_end(key)
        if len(self._known) > self._max_known:
            self._known.popitem(last=False)
