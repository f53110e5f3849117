"""What an upstream answered, before anything is made of its status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct

from bouquet_worker.errors import UpstreamError

T = TypeVar("T")

# msgspec's texts quote values, except in these two places, which hold names of our own structs.
_PATH = re.compile(r"`(\$[^`]*)`$")
_MISSING = re.compile(r"^Object missing required field `([^`]*)`")


class Answer(Struct, frozen=True):
    """What came back, its status yet to be understood. Its repr shows no body."""

    status: int
    headers: Mapping[str, str]
    """Found by name whatever its case."""
    body: bytes

    def decode(self, model: type[T]) -> T:
        """The body as JSON, whatever its content type. `upstream_malformed` tells the field, never the value."""
        try:
            return msgspec.json.decode(self.body, type=model)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UpstreamError("upstream_malformed", field=_field(str(error)), cause=type(error).__name__) from None

    def says(self, model: type[Struct]) -> bool:
        """Whether the body is a `model`, as JSON: the provider's own word for an absence.

        A status alone is none: a proxy or a framework answers 404 of its own to a path that it does not know.
        """
        try:
            msgspec.json.decode(self.body, type=model)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return True

    def unexpected(self) -> UpstreamError:
        """The error to raise for what the provider's documentation does not name: `upstream_unknown`."""
        return UpstreamError("upstream_unknown", cause=f"HTTP {self.status}")

    def __repr__(self) -> str:
        return f"Answer({self.status})"


def _field(text: str) -> str:
    path, missing = _PATH.search(text), _MISSING.match(text)
    return (path[1] if path else "$") + (f".{missing[1]}" if missing else "")
