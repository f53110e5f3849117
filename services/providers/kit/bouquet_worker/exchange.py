"""Exchanges with an upstream, for a developer's eyes: `bouquet-worker try` shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from msgspec import Struct

from bouquet_worker.answer import Answer
from bouquet_worker.errors import UpstreamError

HIDDEN = "***"
"""Text in place of a secret."""


class Exchange(Struct, frozen=True):
    """Request to an upstream, and the answer or the error that it led to. Requests for OAuth 2.0 tokens are none."""

    upstream: str
    method: str
    url: str
    headers: Mapping[str, str]
    """Headers of the request. Those that authenticate it have the value `HIDDEN`."""
    body: bytes | None
    outcome: Answer | UpstreamError

    def __repr__(self) -> str:
        return f"Exchange({self.upstream})"


Observer: TypeAlias = Callable[[Exchange], None]
"""Function that is called after each exchange. No process of the mesh has one."""
