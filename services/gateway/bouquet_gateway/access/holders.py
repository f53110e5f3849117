"""Whose a token is: by its own claims, or by the registry's word (`registry.py`); and rows 1, 2, 6 and 7 of §2.7."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from bouquet_gateway.access.addresses import is_in
from bouquet_gateway.access.tokens import Carrier, Token, Tokens, hash_of
from bouquet_gateway.errors.problems import Problem
from bouquet_proto.deadline import Deadline

Holder: TypeAlias = Token | Problem
"""A token, expired and blacklisted ones included, or why there is none. The problem waits for its turn in the order."""


class Holders(Protocol):
    @property
    def ready(self) -> bool:
        """Whether a token can be told from another yet."""

    async def holder_of(self, carrier: Carrier, request_id: str, deadline: Deadline) -> Holder: ...

    async def run(self) -> None:
        """Keeps itself informed for as long as it must."""


class Claims:
    """Tokens say themselves what they allow: whoever can sign one can do anything (S6). For demos and sandboxes."""

    ready = True

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def holder_of(self, carrier: Carrier, request_id: str, deadline: Deadline) -> Holder:
        return self._tokens.read(carrier) or Problem("token_invalid")

    async def run(self) -> None:
        return


def admit(holder: Holder, address: Callable[[], str], now: float) -> None:
    """Before pace and route. Raises `Problem`. Most tokens may come from anywhere, and then nobody asks where from."""
    if isinstance(holder, Problem):
        return
    if holder.blacklisted_at is not None and holder.blacklisted_at <= now:
        raise Problem("token_blacklisted")
    if holder.networks is not None and not is_in(address(), holder.networks):
        raise Problem("ip_forbidden")


def accept(holder: Holder, now: float) -> Token:
    """Raises `Problem`."""
    if isinstance(holder, Problem):
        raise Problem(*holder.reasons)  # not itself: it is remembered, and would remember every call that it ended
    if holder.expires_at <= now:
        raise Problem("token_expired")
    return holder


def budget_of(carrier: Carrier, holder: Holder) -> str:
    """Whose calls are counted together: those of one token id, else of what stands in its place; empty without any
    (http-contract §4)."""
    if not carrier.text:
        return ""
    return hash_of(carrier.text if isinstance(holder, Problem) else holder.id).hex()
