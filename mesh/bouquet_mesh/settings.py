"""Settings as typed structs, read from environment variables. One error reports all wrong settings, without their
values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, NoReturn, ParamSpec, TypeAlias, TypeVar, cast

from msgspec import UNSET, Meta, Struct, defstruct, structs

from bouquet_mesh.environment import VariableError, text_of, unknown_setting_problem, value_of, without_service_links
from bouquet_mesh.http.limits import Limits
from bouquet_mesh.observe.logs import raised_at
from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import ServerUrl
from bouquet_proto.names import EMBEDDED, MESH_PREFIX, MESH_WORDS

P = ParamSpec("P")
S = TypeVar("S", bound=Struct)
T = TypeVar("T")

LAST_PORT = 65_535
Port: TypeAlias = Annotated[int, Meta(ge=0, le=LAST_PORT, description=f"must be a port, 0 to {LAST_PORT}")]
"""TCP port on which to listen; 0 stands for any free port."""
Seconds: TypeAlias = Annotated[float, Meta(gt=0, description="must be more than 0")]
"""Duration above 0, in seconds."""

_BUS_URL = ServerUrl(("amqp",), EMBEDDED, allows_several=True)

_UNREAD = object()


class SettingsError(Exception):
    """Error with one line for each wrong setting: the variable's name and the problem, never the value."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(dict.fromkeys(problems))
        super().__init__("\n".join(self.problems))


class MeshSettings(Struct, frozen=True, kw_only=True):
    """Settings that every process (gateway, worker or registry) has, read from environment variables `BOUQUET_*`."""

    bus_url: Annotated[Secret, _BUS_URL] = Secret("memory:")
    """URL of the message broker, `amqp(s)://user:password@host/vhost`. The host part `a:5671,b:5671` names the nodes of
    a cluster; the query string `?cafile=…&certfile=…&keyfile=…` names files for TLS. With `memory:`, there is no
    broker: gateway and workers run in one process."""
    bus_max_age_s: Seconds = 300.0
    """Longest time in seconds that a process keeps one connection to a broker with several nodes. The process then
    connects to a random node, and closes the former connection once its calls have ended. The connection for writing
    the access journal is kept."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest level of log lines that are written."""
    http_head_s: Seconds = 10.0
    """Longest time in seconds from the first to the last byte of an HTTP request's head, on every port. A connection
    that exceeds an HTTP limit is closed and counted in a metric."""
    http_body_s: Seconds = 15.0
    """Longest time in seconds from the end of an HTTP request's head to the end of its body."""
    http_write_s: Seconds = 30.0
    """Longest time in seconds that bytes of an HTTP response may wait for the client to take them."""
    http_idle_s: Seconds = 75.0
    """Longest time in seconds that an HTTP connection stays open without a request. A proxy in front must close its
    idle connections sooner."""
    # A proxy could otherwise send a request on a connection that the server is closing.
    http_max_connections: Annotated[int, Meta(ge=1)] = 2_000
    """Largest number of simultaneous HTTP connections on one port of one process. A further connection replaces the
    connection that has waited longest for its client."""
    http_max_connections_per_address: Annotated[int, Meta(ge=1)] = 1_000
    """Largest number of simultaneous HTTP connections from one address (in IPv6, one /48 network) on one port of one
    process. Behind a proxy, all connections come from the proxy's address."""
    http_max_unsent_bytes: Annotated[int, Meta(ge=65_536)] = 1_000_000
    """Largest number of response bytes that one HTTP connection may buffer for its client. A connection that exceeds
    this number is closed."""

    def http_limits(self) -> Limits:
        """Returns these settings as the limits of an HTTP port."""
        return Limits(
            head_s=self.http_head_s,
            body_s=self.http_body_s,
            write_s=self.http_write_s,
            idle_s=self.http_idle_s,
            max_connections=self.http_max_connections,
            max_connections_per_address=self.http_max_connections_per_address,
            max_unsent_bytes=self.http_max_unsent_bytes,
        )


class Reader:
    """Reader of settings structs from the environment variables of a process. The reader collects all problems that it
    finds, and `close` raises one error with all of them."""

    # A struct may lack fields that could not be read. Until `close` has returned, only checks may use it.

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = without_service_links(environ)
        self.problems: list[str] = []
        self.without_effect: list[str] = []
        """Names of environment variables that are set although their settings no longer exist."""

    def read(
        self,
        model: type[S],
        prefix: str,
        *checks: Callable[[S], object],
        removed: Sequence[str] = (),
        own: Sequence[str] = (),
    ) -> S:
        """Returns the settings struct `model`, read from the environment variables that begin with `prefix`. Then calls
        each of `checks` with the struct. Problems, such as invalid variables and failed checks, are collected until
        `close` reports them.

        `removed` names settings, without the prefix, that this release has deleted; their variables have no effect.
        Other unknown variables are problems if they begin with a prefix in `own`, by default with `prefix`.
        """
        # Each field has the variable `prefix` + its upper-case name, or the file named by `…_FILE`, unless `…_FILE` is
        # the variable of another field. Lists are comma-separated.
        fields = structs.fields(model)
        names = {field.name for field in fields}
        values = {
            field.name: self._value(field, prefix, reads_file=f"{field.name}_file" not in names) for field in fields
        }
        self._note_unknown([prefix + name.upper() for name in values], prefix, removed, tuple(own) or (prefix,))
        unread = [name for name, value in values.items() if value is _UNREAD]
        made = _with_unread(model, unread) if unread else model
        settings = made(**{name: value for name, value in values.items() if value is not UNSET})
        for check in checks:
            self.check(check, settings)
        return settings

    def check(self, check: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Calls `check` and returns its result. If `check` raises an error, returns None, and collects the problem,
        which `close` reports."""
        # A field that could not be read is collected already. An error other than `SettingsError` is collected by its
        # class and place, since its text may quote a setting.
        try:
            return check(*args, **kwargs)
        except SettingsError as error:
            self.problems += error.problems
        except _UnreadError:
            pass
        except Exception as error:
            self.problems.append(f"settings: {type(error).__name__} at {raised_at(error)}")
        return None

    def close(self) -> None:
        """Raises `SettingsError` with all collected problems. Does nothing if there are none."""
        if self.problems:
            raise SettingsError(self.problems)

    def _value(self, field: structs.FieldInfo, prefix: str, *, reads_file: bool) -> Any:
        """Returns the value of a field's variable, or `UNSET` if the variable is not set and the field has a default.
        If the value is invalid, collects the problem and returns `_UNREAD`. If `reads_file` is true, a variable
        `…_FILE` may name a file that holds the value."""
        name = prefix + field.name.upper()
        try:
            text = text_of(name, self.environ) if reads_file else self.environ.get(name)
            return value_of(name, text, field)
        except VariableError as error:
            self.problems.append(str(error))
            return _UNREAD

    def _note_unknown(self, known: Sequence[str], prefix: str, removed: Sequence[str], own: tuple[str, ...]) -> None:
        gone = [prefix + name for name in removed]
        for variable in sorted(self.environ):
            names = (variable, variable.removesuffix("_FILE"))
            if any(name in gone for name in names):
                self.without_effect.append(variable)
            elif variable.startswith(own) and not any(name in known for name in names):
                self.problems.append(unknown_setting_problem(variable, prefix, known))


class _UnreadError(Exception):
    """Error raised if a check uses a setting whose value could not be read."""


def _with_unread(model: type[S], unread: Iterable[str]) -> type[S]:
    """Returns a subclass of `model` for settings of which some could not be read. Access to a field named in `unread`
    raises `_UnreadError`."""
    # The error makes `Reader.check` skip a check that uses the field.
    # A wrong variable is thus reported once, and not by each check.

    def refuse(_: object) -> NoReturn:
        raise _UnreadError

    hidden = {name: property(refuse) for name in unread}
    made = defstruct(model.__name__, [], bases=(model,), namespace=hidden, frozen=True, kw_only=True)
    return cast(type[S], made)


def read_all(environ: Mapping[str, str], read: Callable[[Reader], T]) -> T:
    """Calls `read` with a `Reader` of `environ`, and returns the settings that it has read. Raises one `SettingsError`
    that lists every problem found."""
    reader = Reader(environ)
    settings = read(reader)
    reader.close()
    return settings


def load(model: type[S], environ: Mapping[str, str], prefix: str) -> S:
    """Returns the settings struct `model`, read from the variables that begin with `prefix`. Raises one `SettingsError`
    that lists every problem found."""
    return read_all(environ, lambda reader: reader.read(model, prefix))


def read_mesh(reader: Reader) -> MeshSettings:
    """Reads the settings that every process has."""
    # Variables of other processes begin with the mesh's prefix too, so only certain words after it are the mesh's own.
    own = [f"{MESH_PREFIX}{word}_" for word in MESH_WORDS]
    return reader.read(MeshSettings, MESH_PREFIX, own=own)


def is_embedded(bus_url: str) -> bool:
    """Returns True if `bus_url` selects the in-memory bus, and False if it is the URL of a message broker. Raises
    `SettingsError` for any other text."""
    if fault := _BUS_URL.fault(bus_url):
        raise SettingsError([f"{MESH_PREFIX}BUS_URL: {fault}"])
    return bus_url == EMBEDDED


def require_broker(mesh: MeshSettings, process: str) -> None:
    """Raises `SettingsError` if the bus is in memory, since the process named `process` could then reach no other
    process."""
    if is_embedded(mesh.bus_url.reveal()):
        raise SettingsError(
            [f"{MESH_PREFIX}BUS_URL: is required: {process} alone reaches no other process on {EMBEDDED}"]
        )
