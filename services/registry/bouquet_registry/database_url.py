"""The database URL of the settings: the driver that opens it, and the TLS settings of the connection."""

from __future__ import annotations

import ssl
from typing import Any

from msgspec import Struct
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_mesh.tls.context import context_of

SETTING = "BOUQUET_REGISTRY_DATABASE_URL"
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
"""SQLAlchemy driver by the scheme of the URL."""
MODES = ("sslmode", "ssl")
"""Query parameters of libpq and asyncpg that say whether the server's certificate is verified."""
FILES = ("sslrootcert", "sslcert", "sslkey")
"""Query parameters of libpq that name PEM files: the authority's certificate, the client certificate, its key."""
VERIFIED, PLAIN = "verify-full", "disable"


class Database(Struct, frozen=True):
    """A database URL that has been parsed and checked."""

    url: URL
    """URL for SQLAlchemy, with its driver and without TLS parameters."""
    tls: ssl.SSLContext | None = None
    """TLS context of the connection; None for a connection without TLS."""

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @property
    def arguments(self) -> dict[str, Any]:
        """Connection arguments of the driver."""
        return {} if self.is_sqlite else {"ssl": self.tls or False}


def database_of(setting: Secret) -> Database:
    """Parses the database URL. Raises `SettingsError`.

    The certificate and host name of a PostgreSQL server are verified unless the URL says `sslmode=disable`.
    """
    try:
        url = make_url(setting.reveal())
        url = url.set(drivername=DRIVERS[url.get_backend_name()])
    except (ArgumentError, KeyError, ValueError):
        raise SettingsError([f"{SETTING}: must be sqlite:///… or postgresql://…"]) from None
    if url.get_backend_name() == "sqlite":
        return Database(url)
    options = url.query
    modes = {options[name] for name in MODES if name in options} or {VERIFIED}
    files = [str(options.get(name, "")) for name in FILES]
    url = url.difference_update_query([*MODES, *FILES])
    if modes == {PLAIN} and not any(files):
        return Database(url)
    if modes != {VERIFIED}:
        raise SettingsError([f"{SETTING}: must verify its server: sslmode={VERIFIED}, or {PLAIN} on one machine"])
    return Database(url, context_of(SETTING, *files))
