"""Exchange with an upstream: a request and its outcome, as `bouquet-worker try` shows them to a developer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from msgspec import Struct

from bouquet_worker.answer import Answer
from bouquet_worker.errors import UpstreamError

HIDDEN = "***"
"""Text in place of each secret in the output of commands for developers."""


class Exchange(Struct, frozen=True):
    """Request to an upstream with its outcome: an answer or an error. Requests for OAuth 2.0 tokens are not kept as
    exchanges."""

    upstream: str
    method: str
    url: str
    headers: Mapping[str, str]
    """Headers of the request; `HIDDEN` replaces the values of headers that authenticate the request."""
    body: bytes | None
    outcome: Answer | UpstreamError

    def __repr__(self) -> str:
        return f"Exchange({self.upstream})"


Observer: TypeAlias = Callable[[Exchange], None]
"""Function that receives each exchange (a request to an upstream with its outcome) when it has ended. Exchanges contain
personal data."""
# Only commands for developers use an observer.
