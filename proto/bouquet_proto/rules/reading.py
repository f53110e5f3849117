"""What a rule is made of: a view of the query in canonical names, where values are kept and codes refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, TypeAlias

from msgspec import Struct

from bouquet_proto.messages import Parameter
from bouquet_proto.query import Malformed, Query, leading_integer
from bouquet_proto.tidy import tidied

Values: TypeAlias = dict[str, Parameter]
Json: TypeAlias = dict[str, Any]

# Patterns are matched whole: the reference's line anchors let an embedded newline through (docs/contract.md, V6).
FOUR_DIGITS = re.compile(r"\d{4}", re.ASCII)
ANYTHING = re.compile(r".*", re.DOTALL)


class Field(Struct, frozen=True, kw_only=True):
    """A query parameter as the OpenAPI document shows it."""

    name: str
    """Its usual name from v3 on; an operation may call it otherwise."""
    schema: Json
    description: str
    example: Any = None
    required: bool = False


class Reading(Struct, gc=False):
    """One rule's view of the query: canonical field names in, tidy texts, values and codes out."""

    query: Query
    names: Mapping[str, str]
    today: date
    values: Values
    codes: list[str]

    def text(self, field: str) -> str | Malformed | None:
        """None where absent."""
        given = self.query.scalar(self.names[field])
        return tidied(field, given) if isinstance(given, str) else given

    def items(self, field: str) -> tuple[str, ...] | Malformed | None:
        """None where absent."""
        given = self.query.list(self.names[field])
        return tuple(tidied(field, item) for item in given) if isinstance(given, tuple) else given

    def blank(self, field: str) -> bool:
        """Absent, or nothing but spaces. What cannot be read is not blank."""
        return _is_blank(self.text(field))

    def malformed(self, field: str) -> bool:
        return isinstance(self.text(field), Malformed)

    def matching(self, field: str, pattern: re.Pattern[str]) -> str | None:
        """The text, where all of it matches."""
        return _whole(self.text(field), pattern)

    def integer(self, field: str) -> int:
        """As the contract reads integers (docs/reference/contract.md §0): zero for what is not one."""
        text = self.text(field)
        return leading_integer(text) if isinstance(text, str) else 0

    def integers(self, fields: Iterable[str]) -> dict[str, int]:
        """Of those that are there."""
        return {
            field: leading_integer(text) if isinstance(text, str) else 0
            for field in fields
            if (text := self.text(field)) is not None
        }

    def four_digits(self, field: str) -> int:
        """A year, or zero for anything but four digits."""
        return int(self.matching(field, FOUR_DIGITS) or 0)

    def require(self, field: str, pattern: re.Pattern[str], code: str) -> None:
        self._keep_or_refuse(field, self.matching(field, pattern), code)

    def accept(self, field: str, code: str, pattern: re.Pattern[str] = ANYTHING) -> None:
        """Blank is as good as absent."""
        text = self.text(field)
        if not _is_blank(text):
            self._keep_or_refuse(field, _whole(text, pattern), code)

    def _keep_or_refuse(self, field: str, text: str | None, code: str) -> None:
        if text is None:
            self.refuse(code)
        else:
            self.keep(field, text)

    def keep(self, field: str, value: Parameter) -> None:
        self.values[field] = value

    def refuse(self, code: str) -> None:
        self.codes.append(code)


def _is_blank(text: str | Malformed | None) -> bool:
    return not isinstance(text, Malformed) and not (text or "").strip()


def _whole(text: str | Malformed | None, pattern: re.Pattern[str]) -> str | None:
    return text if isinstance(text, str) and pattern.fullmatch(text) else None


class Rule(Struct, frozen=True, kw_only=True):
    read: Callable[[Reading], None]
    fields: dict[str, Field]
    """By canonical name: those it keeps, and those it only looks at."""
    parts: tuple[str, ...] = ()
    """What it keeps of a field that tells several: canonical names too, which nobody types."""
    codes: tuple[str, ...] = ()
    """Every code it may refuse with."""


def text(**limits: Any) -> Json:
    return {"type": "string", **limits}


def texts(**limits: Any) -> Json:
    return {"type": "array", "items": text(), **limits}


def integer(**limits: Any) -> Json:
    return {"type": "integer", **limits}
