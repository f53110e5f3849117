"""The gateway's settings, `BOUQUET_GATEWAY_*`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from bouquet_gateway.access.addresses import Networks, networks_of
from bouquet_gateway.access.tokens import Tokens, named_keys
from bouquet_gateway.journal.keys import Keys, keys_of
from bouquet_gateway.lookup.maintenance import parse_windows
from bouquet_gateway.lookup.regime_plan import HedgeTiming
from bouquet_gateway.offers.checks import Territories, territories
from bouquet_mesh.keyed_hash import keyed_hash
from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import ServerUrl
from bouquet_mesh.settings import LAST_PORT, Port, Reader, SettingsError
from bouquet_proto.names import EMBEDDED, GATEWAY_PREFIX

SHA256 = re.compile(r"[\da-fA-F]{64}", re.ASCII)


class GatewaySettings(Struct, frozen=True, kw_only=True):
    token_key: Secret = Secret("")
    """Signs the callers' tokens (HS256), 32 bytes at least. The gateway refuses to start without it or `token_keys`."""
    token_keys: Secret = Secret("")
    """Keys that verify tokens by their `kid`, as a JWKS: shared secrets (HS256) or public keys (ES256)."""
    tokens_from: Literal["registry", "claims"] = "registry"
    """Who says what a token allows. `claims`: the token itself, for demos and sandboxes."""
    registry_patience_s: float = 600.0
    """How long known tokens are taken as they were while the registry is silent. Unknown ones get a 502."""
    registry_refresh_s: float = 3600.0
    """After how long a known token that is in use is asked for again, while it goes on to count. Revocations are heard
    within 5 s whatever this says: the registry so learns that tokens are used."""
    known_tokens: int = 50_000
    """How many tokens one process remembers, the last used ones, at some 0.8 kB each; the others cost a question to the
    registry."""
    exempt_tokens: tuple[str, ...] = ()
    """SHA-256, in hexadecimal, of tokens that neither blacklist nor addresses nor pace hold back
    (docs/reference/contract.md §2.7, row 0)."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or CIDR ranges of our own proxies: whose `X-Forwarded-For` is believed."""
    host: str = "127.0.0.1"
    port: Port = 8000
    public_url: str = ""
    """`https://host`, as callers reach the gateways: what `/api/pings` writes before each path, and the server of the
    OpenAPI document. Empty: paths alone. It is never taken from a request, whose `Host` anybody chooses."""
    contact: str = ""
    """Where callers get help, `https://…` or an e-mail address: told in the OpenAPI document."""
    processes: int = 1
    """On one port, each a gateway of its own; also `serve --processes`. Several need a broker. Whatever is said here of
    one process is then of each. Process n tells its own state and metrics at `port` + n, from 1 on."""
    providers: tuple[str, ...] = ()
    """Whom the gateway may ask. Empty with the embedded bus: every installed provider."""
    territories: tuple[str, ...] = ()
    """`acme:/v3/acme/`: a provider named here may offer no path that begins otherwise; others may offer any. Until a
    provider is heard, an unknown path that it might offer is 502, and any other 404."""
    deadline_s: float = 10.0
    """A request's whole life; API Particulier's own read timeout (docs/reference/upstreams/shared.md §3)."""
    max_requests: int = 400
    """Requests under way in one process; one more is told at once to come back (`00529`). Probes always pass."""
    max_calls_per_provider: int = 100
    """Of them, the calls that one provider may hold, so that a slow one leaves room for the others; one caller holds a
    quarter of these at most. Best near what its workers take together (`…_CONCURRENCY`), divided by the gateways: more
    only waits in their queue."""
    hedge_after_s: float = 2.0
    """Silence of the likelier fund of a quotient familial, in seconds, after which the other fund is asked too. 0 asks
    both funds at once about everybody."""
    double_file_grace_s: float = 0.3
    """Seconds that a found quotient familial waits for the other fund's answer, where that fund has been asked too."""
    cache_url: Annotated[Secret, ServerUrl(("redis",), EMBEDDED)] = Secret("memory:")
    """`memory:`, or `redis(s)://…`, shared by every gateway process then, which may name its TLS files:
    `?ssl_ca_certs=…&ssl_certfile=…&ssl_keyfile=…`."""
    cache_max_items: int = 50_000
    cache_max_bytes: int = 64_000_000
    """With `memory:`, in one process, like `cache_max_items`; redis has its own `maxmemory`."""
    cache_key: Secret = Secret("")
    """Keys and seals what is cached, the same in all that share a cache; derived from `token_key` when empty."""
    sandbox: bool = False
    """Answers recorded cases as they are, and any refusal that a worker tells; with the embedded bus, hosts the
    casebook instead of the workers. Needs `tokens_from` to be `claims`."""
    calls_per_second: int = 20
    """Per token (docs/reference/contract.md §4)."""
    refused_bearers_per_minute: Annotated[int, Meta(ge=1)] = 30
    """Of one address (of IPv6, a /64), in one process: beyond, and when they are over half of its calls, bearers that
    nobody knows are 429 `00429` there until the minute ends. Known ones pass."""
    unknown_sessions_per_second: Annotated[int, Meta(ge=1, le=10_000)] = 50
    """FranceConnect sessions that one process asks about for the first time. More wait their turn for two seconds at
    most, and are 429 then; those known within the last ten minutes pass."""
    journal: bool | None = None
    """Whether data calls leave records for the registry to keep. Unset: where tokens are the registry's."""
    journal_key: Secret = Secret("")
    """`name:secret`: what the journal names persons by, 32 bytes at least. Required with a journal; the registry is
    given the same, and those before it (`…_JOURNAL_KEYS`). After a comma perhaps the next, `2027-01-31:secret`, which
    takes its place as that day begins (UTC)."""
    journal_spool: str = "bouquet-journal"
    """Folder on a disk that outlives the process, for records that are not sent yet. Gateways may share it."""
    journal_spool_max_bytes: int = 256 * 1024 * 1024
    """Of one process; a record takes about 400 bytes. At 95 % calls are refused (`00521`), and from 80 % it is told."""
    maintenance: str = ""
    """Announced windows by authority label, Paris time; see docs/operations/maintenance-windows.md."""

    def cache_secret(self) -> Secret:
        """Stable across restarts and processes; knowing it does not give the token key."""
        if self.cache_key:
            return self.cache_key
        if not self.token_key:
            raise SettingsError([f"{GATEWAY_PREFIX}CACHE_KEY: is required without {GATEWAY_PREFIX}TOKEN_KEY"])
        return Secret(keyed_hash(self.token_key, b"bouquet cache"))

    @property
    def has_journal(self) -> bool:
        if self.journal is None:
            return self.tokens_from == "registry"
        return self.journal

    def pseudonyms(self) -> Keys:
        return keys_of(self.journal_key)

    def proxies(self) -> Networks:
        networks = networks_of(self.trusted_proxies)
        if len(networks) < len(self.trusted_proxies):
            raise SettingsError([f"{GATEWAY_PREFIX}TRUSTED_PROXIES: must be addresses or CIDR ranges"])
        return networks

    def bounds(self) -> Territories:
        return territories(self.territories, f"{GATEWAY_PREFIX}TERRITORIES")

    def exempt(self) -> frozenset[bytes]:
        """As `tokens.hash_of` gives them."""
        if not all(SHA256.fullmatch(digest) for digest in self.exempt_tokens):
            raise SettingsError([f"{GATEWAY_PREFIX}EXEMPT_TOKENS: must be SHA-256 digests in hexadecimal"])
        return frozenset(map(bytes.fromhex, self.exempt_tokens))

    def hedge_timing(self) -> HedgeTiming:
        return HedgeTiming(after_s=self.hedge_after_s, grace_s=self.double_file_grace_s)


class Safeguard(Struct, frozen=True):
    """What makes answers accountable, and the setting that takes it away."""

    setting: str
    is_off: Callable[[GatewaySettings], bool]
    means: str
    """What goes on without it."""


SAFEGUARDS = (
    Safeguard("JOURNAL", lambda settings: not settings.has_journal, "no answer leaves a record"),
    Safeguard(
        "TOKENS_FROM",
        lambda settings: settings.tokens_from == "claims",
        "a token allows what it says itself, and cannot be revoked",
    ),
    Safeguard(
        "SANDBOX", lambda settings: settings.sandbox, "what a worker sends as a recorded case is answered as it is"
    ),
)
"""Each that is off is told at the start, by a metric with its alert, and by the doctor: none goes away silently."""


def safeguards_off(settings: GatewaySettings) -> list[Safeguard]:
    return [safeguard for safeguard in SAFEGUARDS if safeguard.is_off(settings)]


Need: TypeAlias = tuple[str, Callable[[GatewaySettings], bool], str]
"""A setting, whether it makes sense, and what it must be."""

NEEDS: tuple[Need, ...] = (
    (
        "HEDGE_AFTER_S",
        lambda settings: settings.hedge_after_s < settings.deadline_s,
        f"must be shorter than {GATEWAY_PREFIX}DEADLINE_S",
    ),
    (
        "MAX_CALLS_PER_PROVIDER",
        lambda settings: 1 <= settings.max_calls_per_provider <= settings.max_requests,
        f"must be between 1 and {GATEWAY_PREFIX}MAX_REQUESTS",
    ),
    (
        "SANDBOX",
        lambda settings: not settings.sandbox or settings.tokens_from == "claims",
        f"needs {GATEWAY_PREFIX}TOKENS_FROM=claims: the registry's tokens are for real data",
    ),
    ("KNOWN_TOKENS", lambda settings: settings.known_tokens >= 1, "must be 1 or more"),
    ("PROCESSES", lambda settings: settings.processes >= 1, "must be 1 or more"),
    (
        "PORT",
        lambda settings: settings.processes <= 1 or settings.port > 0,
        "must be said, since several processes listen on it",
    ),
    (
        "PORT",
        lambda settings: settings.processes <= 1 or settings.port + settings.processes <= LAST_PORT,
        f"leaves no port for each process after it: ports end at {LAST_PORT}",
    ),
)


def _require(need: Need, settings: GatewaySettings) -> None:
    name, makes_sense, must = need
    if not makes_sense(settings):
        raise SettingsError([f"{GATEWAY_PREFIX}{name}: {must}"])


def _token_key(settings: GatewaySettings) -> None:
    if settings.token_key or not settings.token_keys:
        Tokens(settings.token_key)


def _cache_key(settings: GatewaySettings) -> None:
    if settings.token_keys:  # without any key, the token key alone is asked for
        settings.cache_secret()


def _cache_url(settings: GatewaySettings) -> None:
    if settings.cache_url.reveal() != EMBEDDED:
        # Imported here: a gateway without redis does not load its client.
        from bouquet_gateway.stores.optional import open_redis

        open_redis(settings.cache_url)


def _journal_key(settings: GatewaySettings) -> None:
    if settings.has_journal:
        settings.pseudonyms()


CHECKS: tuple[Callable[[GatewaySettings], object], ...] = (
    *(partial(_require, need) for need in NEEDS),
    _token_key,
    lambda settings: named_keys(settings.token_keys),
    _cache_key,
    _cache_url,
    _journal_key,
    GatewaySettings.proxies,
    GatewaySettings.exempt,
    GatewaySettings.bounds,
    lambda settings: parse_windows(settings.maintenance),
)
"""All that is made of the settings, each by itself, so that one wrong setting hides no other."""

REMOVED = ("REGIME_STRATEGY", "TURN_S")
"""Settings of the release before that have no effect any more: a process warns of each that is set. An entry is deleted
one release after its setting."""


def read_settings(reader: Reader) -> GatewaySettings:
    """Reads the gateway's settings, and checks them whole."""
    return reader.read(GatewaySettings, GATEWAY_PREFIX, *CHECKS, removed=REMOVED)


def wants_several(environ: Mapping[str, str]) -> bool:
    """Whether several processes are asked for. What is wrong with the settings is left for their start to say."""
    reader = Reader(environ)
    settings = read_settings(reader)
    return reader.check(lambda: settings.processes > 1) or False
