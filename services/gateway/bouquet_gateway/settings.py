"""Settings of the gateway, read from environment variables `BOUQUET_GATEWAY_*`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from bouquet_gateway.access.addresses import Networks, parse_networks
from bouquet_gateway.access.tokens import TokenVerifier, named_keys
from bouquet_gateway.journal.keys import Keys, keys_of
from bouquet_gateway.lookup.maintenance import parse_windows
from bouquet_gateway.lookup.regime_plan import HedgeTiming
from bouquet_gateway.offers.checks import Territories, territories
from bouquet_gateway.proofs.keys import KeyRing, ring_of
from bouquet_mesh.keyed_hash import keyed_hash
from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import ServerUrl
from bouquet_mesh.settings import LAST_PORT, Port, Reader, SettingsError
from bouquet_proto.names import EMBEDDED, GATEWAY_PREFIX

SHA256 = re.compile(r"[\da-fA-F]{64}", re.ASCII)


class GatewaySettings(Struct, frozen=True, kw_only=True):
    """Settings of one gateway process, as read from its environment."""

    token_key: Secret = Secret("")
    """Shared secret (HS256) that verifies callers' tokens, at least 32 bytes. May be empty only if `token_keys` is
    set."""
    token_keys: Secret = Secret("")
    """Keys that verify callers' tokens, as a JSON Web Key Set of shared secrets (HS256) or public keys (ES256). Each
    token names its key in its header (`kid`)."""
    tokens_from: Literal["registry", "claims"] = "registry"
    """Source of what a token allows: the registry (`registry`) or, in demos and sandboxes, the token itself
    (`claims`)."""
    registry_patience_s: float = 600.0
    """Seconds for which the gateway still accepts the tokens that it remembers, after the registry has stopped
    answering. Calls with other tokens get a 502."""
    registry_refresh_s: float = 3600.0
    """Seconds after which the gateway asks the registry again about a remembered token that is still used. The request
    also tells the registry that the token is in use."""
    known_tokens: int = 50_000
    """Largest number of tokens that one process remembers, at about 0.8 kB each. For other tokens, the process asks the
    registry."""
    exempt_tokens: tuple[str, ...] = ()
    """Tokens exempt from blacklist, address check and rate limit, each as its SHA-256 in hexadecimal
    (docs/reference/contract.md §2.7, row 0)."""
    trusted_proxies: tuple[str, ...] = ()
    """IP addresses or CIDR ranges of the operator's own proxies, whose header `X-Forwarded-For` is trusted."""
    host: str = "127.0.0.1"
    """IP address on which the gateway listens."""
    port: Port = 8000
    """TCP port on which the gateway listens for HTTP."""
    public_url: str = ""
    """URL at which callers reach the gateways, such as `https://host`, for `/api/pings` and the OpenAPI document. If
    empty, paths have no host."""
    contact: str = ""
    """Address at which callers get help, for the OpenAPI document: a URL or an e-mail address. Empty for none."""
    processes: int = 1
    """Number of gateway processes that share the port; more than one needs a broker. Process n, counted from 1, serves
    its own health and metrics at `port` + n."""
    providers: tuple[str, ...] = ()
    """Names of the providers that the gateway may ask. Without a broker, empty stands for all installed providers. With
    a broker, `providers` or `providers_file` is required."""
    providers_file: str = ""
    """Path of a file with the names of the providers, one per line, in place of `providers`. The gateway reads it again
    every 5 seconds. Needs a broker."""
    # While the file has a wrong line, the names read before stay allowed.
    territories: tuple[str, ...] = ()
    """Prefixes with which the paths of a provider's operations must begin. Each entry is `PROVIDER:PREFIX`, such as
    `acme:/v3/acme/`. A provider without an entry may use any path."""
    deadline_s: float = 10.0
    """Longest time, in seconds, from a request to its answer, with all waits for other services."""
    max_requests: int = 400
    """Limit on the requests that one process answers at a time. Further requests are refused (error `00529`), except
    health probes."""
    # Before it refuses a new request, the gateway drops the one that has waited longest for its body.
    max_calls_per_provider: int = 100
    """Limit on the calls that one process has in flight to one provider. One caller gets at most a quarter of them.

    Recommended: the sum of `…_CONCURRENCY` over the provider's workers, divided by the number of gateway processes.
    """
    hedge_after_s: float = 2.0
    """Seconds that a lookup of a quotient familial waits for one provider (CAF or MSA) before it asks the other too.
    With 0, both are asked at once."""
    double_file_grace_s: float = 0.3
    """Longest wait, in seconds, for the slower of CAF and MSA once the other has found the person. If both find the
    person, the gateway logs a warning and chooses one answer."""
    cache_url: Annotated[Secret, ServerUrl(("redis",), EMBEDDED, allows_several=True)] = Secret("memory:")
    """URL of the cache: `memory:` for the memory of each process, or `redis(s)://…` for a redis that all gateways
    share. TLS files may follow: `?ssl_ca_certs=…&ssl_certfile=…&ssl_keyfile=…`.

    With Sentinels, the URL is `redis(s)://a:26379,b:26379/0?sentinel=NAME`, where `NAME` is the group of redis servers.
    `&sentinel_password=…` adds the Sentinels' password.
    """
    cache_max_items: int = 50_000
    """Limit on the items in the cache of one process, if `cache_url` is `memory:`. Ignored for redis."""
    cache_max_bytes: int = 64_000_000
    """Limit, in bytes, on the cache of one process, if `cache_url` is `memory:`. Ignored for redis."""
    cache_key: Secret = Secret("")
    """Secret that encrypts cached values and hashes their keys; the same in all gateways that share a cache. If empty,
    the gateway derives a secret from `token_key`."""
    sandbox: bool = False
    """Whether the gateway is a sandbox. Only a sandbox accepts test cases as answers of workers. Needs `tokens_from` to
    be `claims`."""
    # With the embedded bus, one service, the casebook, then answers from case files in place of all workers.
    calls_per_second: int = 20
    """Rate limit, in calls per second (docs/reference/contract.md §4). `rate_limit_per` says whether it applies to each
    token or to each habilitation. The registry may set a different limit for a habilitation."""
    rate_limit_per: Literal["token", "habilitation"] = "token"
    """Whether the rate limit applies to each token on its own (`token`), or to all tokens of a habilitation together
    (`habilitation`). A software editor's calls always count for the habilitation that they act for."""
    refused_bearers_per_minute: Annotated[int, Meta(ge=1)] = 30
    """Limit on the unknown bearer tokens per minute from one IPv4 address or IPv6 /64 network. Further unknown tokens
    get a 429 (error `00429`). The limit of an IPv6 /48 network is ten times as high."""
    unknown_recipients_per_minute: Annotated[int, Meta(ge=1)] = 60
    """Limit on a software editor's calls per minute for administrations that delegate nothing to the editor. Further
    calls of this kind get a 429 (error `00429`) until the minute ends. Calls for administrations served in the last
    hour do not count."""
    # Nor do they get this 429.
    # The calls with all tokens of the editor are counted together.
    unknown_sessions_per_second: Annotated[int, Meta(ge=1, le=10_000)] = 50
    """Limit on the new FranceConnect sessions per second in one process. A session is new if no call has used it in the
    last ten minutes. Calls that would wait for more than two seconds get a 429."""
    journal: bool | None = None
    """Whether calls for data are recorded in the registry's access journal. If unset, they are recorded only if
    `tokens_from` is `registry`."""
    journal_key: Secret = Secret("")
    """Key of the pseudonyms in the access journal, as `name:secret`, with a secret of at least 32 bytes. Required with
    a journal; the registry needs the same keys (`…_JOURNAL_KEYS`).

    The next key may follow after a comma, named after the first day of its use: `,2027-01-31:secret`.
    """
    journal_spool: str = "bouquet-journal"
    """Path of the folder where journal records wait until they are sent. The disk must outlive the process and its
    container. Several gateways may share the folder."""
    journal_spool_max_bytes: int = 256 * 1024 * 1024
    """Limit, in bytes, on the journal records that one process keeps on disk, at about 400 bytes each. A warning is
    logged at 80 % of the limit. Calls are refused (error `00521`) at 95 %."""
    proof_keys: Secret = Secret("")
    """Keys of proofs (encrypted texts that show later what an answer said), as `name:secret,…`, with at least 32 bytes
    each. Required for proofs, and the same in all gateways.

    The first key encrypts new proofs. The other keys verify older proofs: keep each for five years.
    """
    proof_checks_per_minute: Annotated[int, Meta(ge=1)] = 5
    """Limit on the verifications of proofs per minute from one IPv4 address or IPv6 /64 network. Further requests get a
    429 (error `00429`). The limit of an IPv6 /48 network is ten times as high."""
    proof_documents_per_minute: Annotated[int, Meta(ge=1)] = 60
    """Limit on the downloads of proofs as PDF files per minute from one IPv4 address or IPv6 /64 network. Further
    requests get a 429 (error `00429`). The limit of an IPv6 /48 network is ten times as high."""
    mcp: bool = False
    """Whether programs can call operations at `/mcp`, as tools of the Model Context Protocol. An operator must allow
    each token for the protocol (docs/operations/mcp.md)."""
    maintenance: str = ""
    """Announced maintenance windows of providers, in Paris time, such as `MEN 01:10-02:30`
    (docs/operations/maintenance-windows.md). Empty for none."""

    def cache_secret(self) -> Secret:
        """Returns the secret that protects the cache: `cache_key` or, if that is empty, a secret derived from
        `token_key`. Raises `SettingsError` if both are empty."""
        # The derived secret is the same after a restart and in every process, and `token_key` cannot be computed back
        # from it.
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
        """Returns the keys of the pseudonyms in the access journal. Raises `SettingsError` if `journal_key` is
        malformed."""
        return keys_of(self.journal_key)

    def proofs(self) -> KeyRing | None:
        """Returns the keys that encrypt proofs, or `None` if `proof_keys` is empty. Raises `SettingsError` if
        `proof_keys` is malformed."""
        return ring_of(self.proof_keys)

    def proxies(self) -> Networks:
        """Returns the networks of the trusted proxies. Raises `SettingsError` if an entry is neither an IP address nor
        a CIDR range."""
        networks = parse_networks(self.trusted_proxies)
        if len(networks) < len(self.trusted_proxies):
            raise SettingsError([f"{GATEWAY_PREFIX}TRUSTED_PROXIES: must be addresses or CIDR ranges"])
        return networks

    def allowed_paths(self) -> Territories:
        """Returns the path prefixes that each provider's operations may use, from the setting `territories`. Raises
        `SettingsError` if an entry is not of the form `acme:/v3/acme/`."""
        return territories(self.territories, f"{GATEWAY_PREFIX}TERRITORIES")

    def exempt_digests(self) -> frozenset[bytes]:
        """Returns the SHA-256 digests, as bytes, of the tokens exempt from blacklist, address check and rate limit.
        Raises `SettingsError` if an entry of `exempt_tokens` is not a SHA-256 in hexadecimal."""
        if not all(SHA256.fullmatch(digest) for digest in self.exempt_tokens):
            raise SettingsError([f"{GATEWAY_PREFIX}EXEMPT_TOKENS: must be SHA-256 digests in hexadecimal"])
        return frozenset(map(bytes.fromhex, self.exempt_tokens))

    def hedge_timing(self) -> HedgeTiming:
        return HedgeTiming(after_s=self.hedge_after_s, grace_s=self.double_file_grace_s)


class Safeguard(Struct, frozen=True):
    """Protection of data about real people that a setting can turn off, such as the access journal."""

    setting: str
    is_off: Callable[[GatewaySettings], bool]
    means: str
    """Consequence of turning the protection off, as the log shows it, such as `no answer leaves a record`."""


SAFEGUARDS = (
    Safeguard("JOURNAL", lambda settings: not settings.has_journal, "no answer leaves a record"),
    Safeguard(
        "TOKENS_FROM",
        lambda settings: settings.tokens_from == "claims",
        "a token allows what it says itself, and cannot be revoked",
    ),
    Safeguard("SANDBOX", lambda settings: settings.sandbox, "what a worker sends as a test case is answered as it is"),
    Safeguard(
        "EXEMPT_TOKENS",
        lambda settings: bool(settings.exempt_tokens),
        "the named tokens pass from every address, without rate limit, and even after their revocation",
    ),
)
"""All protections of real data. The log, a metric and `bouquet-gateway doctor` name each protection that is turned
off."""


def safeguards_off(settings: GatewaySettings) -> list[Safeguard]:
    return [safeguard for safeguard in SAFEGUARDS if safeguard.is_off(settings)]


Constraint: TypeAlias = tuple[str, Callable[[GatewaySettings], bool], str]
"""Condition that the settings must meet: name of the setting at fault, test of the settings, and error text if the test
fails."""

CONSTRAINTS: tuple[Constraint, ...] = (
    (
        "HEDGE_AFTER_S",
        lambda settings: settings.hedge_after_s < settings.deadline_s,
        f"must be shorter than {GATEWAY_PREFIX}DEADLINE_S",
    ),
    (
        "PROVIDERS_FILE",
        lambda settings: not (settings.providers and settings.providers_file),
        f"cannot be given together with {GATEWAY_PREFIX}PROVIDERS",
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
    (
        "PUBLIC_URL",
        lambda settings: bool(settings.public_url or not settings.proof_keys),
        f"is required with {GATEWAY_PREFIX}PROOF_KEYS: each proof names the address of its verification",
    ),
    ("KNOWN_TOKENS", lambda settings: settings.known_tokens >= 1, "must be 1 or more"),
    ("PROCESSES", lambda settings: settings.processes >= 1, "must be 1 or more"),
    (
        "PORT",
        lambda settings: settings.processes <= 1 or settings.port > 0,
        "must not be 0 when several processes listen on it",
    ),
    (
        "PORT",
        lambda settings: settings.processes <= 1 or settings.port + settings.processes <= LAST_PORT,
        f"leaves no ports for the health of each process: ports end at {LAST_PORT}",
    ),
)


def _require(constraint: Constraint, settings: GatewaySettings) -> None:
    name, is_met, requirement = constraint
    if not is_met(settings):
        raise SettingsError([f"{GATEWAY_PREFIX}{name}: {requirement}"])


def _token_key(settings: GatewaySettings) -> None:
    if settings.token_key or not settings.token_keys:
        TokenVerifier(settings.token_key)


def _cache_key(settings: GatewaySettings) -> None:
    if settings.token_keys:  # without any key, only the missing token key is reported
        settings.cache_secret()


def _cache_url(settings: GatewaySettings) -> None:
    if settings.cache_url.reveal() != EMBEDDED:
        # Imported here: a gateway without redis does not load the redis client.
        from bouquet_gateway.stores.redis_client import client_of

        client_of(settings.cache_url)


def _journal_key(settings: GatewaySettings) -> None:
    if settings.has_journal:
        settings.pseudonyms()


CHECKS: tuple[Callable[[GatewaySettings], object], ...] = (
    *(partial(_require, constraint) for constraint in CONSTRAINTS),
    _token_key,
    lambda settings: named_keys(settings.token_keys),
    _cache_key,
    _cache_url,
    _journal_key,
    GatewaySettings.proofs,
    GatewaySettings.proxies,
    GatewaySettings.exempt_digests,
    GatewaySettings.allowed_paths,
    lambda settings: parse_windows(settings.maintenance),
)
"""Functions that check the settings. Each raises `SettingsError` for a wrong setting."""
# All run, so that all wrong settings are reported at once.

REMOVED_SETTINGS = ("REGIME_STRATEGY", "TURN_S")
"""Names of settings that the previous release had, and that no longer have an effect."""


def read_settings(reader: Reader) -> GatewaySettings:
    """Reads and checks the gateway's settings. Wrong settings do not raise an error here: `reader` collects them."""
    return reader.read(GatewaySettings, GATEWAY_PREFIX, *CHECKS, removed=REMOVED_SETTINGS)


def wants_several_processes(environ: Mapping[str, str]) -> bool:
    """Returns whether the setting `PROCESSES` asks for more than one process. Returns `False` if the setting is
    invalid."""
    # Wrong settings are not reported here: each process reports them when it starts.
    reader = Reader(environ)
    settings = read_settings(reader)
    return reader.check(lambda: settings.processes > 1) or False
