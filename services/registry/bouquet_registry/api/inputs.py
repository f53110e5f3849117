"""Conversion of the parameters, body and headers of an HTTP request to structs. If fields are wrong, one error lists
them all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypeVar, get_args, get_origin
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import UNSET, Struct, UnsetType, structs

from bouquet_registry.acts import Author
from bouquet_registry.api.errors import ApiError, Error, invalid_field
from bouquet_registry.clock import FIRST_YEAR, LAST_YEAR
from bouquet_registry.text import contains_token, one_line

S = TypeVar("S", bound=Struct)

Check: TypeAlias = Callable[[Mapping[str, Any]], list[str]]
"""Function that checks the fields of a request body, and returns a text `field: problem` for each fault. Receives only
fields with a value of the right type."""


def no_faults(_: Mapping[str, Any]) -> list[str]:
    """Returns no faults. Used for request bodies in which only the types of the fields are checked."""
    return []


AUTHOR, REASON = "X-Author", "X-Reason"
"""Names of the headers that give the name of the person who acts, and the reason. Their values are UTF-8,
percent-encoded or not."""
MAX_HEADER = 500
"""Largest number of characters in each of the headers `X-Author` and `X-Reason`, after percent-decoding."""
QUOTABLE_NAME = re.compile(r"[A-Za-z_]{1,40}")
"""Pattern of the unknown field names that an error message repeats. A name that does not match is shown as `?`."""
QUOTED_VALUE = re.compile(r"(?<! regex) '.*'", re.DOTALL)
"""Pattern of the client's value in a msgspec error message, such as ` 'abc'`. Answers leave the value out."""
# The quoted regex of a pattern does not come from the client, and is kept.


def read_body(body: bytes, kind: type[S], check: Check = no_faults) -> S:
    """Reads a JSON body as a struct of type `kind`. `check` finds faults besides values of a wrong type. Raises
    `ApiError`, which lists all wrong fields, or says that the body is not a JSON object."""
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ApiError(Error("malformed", "the body is not JSON")) from None
    if not isinstance(given, dict):
        raise ApiError(Error("malformed", "the body is not a JSON object"))
    return _read(given, kind, strict=True, check=check)


def read_query(query: Mapping[str, str], kind: type[S]) -> S:
    """Reads the parameters of a query string as a struct of type `kind`. Raises `ApiError`, which lists all faults, for
    wrong, missing, unknown or repeated parameters."""
    if repeated := [name for name, times in Counter(name for name, _ in query.items()).items() if times > 1]:
        raise ApiError(*(Error("invalid", "is given more than once", _shown(name)) for name in repeated))
    return _read(query, kind, strict=False, check=lambda _: [])


def read_author(headers: Mapping[str, str]) -> Author:
    """Reads who acts, and why, from the headers `X-Author` and `X-Reason`. Raises `ApiError` if a header is missing,
    too long or not UTF-8, or contains the text of a token."""
    problems = [problem for name in (AUTHOR, REASON) if (problem := _header_problem(name, _header(headers, name)))]
    if problems:
        raise ApiError(*problems)
    return Author(_header(headers, AUTHOR) or "", _header(headers, REASON) or "")


def _header(headers: Mapping[str, str], name: str) -> str | None:
    """Returns the percent-decoded value of the header `name` as one line. Returns "" if the header is missing, and None
    if its value is not UTF-8."""
    try:
        text = unquote_to_bytes(headers.get(name, "").encode(errors="surrogateescape")).decode()
    except UnicodeDecodeError:
        return None
    return one_line(text)


def _header_problem(name: str, text: str | None) -> Error | None:
    if text is None:
        return Error("invalid", "is not UTF-8", name)
    if not text:
        return Error("invalid", "is required: each act names its author and its reason", name)
    if len(text) > MAX_HEADER:
        return Error("invalid", f"is longer than {MAX_HEADER} characters", name)
    return Error("invalid", "contains a token", name) if contains_token(text) else None


def _read(given: Mapping[str, Any], kind: type[S], *, strict: bool, check: Check) -> S:
    problems = [*_struct_problems(given, kind, "", strict=strict)]
    wrong = {re.split(r"[.\[]", problem.field, maxsplit=1)[0] for problem in problems}
    fields = {field.encode_name: field.type for field in structs.fields(kind)}
    valid = {
        name: msgspec.convert(value, fields[name], strict=strict)
        for name, value in given.items()
        if name in fields and name not in wrong
    }
    problems += map(invalid_field, check(valid))
    if problems:
        raise ApiError(*problems)
    return msgspec.convert(dict(given), kind, strict=strict)


def given_fields(body: Struct) -> dict[str, Any]:
    """Returns the fields of a request body by name, without those that the client left out (`UNSET`)."""
    return {name: value for name, value in structs.asdict(body).items() if value is not UNSET}


def _struct_problems(given: Any, kind: type[Struct], path: str, *, strict: bool) -> Iterator[Error]:
    if not isinstance(given, Mapping):
        yield Error("invalid", "is not an object", path)
        return
    fields = {field.encode_name: field for field in structs.fields(kind)}
    prefix = f"{path}." if path else ""
    for name, field in fields.items():
        if name in given:
            yield from _problems(given[name], _without_unset(field.type), prefix + name, strict=strict)
        elif field.required:
            yield Error("invalid", "is required", prefix + name)
    for name in given:
        if name not in fields:
            yield Error("invalid", "is unknown", prefix + _shown(name))


def _shown(name: str) -> str:
    return name if QUOTABLE_NAME.fullmatch(name) else "?"


def _problems(given: Any, kind: Any, path: str, *, strict: bool) -> Iterator[Error]:
    """Yields an error for each fault in the value `given`, which should be of type `kind`. `path` is the value's name
    in the errors. If `strict` is false, a text such as "12" is accepted as a number."""
    if _is_struct(kind):
        yield from _struct_problems(given, kind, path, strict=strict)
    elif get_origin(kind) is tuple and isinstance(given, list):
        for number, item in enumerate(given):
            yield from _problems(item, get_args(kind)[0], f"{path}[{number}]", strict=strict)
    else:
        try:
            value = msgspec.convert(given, kind, strict=strict)
        except (msgspec.ValidationError, OverflowError) as error:
            yield Error("invalid", _detail(error, kind), path)
        else:
            yield from value_problems(value, path)


def _without_unset(kind: Any) -> Any:
    """Returns the type `T` for a field of type `T | UnsetType`, which a client may leave out. Returns any other type
    unchanged."""
    args = [arg for arg in get_args(kind) if arg is not UnsetType]
    return args[0] if UnsetType in get_args(kind) and len(args) == 1 else kind


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def value_problems(value: Any, path: str) -> Iterator[Error]:
    """Yields an error for each text or `datetime` in `value` that the database cannot store, such as a text with NUL.
    `path` is the value's name in the errors."""
    match value:
        case datetime() if not FIRST_YEAR <= value.year <= LAST_YEAR:
            yield Error("invalid", f"is not between the years {FIRST_YEAR} and {LAST_YEAR}", path)
        case str() if "\0" in value:
            yield Error("invalid", "contains a NUL character", path)
        case list() | tuple():
            for item in value:
                yield from value_problems(item, path)


def _detail(error: Exception, kind: Any) -> str:
    """Returns msgspec's message about a wrong value of the type `kind`, without the value itself. For an enumeration,
    returns a message with the accepted values."""
    message = str(error).partition(" - at `")[0]
    if message.startswith("Invalid enum value"):
        return f"is none of {', '.join(map(str, _choices(kind)))}"
    words = QUOTED_VALUE.sub("", message)
    return words[:1].lower() + words[1:]


def _choices(kind: Any) -> tuple[Any, ...]:
    """Returns the values that an enumeration accepts: `("a", "b")` for the type `Literal["a", "b"] | None`."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(choice for part in get_args(kind) for choice in _choices(part))
