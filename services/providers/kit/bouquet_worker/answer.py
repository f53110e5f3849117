"""Answer of an upstream to a call: status, headers and body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct

from bouquet_worker.errors import UpstreamError

T = TypeVar("T")

# msgspec's error texts may quote values. Only the parts matched here hold nothing but field names of our structs.
_PATH = re.compile(r"`(\$[^`]*)`$")
_MISSING = re.compile(r"^Object missing required field `([^`]*)`")


class Answer(Struct, frozen=True):
    """HTTP answer of an upstream. Its `repr` shows only the status, since headers and body may hold personal data."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    """Body of the answer, not decoded."""

    def decode(self, model: type[T]) -> T:
        """Returns the body, decoded as JSON of type `model`. For any other body, raises
        `UpstreamError("upstream_malformed")` with the path of the wrong field."""
        try:
            return msgspec.json.decode(self.body, type=model)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UpstreamError("upstream_malformed", field=_field(str(error)), cause=type(error).__name__) from None

    def matches(self, model: type[Struct]) -> bool:
        """Returns whether the body is valid JSON of type `model`. For example, a worker tells the provider's own error
        from a proxy's error."""
        # A status alone proves no absence: a proxy or a framework also answers 404, to a path that it does not know.
        try:
            msgspec.json.decode(self.body, type=model)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return True

    def unexpected(self) -> UpstreamError:
        """Returns `UpstreamError("upstream_unknown")`, to be raised for an answer whose status the provider does not
        document."""
        return UpstreamError("upstream_unknown", cause=f"HTTP {self.status}")

    def __repr__(self) -> str:
        return f"Answer({self.status})"


def _field(text: str) -> str:
    """Returns the path of the wrong field in the text of a msgspec error, such as `$.holder.lastName`. Returns `$` if
    the text names no field."""
    path, missing = _PATH.search(text), _MISSING.match(text)
    return (path[1] if path else "$") + (f".{missing[1]}" if missing else "")
