"""Examination of the secret keys that encrypt proofs, the texts that show later what an answer said."""

from __future__ import annotations

from bouquet_gateway.proofs.keys import keys_of
from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh.doctor.findings import Finding, well, wrong
from bouquet_proto.names import GATEWAY_PREFIX

SUBJECT = "proof keys"
MIN_DISTINCT_CHARACTERS = 10
"""Number of different characters below which a secret counts as not random."""
# 32 random hexadecimal digits have 14 on average.


def examine(settings: GatewaySettings) -> Finding:
    """Checks the keys that encrypt proofs. The finding names the unsafe keys. If all keys are safe, the finding names
    the key for new proofs, and the former keys that still verify proofs."""
    keys = {name: secret.reveal() for name, secret in keys_of(settings.proof_keys).items()}
    if not keys:
        return well(SUBJECT, f"none: without {GATEWAY_PREFIX}PROOF_KEYS no proofs are made or verified")
    if weak := [name for name, secret in keys.items() if len(set(secret)) < MIN_DISTINCT_CHARACTERS]:
        return wrong(SUBJECT, f"not random: {', '.join(weak)}", _put_before("a random secret"))
    others = {settings.token_key.reveal(), settings.cache_key.reveal()}
    if shared := [name for name, secret in keys.items() if secret in others]:
        return wrong(SUBJECT, f"also a key of tokens or of the cache: {', '.join(shared)}", _put_before("its own"))
    if len({*keys.values()}) < len(keys):
        return wrong(SUBJECT, "two names have one secret, so that nothing was rotated", _put_before("a new secret"))
    current, *former = keys
    says = (
        f"{current} seals, {', '.join(former)} verify too" if former else f"{current} seals, and no former one verifies"
    )
    return well(SUBJECT, says if settings.has_journal else f"{says}; without a journal no proof can be revoked")


def _put_before(secret: str) -> str:
    return f"put NAME:{secret} before the others: docs/operations/keys.md"
