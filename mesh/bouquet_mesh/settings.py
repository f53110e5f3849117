"""Settings: environment variables into frozen structs, typed, all errors at once, no value ever printed."""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Struct, structs

from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import ServerUrl
from bouquet_proto.names import EMBEDDED, MESH_PREFIX, PART_WORDS, word_of_ours

S = TypeVar("S", bound=Struct)

_LINK = re.compile(r"\w+_(SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_\w+)=.*|\w+_PORT=\w+://.*", re.DOTALL)
"""A variable that Kubernetes makes of a Service, and its value."""

_BUS_URL = ServerUrl(("amqp",), EMBEDDED)


REMOVED = frozenset({"BOUQUET_GATEWAY_REGIME_STRATEGY"})
"""Settings of the former release. They are still accepted for one release, have no effect, and are told in the log."""


class SettingsError(Exception):
    """One line a variable: its name and what is wrong with it, never its value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class MeshSettings(Struct, frozen=True, kw_only=True):
    """What every process of the mesh shares: `BOUQUET_*`."""

    bus_url: Annotated[Secret, _BUS_URL] = Secret("memory:")
    """`memory:` (everything in one process), or `amqp(s)://…`, which may name its TLS files:
    `?cafile=…&certfile=…&keyfile=…`. Secret, since it carries a password."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


def is_embedded(bus_url: str) -> bool:
    """Whether the bus is in memory, and not a broker's. Raises `SettingsError` for a URL of neither."""
    if fault := _BUS_URL.fault(bus_url):
        raise SettingsError([f"{MESH_PREFIX}BUS_URL: {fault}"])
    return bus_url == EMBEDDED


def load(model: type[S], environ: Mapping[str, str], prefix: str) -> S:
    """The settings of `model`, each field from `PREFIX` + its upper-cased name.

    A `..._FILE` variable gives the path of a file that holds the value, as mounted secrets do. Lists are
    comma-separated. An unknown variable under the prefix is an error: a misspelt name must not be a silent default.
    Raises `SettingsError`.
    """
    return _load(model, without_service_links(environ), prefix, lambda _: True)


def load_mesh(environ: Mapping[str, str]) -> MeshSettings:
    """Its prefix is everybody's: an error is what begins like a setting of the mesh or of a part, or nearly, and is
    none. Raises `SettingsError`."""
    return _load(MeshSettings, without_service_links(environ), MESH_PREFIX, _is_nobodys)


def removed_in(environ: Mapping[str, str]) -> list[str]:
    """The names of removed settings that an environment still has."""
    return sorted(REMOVED & environ.keys())


def without_service_links(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Kubernetes tells a pod of the Services around it, unless that says `enableServiceLinks: false`: one called
    `bouquet-gateway` makes a `BOUQUET_GATEWAY_PORT` of `tcp://…` and others, of a form that no setting has."""
    return {name: value for name, value in environ.items() if not _LINK.fullmatch(f"{name}={value}")}


def _is_nobodys(rest: str) -> bool:
    """`rest` of a variable's name after the mesh's prefix, where it is no setting of the mesh. A provider that is not
    here may have any that is not like ours."""
    word = rest.partition("_")[0]
    return word not in PART_WORDS and ("_" not in rest or bool(word_of_ours(rest)))


def _load(model: type[S], environ: Mapping[str, str], prefix: str, is_wrong: Callable[[str], bool]) -> S:
    """`is_wrong` tells of the rest of an unknown variable's name, after the prefix."""
    fields = {prefix + field.name.upper(): field for field in structs.fields(model)}
    problems: list[str] = []
    values: dict[str, Any] = {}
    for name, field in fields.items():
        try:
            value = _read(name, field, environ)
        except _Problem as problem:
            problems.append(str(problem))
        else:
            if value is not UNSET:
                values[field.name] = value
    known = {variable for name in fields for variable in (name, f"{name}_FILE")}
    unknown = sorted(name for name in environ if name.startswith(prefix) and name not in known | REMOVED)
    problems += [_unknown(name, prefix, known) for name in unknown if is_wrong(name.removeprefix(prefix))]
    if problems:
        raise SettingsError(problems)
    return model(**values)


def _unknown(name: str, prefix: str, known: Iterable[str]) -> str:
    rests = [one.removeprefix(prefix) for one in known]
    nearest = get_close_matches(name.removeprefix(prefix), rests, 1)
    return f"{name}: unknown setting" + (f"; is it {prefix}{nearest[0]}?" if nearest else "")


class _Problem(Exception):
    """A line of a `SettingsError`."""


def _read(name: str, field: structs.FieldInfo, environ: Mapping[str, str]) -> Any:
    """`UNSET` leaves the field to its default. Empty is a value, but not one to satisfy a required field."""
    text = _text_of(name, environ)
    if field.required and not text:
        raise _Problem(f"{name}: is required")
    if text is None:
        return UNSET
    if fault := _fault_of_url(text, field.type):
        raise _Problem(f"{name}: {fault}")
    try:
        return _convert(text, field.type)
    except ValueError:
        raise _Problem(f"{name}: {_expected(field.type)}") from None


def _fault_of_url(text: str, hint: Any) -> str:
    annotations = getattr(hint, "__metadata__", ())
    return next((one.fault(text) for one in annotations if isinstance(one, ServerUrl)), "")


def _text_of(name: str, environ: Mapping[str, str]) -> str | None:
    file = f"{name}_FILE"
    if file not in environ:
        return environ.get(name)
    if name in environ:
        raise _Problem(f"{name}: is given twice, as itself and as {file}")
    try:
        with open(environ[file], encoding="utf-8") as opened:
            text = opened.read().strip()
        if "\0" in text:  # no variable, path or URL can hold one
            raise ValueError("a NUL character")
    except OSError as error:
        raise _Problem(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError:
        raise _Problem(f"{file}: does not lead to a text") from None
    return text


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
    return words.get(hint, "is not valid")


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (types.UnionType, Union):
        return next(option for option in get_args(hint) if option is not types.NoneType)
    return hint
