"""The gateway's settings, `BOUQUET_GATEWAY_*`."""

from __future__ import annotations

import hmac

from msgspec import Struct

from bouquet_gateway.regime_plan import Patience, Strategy
from bouquet_proto.settings import Secret


class GatewaySettings(Struct, frozen=True, kw_only=True):
    token_key: Secret
    """Signs the callers' tokens (HS256), 32 bytes at least. No default: the gateway refuses to start without it."""
    host: str = "127.0.0.1"
    port: int = 8000
    providers: tuple[str, ...] = ()
    """Whom the gateway may ask. Empty with the embedded bus: every installed provider."""
    deadline_s: float = 10.0
    """A request's whole life; the reference's own read timeout (upstreams/01 §1.3)."""
    regime_strategy: Strategy = "hedged"
    hedge_after_s: float = 2.0
    double_file_grace_s: float = 0.3
    cache_url: Secret = Secret("memory:")
    """`memory:` or `redis://…`, shared by every gateway process then."""
    cache_max_items: int = 50_000
    cache_key: Secret = Secret("")
    """Keys and seals what is cached, the same in all that share a cache; derived from `token_key` when empty."""
    sandbox: bool = False
    """Answers recorded cases as they are; with the embedded bus, hosts the casebook instead of the workers."""
    calls_per_second: int = 20
    """Per token (http-contract §4)."""
    maintenance: str = ""
    """Announced windows by authority label, Paris time; see docs/operations.md."""

    def cache_secret(self) -> Secret:
        """Stable across restarts and processes; knowing it does not give the token key."""
        if self.cache_key:
            return self.cache_key
        return Secret(hmac.new(self.token_key.reveal().encode(), b"bouquet cache", "sha256").hexdigest())

    def patience(self) -> Patience:
        return Patience(
            strategy=self.regime_strategy, hedge_after_s=self.hedge_after_s, grace_s=self.double_file_grace_s
        )
