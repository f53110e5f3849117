"""Settings: environment variables into frozen structs, typed, all errors at once, no value ever printed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, NoReturn, ParamSpec, TypeAlias, TypeVar, cast

from msgspec import UNSET, Meta, Struct, defstruct, structs

from bouquet_mesh.environment import WrongVariableError, text_of, unknown, value_of, without_service_links
from bouquet_mesh.http.limits import Limits
from bouquet_mesh.observe.logs import where
from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import ServerUrl
from bouquet_proto.names import EMBEDDED, MESH_PREFIX, MESH_WORDS

P = ParamSpec("P")
S = TypeVar("S", bound=Struct)
T = TypeVar("T")

LAST_PORT = 65_535
Port: TypeAlias = Annotated[int, Meta(ge=0, le=LAST_PORT, description=f"must be a port, 0 to {LAST_PORT}")]
"""A TCP port to listen on; 0 takes a free one."""
Seconds: TypeAlias = Annotated[float, Meta(gt=0, description="must be more than 0")]


_BUS_URL = ServerUrl(("amqp",), EMBEDDED, several=True)

_UNREAD = object()
"""The value of a field that could not be read."""


class SettingsError(Exception):
    """One line for each wrong setting: the variable's name and what is wrong with it, never its value."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(dict.fromkeys(problems))
        super().__init__("\n".join(self.problems))


class MeshSettings(Struct, frozen=True, kw_only=True):
    """What every process of the mesh shares: `BOUQUET_*`."""

    bus_url: Annotated[Secret, _BUS_URL] = Secret("memory:")
    """`memory:` (everything in one process), or `amqp(s)://…`, which may name the nodes of one cluster, as
    `amqps://user:secret@a:5671,b:5671/vhost`, and TLS files: `?cafile=…&certfile=…&keyfile=…`. Secret, since it carries
    a password."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    http_head_s: Seconds = 10.0
    """On every port that the process listens on: seconds from the first byte of a request's head to its last. A
    connection that goes beyond this or another of these limits is closed, and counted."""
    http_body_s: Seconds = 15.0
    """Seconds from the end of a request's head to the end of its body."""
    http_write_s: Seconds = 30.0
    """Seconds that bytes of an answer may wait for their client to take them."""
    http_idle_s: Seconds = 75.0
    """Seconds that a connection is kept without a request. More than the proxy in front keeps it."""
    http_max_connections: Annotated[int, Meta(ge=1)] = 2_000
    """At a time, on one port of one process."""
    http_max_unsent_bytes: Annotated[int, Meta(ge=65_536)] = 1_000_000
    """Of one connection: what is written and its client has not taken yet."""

    def http_limits(self) -> Limits:
        return Limits(
            head_s=self.http_head_s,
            body_s=self.http_body_s,
            write_s=self.http_write_s,
            idle_s=self.http_idle_s,
            max_connections=self.http_max_connections,
            max_unsent_bytes=self.http_max_unsent_bytes,
        )


class Reader:
    """Reads several settings structs from one environment, and notes each problem instead of stopping at the first.

    A struct may hold fields that could not be read: until `close` has returned, only checks may look at it.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = without_service_links(environ)
        self.problems: list[str] = []
        self.without_effect: list[str] = []
        """Variables that are set, and name a setting that has been removed."""

    def read(
        self,
        model: type[S],
        prefix: str,
        *checks: Callable[[S], object],
        removed: Sequence[str] = (),
        own: Sequence[str] = (),
    ) -> S:
        """The settings of `model`, each field from `prefix` + its upper-cased name.

        A `..._FILE` variable gives the path of a file that holds the value, as mounted secrets do. Lists are
        comma-separated. `checks` raise `SettingsError` for what makes no sense, of one field or of several together.
        `removed` names settings of the release before, `NAME` after the prefix, which are noted and have no effect. Any
        other variable that begins with one of `own`, by default the prefix, is a problem: a misspelt name must not be a
        silent default.
        """
        values = {field.name: self._value(field, prefix) for field in structs.fields(model)}
        self._note_unknown([prefix + name.upper() for name in values], prefix, removed, tuple(own) or (prefix,))
        unread = [name for name, value in values.items() if value is _UNREAD]
        made = _with_unread(model, unread) if unread else model
        settings = made(**{name: value for name, value in values.items() if value is not UNSET})
        for check in checks:
            self.check(check, settings)
        return settings

    def check(self, check: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What `check` gives. None where it raises `SettingsError`, which is noted, or needs what could not be read.

        Another error is noted by its class and place alone: its text may quote a setting.
        """
        try:
            return check(*args, **kwargs)
        except SettingsError as error:
            self.problems += error.problems
        except _UnreadError:
            pass
        except Exception as error:
            self.problems.append(f"settings: {type(error).__name__} at {where(error)}")
        return None

    def close(self) -> None:
        """Raises `SettingsError` with every problem."""
        if self.problems:
            raise SettingsError(self.problems)

    def _value(self, field: structs.FieldInfo, prefix: str) -> Any:
        """`UNSET` leaves the field to its default."""
        name = prefix + field.name.upper()
        try:
            return value_of(name, text_of(name, self.environ), field)
        except WrongVariableError as error:
            self.problems.append(str(error))
            return _UNREAD

    def _note_unknown(self, known: Sequence[str], prefix: str, removed: Sequence[str], own: tuple[str, ...]) -> None:
        gone = [prefix + name for name in removed]
        for variable in sorted(self.environ):
            names = (variable, variable.removesuffix("_FILE"))
            if any(name in gone for name in names):
                self.without_effect.append(variable)
            elif variable.startswith(own) and not any(name in known for name in names):
                self.problems.append(unknown(variable, prefix, known))


class _UnreadError(Exception):
    """A check has looked at a setting that could not be read."""


def _with_unread(model: type[S], unread: Iterable[str]) -> type[S]:
    """`model` with fields that cannot be looked at: the wrong variable is a problem already, and no second one."""

    def refuse(_: object) -> NoReturn:
        raise _UnreadError

    hidden = {name: property(refuse) for name in unread}
    made = defstruct(model.__name__, [], bases=(model,), namespace=hidden, frozen=True, kw_only=True)
    return cast(type[S], made)


def read_all(environ: Mapping[str, str], read: Callable[[Reader], T]) -> T:
    """What `read` makes of an environment. Raises `SettingsError` with every problem that its reader has noted."""
    reader = Reader(environ)
    settings = read(reader)
    reader.close()
    return settings


def load(model: type[S], environ: Mapping[str, str], prefix: str) -> S:
    """The settings of one struct, as `Reader.read` reads them. Raises `SettingsError` with every problem."""
    return read_all(environ, lambda reader: reader.read(model, prefix))


def read_mesh(reader: Reader) -> MeshSettings:
    """Other processes' variables begin with the mesh's prefix too: a word after it tells which are the mesh's."""
    own = [f"{MESH_PREFIX}{word}_" for word in MESH_WORDS]
    return reader.read(MeshSettings, MESH_PREFIX, own=own)


def is_embedded(bus_url: str) -> bool:
    """Whether the bus is in memory, and not a broker's. Raises `SettingsError` for a URL of neither."""
    if fault := _BUS_URL.fault(bus_url):
        raise SettingsError([f"{MESH_PREFIX}BUS_URL: {fault}"])
    return bus_url == EMBEDDED


def require_broker(mesh: MeshSettings, process: str) -> None:
    """Raises `SettingsError` where the bus is inside of a process that has no other part."""
    if is_embedded(mesh.bus_url.reveal()):
        raise SettingsError([f"{MESH_PREFIX}BUS_URL: is required: nobody reaches {process} alone on {EMBEDDED}"])
