"""Environment variables as typed values: the text of a variable or of the file that it names, then its field's type."""

from __future__ import annotations

import math
import re
import types
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, structs

from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import ServerUrl

_LINK = re.compile(r"\w+_(SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_\w+)=.*|\w+_PORT=\w+://.*", re.DOTALL)
"""A variable that Kubernetes makes of a Service, and its value."""


class WrongVariableError(Exception):
    """The name of a variable and what is wrong with it, never its value."""


def without_service_links(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Kubernetes describes the Services around a pod in its environment, unless the pod says `enableServiceLinks:
    false`. A Service called `bouquet-gateway` makes a `BOUQUET_GATEWAY_PORT` of `tcp://…`, a form that no setting has.
    """
    return {name: value for name, value in environ.items() if not _LINK.fullmatch(f"{name}={value}")}


def text_of(name: str, environ: Mapping[str, str]) -> str | None:
    """The text of `name`, or of the file that `name` + `_FILE` names; None where neither is set.

    Raises `WrongVariableError`.
    """
    file = f"{name}_FILE"
    if file not in environ:
        return environ.get(name)
    if name in environ:
        raise WrongVariableError(f"{name}: is given twice, as itself and as {file}")
    try:
        with open(environ[file], encoding="utf-8") as opened:
            text = opened.read().strip()
        if "\0" in text:  # no variable, path or URL can hold one
            raise ValueError("a NUL character")
    except OSError as error:
        raise WrongVariableError(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError:
        raise WrongVariableError(f"{file}: does not lead to a text") from None
    return text


def value_of(name: str, text: str | None, field: structs.FieldInfo) -> Any:
    """`text` as the type of `field`. `UNSET` leaves the field to its default.

    An empty text is a value, but does not satisfy a required field. Raises `WrongVariableError`.
    """
    if field.required and not text:
        raise WrongVariableError(f"{name}: is required")
    if text is None:
        return UNSET
    if fault := _fault_of_url(text, field.type):
        raise WrongVariableError(f"{name}: {fault}")
    try:
        return _convert(text, field.type)
    except ValueError:
        raise WrongVariableError(f"{name}: {_expected(field.type)}") from None


def unknown(name: str, prefix: str, known: Iterable[str]) -> str:
    """What is wrong with a variable that is none of `known`: all of them begin with `prefix`."""
    nearest = get_close_matches(name.removeprefix(prefix), [one.removeprefix(prefix) for one in known], 1)
    return f"{name}: unknown setting" + (f"; is it {prefix}{nearest[0]}?" if nearest else "")


def _fault_of_url(text: str, hint: Any) -> str:
    return next((one.fault(text) for one in get_args(hint) if isinstance(one, ServerUrl)), "")


def _convert(text: str, hint: Any) -> Any:
    """Raises ValueError, of which msgspec's errors are a kind."""
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
    described = [meta.description for meta in get_args(hint)[1:] if isinstance(meta, Meta) and meta.description]
    return words.get(hint) or next(iter(described), "is not valid")


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (types.UnionType, Union):
        return next(option for option in get_args(hint) if option is not types.NoneType)
    return hint
