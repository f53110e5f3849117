"""Typed values read from environment variables, or from the files whose paths are in environment variables."""

from __future__ import annotations

import math
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, structs

from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import ServerUrl

_SERVICE_LINK = re.compile(r"\w+_(SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_\w+)=.*|\w+_PORT=\w+://.*", re.DOTALL)
"""Pattern of an environment variable, as `name=value`, by which Kubernetes announces a Service in a pod, such as
`CACHE_PORT=tcp://…`."""


class VariableError(Exception):
    """Invalid or missing environment variable. The error text names the variable and the problem, but never the
    value."""


def without_service_links(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Returns the variables of `environ`, except those that Kubernetes itself sets in a pod for each Service, such as
    `BOUQUET_GATEWAY_PORT=tcp://…` for a Service `bouquet-gateway`."""
    # They would otherwise be read as settings.
    return {name: value for name, value in environ.items() if not _SERVICE_LINK.fullmatch(f"{name}={value}")}


def text_of(name: str, environ: Mapping[str, str]) -> str | None:
    """Returns the value of the variable `name`, or the content of the file whose path is in the variable `{name}_FILE`.
    Returns None if neither is set. Raises `VariableError` if both are set or the file is unreadable."""
    file = f"{name}_FILE"
    if file not in environ:
        return environ.get(name)
    if name in environ:
        raise VariableError(f"{name}: is given twice, as itself and as {file}")
    try:
        with open(environ[file], encoding="utf-8") as opened:
            text = opened.read().strip()
        if "\0" in text:  # no variable, path or URL can hold one
            raise ValueError("a NUL character")
    except OSError as error:
        raise VariableError(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError:
        raise VariableError(f"{file}: does not lead to a text") from None
    return text


def value_of(name: str, text: str | None, field: structs.FieldInfo) -> Any:
    """Converts `text`, the value of the variable `name`, to the type of `field`. Returns `UNSET` if `text` is None
    and `field` is optional. Raises `VariableError` for an invalid value, and for a required value that is missing or
    empty."""
    # An empty text is a value, but does not satisfy a required field.
    if field.required and not text:
        raise VariableError(f"{name}: is required")
    if text is None:
        return UNSET
    if fault := _url_fault(text, field.type):
        raise VariableError(f"{name}: {fault}")
    try:
        return _convert(text, field.type)
    except ValueError:
        raise VariableError(f"{name}: {_expected(field.type)}") from None


def unknown_setting_problem(name: str, prefix: str, known: Iterable[str]) -> str:
    """Returns the error text for a variable that names no setting. Suggests the most similar name in `known`, if there
    is one."""
    # The comparison ignores `prefix`, with which all names begin.
    nearest = get_close_matches(name.removeprefix(prefix), [one.removeprefix(prefix) for one in known], 1)
    return f"{name}: unknown setting" + (f"; is it {prefix}{nearest[0]}?" if nearest else "")


def _url_fault(text: str, hint: Any) -> str:
    return next((one.fault(text) for one in get_args(hint) if isinstance(one, ServerUrl)), "")


def _convert(text: str, hint: Any) -> Any:
    hint = _without_none(hint)
    if getattr(hint, "__origin__", hint) is Secret:  # annotated or not
        return Secret(text)
    if get_origin(hint) is tuple:
        return tuple(_convert(item.strip(), get_args(hint)[0]) for item in text.split(",") if item.strip())
    value = msgspec.convert(text, hint, strict=False)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("not finite")
    return value


def _expected(hint: Any) -> str:
    hint = _without_none(hint)
    words = {int: "must be a whole number", float: "must be a number", bool: "must be true or false"}
    if get_origin(hint) is Literal:
        return "must be one of " + ", ".join(map(str, get_args(hint)))
    metas = [meta for meta in get_args(hint)[1:] if isinstance(meta, Meta)]
    described = [meta.description for meta in metas if meta.description]
    kind = words.get(getattr(hint, "__origin__", hint), "is not valid")  # annotated or not
    return next(iter(described), ", ".join([kind, *(limit for meta in metas for limit in _limits(meta))]))


def _limits(meta: Meta) -> Iterator[str]:
    if meta.ge is not None:
        yield f"at least {meta.ge}"
    if meta.le is not None:
        yield f"at most {meta.le}"


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (types.UnionType, Union):
        return next(option for option in get_args(hint) if option is not types.NoneType)
    return hint
