"""Redis client for the URL in a setting. The client connects to the server in the URL, or asks Sentinels (the failover
service of redis) for the primary server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from redis.asyncio import Redis
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from bouquet_gateway.stores.pipelining import PipeliningRedis
from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import address_of, each_server
from bouquet_mesh.settings import SettingsError
from bouquet_mesh.tls.certificates import CertificateObserver
from bouquet_mesh.tls.context import verified_url, warn_if_url_unencrypted
from bouquet_proto.names import GATEWAY_PREFIX

SETTING = f"{GATEWAY_PREFIX}CACHE_URL"
TIMEOUT_S = 0.5
TIMEOUTS: dict[str, Any] = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S}
SENTINEL_PORT = 26_379
SENTINEL_TIMEOUT_S = 0.15
"""Longest wait, in seconds, for the answer of one Sentinel (a server that names the current primary redis server)."""
# Even if two Sentinels do not answer, there is then time to ask a third within `TIMEOUT_S`.
SENTINEL_GROUP, SENTINEL_PASSWORD = "sentinel", "sentinel_password"
"""Names of two parameters in the URL of redis: the name of the Sentinel group, and the password of the Sentinels."""


def client_of(url: Secret) -> Redis:
    """Returns a redis client that is not connected yet. The URL is `redis://host:6379/0` for one server, or
    `redis://a:26379,b:26379/0?sentinel=NAME` for Sentinels. Raises `SettingsError` for a wrong URL."""
    # The client asks the Sentinels at each connection for the primary, and so follows a failover.
    checked = verified_url(url, SETTING)
    warn_if_url_unencrypted(SETTING, checked)
    servers = each_server(checked)
    if dict(parse_qsl(urlsplit(servers[0]).query, keep_blank_values=True)).get(SENTINEL_GROUP) == "":
        # The library would take an empty name for no Sentinel.
        raise SettingsError([f"{SETTING}: {SENTINEL_GROUP}= has no name"])
    try:
        if SENTINEL_GROUP in parse_url(servers[0]):
            if len(set(addresses_of(checked))) < len(servers):
                raise SettingsError([f"{SETTING}: names a server twice"])
            client = _client_by_sentinel([parse_url(server) for server in servers])
        elif len(servers) > 1:
            raise SettingsError([f"{SETTING}: several servers need sentinel=NAME, and are Sentinels then"])
        else:
            client = PipeliningRedis.from_url(checked, **TIMEOUTS)
        _observe_certificates(client)
        # Opens nothing. The library judges the options of a URL as it makes a connection of them.
        client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    except (AttributeError, TypeError, ValueError):  # the first is of `retry`, which takes no text
        raise SettingsError([f"{SETTING}: has an option that redis does not take"]) from None
    return client


def addresses_of(url: str) -> list[str]:
    default_port = SENTINEL_PORT if SENTINEL_GROUP in parse_url(each_server(url)[0]) else 0
    return [address_of(server, default_port) for server in each_server(url)]


@asynccontextmanager
async def open_redis(url: Secret) -> AsyncIterator[Redis]:
    client = client_of(url)
    try:
        yield client
    finally:
        await client.aclose()
        if isinstance(client.connection_pool, SentinelConnectionPool):
            for sentinel in client.connection_pool.sentinel_manager.sentinels:
                await sentinel.aclose()


def _client_by_sentinel(servers: list[Any]) -> Redis:
    """Returns a client that asks Sentinels for the address of the primary server. `servers` holds the parsed URL of
    each Sentinel."""
    addresses = [(server["host"], server.get("port", SENTINEL_PORT)) for server in servers]
    options = {name: value for name, value in servers[0].items() if name not in ("host", "port", "connection_class")}
    group, password = options.pop(SENTINEL_GROUP), options.pop(SENTINEL_PASSWORD, None)
    tls = {name: value for name, value in options.items() if name.startswith("ssl_")}
    if servers[0].get("connection_class") is SSLConnection:
        options["ssl"] = tls["ssl"] = True
    # No retry: the next Sentinel is asked instead, within the time of one command.
    own = {**dict.fromkeys(TIMEOUTS, SENTINEL_TIMEOUT_S), **tls, "password": password, "retry": Retry(NoBackoff(), 0)}
    sentinel = Sentinel(addresses, sentinel_kwargs=own)  # type: ignore[no-untyped-call]
    client: Redis = sentinel.master_for(group, redis_class=PipeliningRedis, **{**options, **TIMEOUTS})
    return client


def _observe_certificates(client: Redis) -> None:
    """Makes a client's TLS connections export, as a metric, the expiry of the server's certificate."""
    made_by = client.connection_pool.connection_class
    if issubclass(made_by, SSLConnection):

        class Observed(made_by):  # type: ignore[misc, valid-type]
            """Connection of the library that observes the server's certificate."""

            def __init__(self, **options: Any) -> None:
                super().__init__(**options)
                self.ssl_context.get().sslobject_class = CertificateObserver

        client.connection_pool.connection_class = Observed
