"""Building blocks of the validation rules: the query parameters that a rule reads, and the context that holds the query
and the results so far."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, TypeAlias

from msgspec import Struct

from bouquet_proto.messages import Parameter
from bouquet_proto.normalisation import normalised
from bouquet_proto.query import Malformed, Query, leading_integer

Values: TypeAlias = dict[str, Parameter]
Json: TypeAlias = dict[str, Any]

# Patterns must match the whole text: API Particulier's line anchors accept an embedded newline (docs/contract.md, V6).
FOUR_DIGITS = re.compile(r"\d{4}", re.ASCII)
ANY_TEXT = re.compile(r".*", re.DOTALL)


class Field(Struct, frozen=True, kw_only=True):
    """Query parameter that a validation rule reads, and the texts that describe the parameter in the OpenAPI
    document."""

    name: str
    """Name of the parameter in version 3 and later, unless `Check.names` gives another name."""
    schema: Json
    description: str
    example: Any = None
    required: bool = False


class RuleContext(Struct, gc=False):
    """Query under validation, and the results so far: the values that rules have accepted, and the public codes of the
    faults that rules have found."""

    query: Query
    names: Mapping[str, str]
    today: date
    values: Values
    codes: list[str]

    def text(self, field: str) -> str | Malformed | None:
        """Returns the normalised text of a field, `MALFORMED` for an invalid value, or None if the field is absent."""
        given = self.query.scalar(self.names[field])
        return normalised(field, given) if isinstance(given, str) else given

    def items(self, field: str) -> tuple[str, ...] | Malformed | None:
        """Returns the normalised items of a list field, `MALFORMED` for an invalid value, or None if the field is
        absent."""
        given = self.query.list(self.names[field])
        return tuple(normalised(field, item) for item in given) if isinstance(given, tuple) else given

    def blank(self, field: str) -> bool:
        """Returns whether a field is absent, empty or only spaces. A malformed field is not blank."""
        return _is_blank(self.text(field))

    def malformed(self, field: str) -> bool:
        """Returns whether a field has an invalid value, such as a list instead of a text."""
        return isinstance(self.text(field), Malformed)

    def matching(self, field: str, pattern: re.Pattern[str]) -> str | None:
        """Returns the normalised text of a field if all of it matches the pattern, else None."""
        return _whole(self.text(field), pattern)

    def integer(self, field: str) -> int:
        """Returns the integer at the start of a field's text: 12 for `12abc`, 0 for `abc` or an absent field
        (docs/reference/contract.md §0)."""
        text = self.text(field)
        return leading_integer(text) if isinstance(text, str) else 0

    def integers(self, fields: Iterable[str]) -> dict[str, int]:
        """Returns the integer at the start of each field's text, by field: 12 for `12abc`, 0 for `abc`. Leaves out
        fields that are absent."""
        return {
            field: leading_integer(text) if isinstance(text, str) else 0
            for field in fields
            if (text := self.text(field)) is not None
        }

    def four_digits(self, field: str) -> int:
        """Returns the number in a field whose text is exactly four digits, such as a year, else 0."""
        return int(self.matching(field, FOUR_DIGITS) or 0)

    def require(self, field: str, pattern: re.Pattern[str], code: str) -> None:
        """Records the field's text if all of it matches `pattern`, otherwise the error code `code`."""
        self._keep_or_refuse(field, self.matching(field, pattern), code)

    def accept(self, field: str, code: str, pattern: re.Pattern[str] = ANY_TEXT) -> None:
        """Records the field's text if all of it matches `pattern`, otherwise the error code `code`. Records nothing if
        the field is absent, empty or only spaces."""
        text = self.text(field)
        if not _is_blank(text):
            self._keep_or_refuse(field, _whole(text, pattern), code)

    def _keep_or_refuse(self, field: str, text: str | None, code: str) -> None:
        if text is None:
            self.refuse(code)
        else:
            self.keep(field, text)

    def keep(self, field: str, value: Parameter) -> None:
        """Records a value that a rule has accepted, under `field`, the field's name inside Bouquet."""
        self.values[field] = value

    def refuse(self, code: str) -> None:
        """Records the public error code of a fault that a rule has found."""
        self.codes.append(code)


def _is_blank(text: str | Malformed | None) -> bool:
    return not isinstance(text, Malformed) and not (text or "").strip()


def _whole(text: str | Malformed | None, pattern: re.Pattern[str]) -> str | None:
    return text if isinstance(text, str) and pattern.fullmatch(text) else None


class Rule(Struct, frozen=True, kw_only=True):
    """Validation rule that reads one or several query parameters."""

    read: Callable[[RuleContext], None]
    fields: dict[str, Field]
    """Query parameters that the rule reads, by canonical field (the field's name inside Bouquet)."""
    parts: tuple[str, ...] = ()
    """Names of the values that the rule makes from one parameter, such as the year, month and day of a date. Empty if
    each parameter gives one value."""
    # The value then has the same key as the parameter in `fields`.
    codes: tuple[str, ...] = ()
    """Public error codes of the faults that the rule can find."""


def text(**limits: Any) -> Json:
    return {"type": "string", **limits}


def texts(**limits: Any) -> Json:
    return {"type": "array", "items": text(), **limits}


def integer(**limits: Any) -> Json:
    return {"type": "integer", **limits}
