"""Invented values that replace the real values in an upstream's answer, so that a recording contains no person's
data."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any, TypeAlias

from bouquet_worker.public import KnownFields

Scalar: TypeAlias = str | int | float

_DATE = re.compile(
    r"\d{4}-\d\d-\d\d(?:T(\d\d):(\d\d)(:\d\d)?(\.\d+)?(Z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)
_NUMBER = re.compile(r"(-?)(0(?!\d)|[1-9])(\d*)(\.\d+)?(e[+-]?\d+)?", re.ASCII)
_FIRST_DAY, _DAYS = date(1930, 1, 1), 34_000
_DRAWS = 50
"""Number of random texts tried as the invented value for one original text, before longer texts are tried."""


class Anonymiser:
    """Replaces the texts and numbers of decoded JSON by invented values. Equal values are replaced by the same invented
    value, which does not occur in the original JSON.

    Args:
        original: Decoded JSON of the upstream. No invented value equals a value in it.
        given: Maps some original values to the invented values that must replace them.
    """

    def __init__(self, original: Any, given: Mapping[str, str]) -> None:
        self._forbidden = {str(value) for value in scalars(original)} | given.keys()
        self._invented = dict(given)

    def body(self, value: Any, fields: KnownFields, *, public: bool = False) -> Any:
        """Returns a copy of the JSON `value` with invented texts and numbers. Keeps the values of the fields in
        `fields.public`, and leaves out fields that are not in `fields.read`. `public` says that `value` is the value of
        a field in `fields.public`."""
        match value:
            case dict():
                kept = {name: item for name, item in value.items() if name in fields.read}
                return {name: self.body(item, fields, public=name in fields.public) for name, item in kept.items()}
            case list():
                return [self.body(item, fields, public=public) for item in value]
            case bool() | None:
                return value
            case _:
                return value if public else self.value(value)

    def value(self, value: Scalar) -> Scalar:
        """Returns the invented value for `value`, of the same type. A text without letters and digits is returned
        unchanged."""
        text = str(value)
        if not any(character.isalnum() for character in text):
            return value
        if text not in self._invented:
            self._invented[text] = self._new(text)
        try:
            return type(value)(self._invented[text])
        except ValueError:  # of a text that was given in place of a number
            return type(value)(self._new(text))

    def _new(self, text: str) -> str:
        while True:
            for _ in range(_DRAWS):
                if (drawn := _drawn(text)) not in self._forbidden:
                    return drawn
            text += "0" if text[-1].isdecimal() else "x"


def scalars(value: Any) -> Iterator[Scalar]:
    """Yields the texts and numbers in decoded JSON, at any depth, but no booleans and nulls."""
    match value:
        case dict():
            for item in value.values():
                yield from scalars(item)
        case list():
            for item in value:
                yield from scalars(item)
        case bool() | None:
            pass
        case _:
            yield value


def _drawn(text: str) -> str:
    """Returns a random text of the same form as `text`, such as an ISO date for an ISO date. In texts other than
    numbers and dates, a random letter replaces each letter, and a random digit each digit."""
    if number := _NUMBER.fullmatch(text):
        return _number(*number.groups())
    if found := _DATE.fullmatch(text):
        day = _FIRST_DAY + timedelta(days=secrets.randbelow(_DAYS))
        return f"{day:%Y-%m-%d}" + (_time(*found.groups()) if found[1] else "")
    return "".join(map(_character, text))


def _number(sign: str, _: str, digits: str, fraction: str | None, exponent: str | None) -> str:
    """Returns a random number as text, given the parts of a number's text. Keeps the sign and the number of digits, and
    leaves out the exponent."""
    # The first digit is not 0, which a conversion to `int` would drop.
    whole = sign + secrets.choice("123456789") + "".join(map(_character, digits))
    return str(float(whole + "".join(map(_character, fraction or "")))) if fraction or exponent else whole


def _time(hour: str, minute: str, second: str | None, fraction: str | None, offset: str | None) -> str:
    """Returns a random ISO time of day, such as `T10:30:00Z`, with the given offset. Midnight is kept."""
    # Midnight marks a date without a time of day.
    if {hour, minute, second or ":00"} != {"00", ":00"}:
        hour, minute = f"{secrets.randbelow(24):02}", f"{secrets.randbelow(60):02}"
        second = second and f":{secrets.randbelow(60):02}"
    return f"T{hour}:{minute}{second or ''}{fraction and '.0' or ''}{offset or ''}"


def _character(character: str) -> str:
    if not character.isalnum():
        return character
    if character.isnumeric():
        return secrets.choice(string.digits)
    return secrets.choice(string.ascii_uppercase if character.isupper() else string.ascii_lowercase)
