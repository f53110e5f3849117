"""The URL of the database as a setting gives it: which driver opens it, and how what passes is encrypted."""

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
MODES = ("sslmode", "ssl")
"""What libpq and asyncpg call whether, and how far, the server is verified."""
FILES = ("sslrootcert", "sslcert", "sslkey")
"""What libpq calls the authority's certificate, ours, and our key: PEM files."""
VERIFIED, PLAIN = "verify-full", "disable"


class Database(Struct, frozen=True):
    url: URL
    """For SQLAlchemy, with the driver."""
    tls: ssl.SSLContext | None = None
    """None where nothing is encrypted."""

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @property
    def arguments(self) -> dict[str, Any]:
        """For its driver."""
        return {} if self.is_sqlite else {"ssl": self.tls or False}


def database_of(setting: Secret) -> Database:
    """Raises `SettingsError`. Unless its URL says `sslmode=disable`, a PostgreSQL is verified, chain and host name."""
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
