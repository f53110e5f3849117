"""URL of the portal's database, and Django's settings for the database. The portal verifies a PostgreSQL server's
certificate and host name, unless the URL says `sslmode=disable`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

VERIFIED, PLAIN = "verify-full", "disable"
"""Values of `sslmode` that are accepted: TLS with a verified server, or no TLS."""
# libpq's own default, `prefer`, verifies nothing, and goes without TLS if the server, or an attacker in its place,
# offers none.
FILES = ("sslrootcert", "sslcert", "sslkey")
"""TLS options of libpq, PostgreSQL's client library, whose values are paths of PEM files."""
OPTIONS = ("host", "sslmode", *FILES, "application_name", "connect_timeout", "target_session_attrs")
"""Options of libpq, PostgreSQL's client library, that a database URL may contain. `host` may name only the folder of a
Unix socket."""
SQLITE: Mapping[str, Any] = {
    "timeout": 10,
    "init_command": "PRAGMA journal_mode=WAL",
    "transaction_mode": "IMMEDIATE",
}
"""Options of a connection to SQLite. A connection waits up to 10 seconds for another writer, and can read while another
connection writes."""


def database_of(url: str) -> dict[str, Any]:
    """Returns Django's settings for the database at `url`. Raises `ValueError` for an unusable URL, with a message that
    does not quote the URL."""
    try:
        parts = urlsplit(url)
        servers = [urlsplit(f"//{one}") for one in parts.netloc.rpartition("@")[2].split(",")]
        ports = [str(server.port or "") for server in servers]
    except ValueError:
        raise ValueError("has an unusable host or port") from None
    match parts.scheme:
        case "sqlite" if parts.path.startswith("/") and not (parts.netloc or parts.query):
            name = unquote(parts.path.removeprefix("/"))
            return {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": dict(SQLITE)}
        case "postgresql":
            several = {"target_session_attrs": "read-write"} if len(servers) > 1 else {}
            return {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": unquote(parts.path.removeprefix("/")),
                "USER": unquote(parts.username or ""),
                "PASSWORD": unquote(parts.password or ""),
                "HOST": ",".join(server.hostname or "" for server in servers),
                "PORT": ",".join(ports),
                "CONN_MAX_AGE": 60,
                "CONN_HEALTH_CHECKS": True,
                "OPTIONS": {"connect_timeout": "5"} | several | _options(parts.query),
            }
    raise ValueError("must be sqlite:///path, without options, or postgresql://…")


def _options(query: str) -> dict[str, str]:
    """Returns the options of libpq in a URL's query. If `sslmode` is missing, adds `sslmode=verify-full`.

    Raises `ValueError` for options that the portal does not accept.
    """
    # Such options are unknown or repeated ones, and any other `sslmode`.
    given = parse_qsl(query, keep_blank_values=True)
    options = dict(given)
    if len(options) < len(given) or not options.keys() <= set(OPTIONS):
        raise ValueError(f"takes each of these options once: {', '.join(OPTIONS)}")
    if "host" in options and not options["host"].startswith("/"):
        raise ValueError("must name its servers before its path: the option host is the folder of a Unix socket")
    if options.get("sslmode") == PLAIN and options.keys().isdisjoint(FILES):
        return options
    if options.setdefault("sslmode", VERIFIED) != VERIFIED:
        raise ValueError(f"must verify its server: sslmode={VERIFIED}, or {PLAIN} on one machine")
    options.setdefault("sslrootcert", "system")  # the system's authorities (libpq 16)
    return options
