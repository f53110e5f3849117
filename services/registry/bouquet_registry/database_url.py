"""Parsing of the setting `database_url`: the driver, the servers, and the TLS context of the connections."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import DEFAULT_PORTS, each_server
from bouquet_mesh.settings import SettingsError
from bouquet_mesh.tls.context import context_of
from bouquet_registry.primary import connect_to_primary

SETTING = "BOUQUET_REGISTRY_DATABASE_URL"
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
"""SQLAlchemy driver for each scheme of a database URL."""
TLS_MODE_PARAMETERS = ("sslmode", "ssl")
"""Query parameters of a database URL that set the TLS mode (`verify-full` or `disable`): `sslmode` as in libpq, or
`ssl` as in asyncpg."""
TLS_FILE_PARAMETERS = ("sslrootcert", "sslcert", "sslkey")
"""Query parameters of a database URL, as in libpq, whose values are paths of PEM files for TLS."""
VERIFIED, PLAIN = "verify-full", "disable"


class Database(Struct, frozen=True):
    """Parsed and checked database URL."""

    url: URL
    hosts: tuple[str | None, ...]
    """Host of each server; None for an SQLite file or a Unix socket."""
    ports: tuple[int, ...] = ()
    """Ports of the servers, in the order of `hosts`. Empty unless the URL names several servers."""
    tls: ssl.SSLContext | None = None
    """TLS context of the connection; None without TLS."""

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments with which SQLAlchemy opens a connection, such as the TLS context (`ssl`)."""
        if self.is_sqlite:
            return {}
        if not self.ports:
            return {"ssl": self.tls or False}
        # Not in the URL: SQLAlchemy splits `host:port` at each colon, of which an IPv6 address has several.
        servers = {"host": self.hosts, "port": self.ports}
        return {"ssl": self.tls or False, "async_creator_fn": connect_to_primary, **servers}


def database_of(setting: Secret) -> Database:
    """Parses a database URL, such as `postgresql://a,b:5433/name` for two servers. Raises `SettingsError` for a
    malformed or unsupported URL."""
    # The certificate and host name of a PostgreSQL server are verified unless the URL says `sslmode=disable`.
    try:
        servers = [make_url(server) for server in each_server(setting.reveal())]
        url = servers[0].set(drivername=DRIVERS[servers[0].get_backend_name()])
    except (ArgumentError, KeyError, ValueError):
        raise SettingsError([f"{SETTING}: must be sqlite:///… or postgresql://…"]) from None
    hosts = tuple(server.host for server in servers)
    if any("@" in host for host in hosts if host):
        raise SettingsError([f"{SETTING}: has more than one @: write %40 for those of user and password"])
    if url.get_backend_name() == "sqlite":
        if any(hosts) or url.query:  # with the option `uri`, the file would be another one than `url.database`
            raise SettingsError([f"{SETTING}: must be sqlite:///path, without a host and options"])
        return Database(url, hosts)
    ports: tuple[int, ...] = ()
    if len(servers) > 1:
        url, ports = url.set(host=None, port=None), _ports_of(servers)
    elif "host" in url.query:
        hosts = _hosts_in_query(url)
    options = url.query
    modes = {options[name] for name in TLS_MODE_PARAMETERS if name in options} or {VERIFIED}
    files = [str(options.get(name, "")) for name in TLS_FILE_PARAMETERS]
    url = url.difference_update_query([*TLS_MODE_PARAMETERS, *TLS_FILE_PARAMETERS])
    if modes == {PLAIN} and not any(files):
        return Database(url, hosts, ports)
    if modes != {VERIFIED}:
        raise SettingsError([f"{SETTING}: must verify its server: sslmode={VERIFIED}, or {PLAIN} on one machine"])
    return Database(url, hosts, ports, context_of(SETTING, *files))


def _ports_of(servers: Sequence[URL]) -> tuple[int, ...]:
    """Returns the port of each server in the database URL. `servers` has one URL for each server. Raises
    `SettingsError` if a server has no host or occurs twice, or if the URL's query has `host` or `port` too."""
    ports = tuple(server.port or DEFAULT_PORTS["postgresql"] for server in servers)
    if not all(server.host for server in servers):
        raise SettingsError([f"{SETTING}: has an empty host"])
    if len({(server.host, port) for server, port in zip(servers, ports, strict=True)}) < len(servers):
        raise SettingsError([f"{SETTING}: names a server twice"])
    if servers[0].query.keys() & {"host", "port"}:
        raise SettingsError([f"{SETTING}: names servers before its path and in its query"])
    return ports


def _hosts_in_query(url: URL) -> tuple[str | None, ...]:
    """Returns the hosts in the query of the URL: `a` and `b` for `?host=a,b`. None stands for a Unix socket."""
    named = url.query["host"]
    addresses = named.split(",") if isinstance(named, str) else named
    hosts = (address.partition(":")[0] if address.count(":") == 1 else address for address in addresses)
    return tuple(None if host.startswith("/") else host for host in hosts)
