"""Costs of a token in a gateway: CPU to verify it, and memory of its claims and of the registry's answer."""

from __future__ import annotations

import time
import tracemalloc
import uuid
from collections.abc import Awaitable, Callable, Iterator
from itertools import count

import msgspec
from joserfc import jws
from joserfc.jwk import ECKey
from msgspec import Raw

from bench.capacity.figure import Figure, cpu_us
from bench.lookup import RECIPIENT, REQUEST_ID, SCOPES
from bouquet_gateway.access import tokens
from bouquet_gateway.access.credentials import Credential
from bouquet_gateway.access.rate_limit import MINUTE_S, MemoryCounters, RateWindow
from bouquet_gateway.access.registry_client import RegistryClient
from bouquet_gateway.access.tokens import Token, TokenVerifier
from bouquet_mesh.secret import Secret
from bouquet_mesh.tasks import alongside
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Changes, Found, Reply, Request, encode
from bouquet_proto.registry_messages import KnownToken, TokenChanges

KEY = Secret("the key that signs the tokens of the benchmark")
KNOWN = 10_000


class Registry:
    """Stand-in for the registry, which answers that every token is known and that none has changed."""

    ready = True

    async def call(self, provider: str, request: Request) -> Reply:
        if isinstance(request, Changes):
            return Found(Raw(encode(TokenChanges(log="bench", cursor=0, tokens=()))))
        held = KnownToken(
            siret=RECIPIENT, scopes=frozenset(SCOPES), expires_at=4e9, as_of=0, habilitation=str(uuid.uuid4())
        )
        return Found(Raw(encode(held)))


async def figures() -> list[Figure]:
    return [*_verifications(), await _known_bytes(), await _counter_bytes()]


def _verifications() -> Iterator[Figure]:
    shared = Credential("bearer", _issued(REQUEST_ID))
    yield Figure(
        "token at a gateway",
        "verified for the first time, HS256",
        cpu_us(lambda: TokenVerifier(KEY).read(shared), 500),
        "µs",
    )
    key = ECKey.generate_key("P-256", {"kid": "2027-01"})
    signed = jws.serialize_compact({"alg": "ES256", "kid": "2027-01"}, _claims(), key, ["ES256"])
    public, named = Credential("bearer", signed), (("2027-01", key),)
    assert TokenVerifier(Secret(""), named_keys=named).read(public)
    unknown = cpu_us(lambda: TokenVerifier(Secret(""), named_keys=named).read(public), 500)
    yield Figure("token at a gateway", "verified for the first time, ES256", unknown, "µs")


async def _known_bytes() -> Figure:
    holders = RegistryClient(TokenVerifier(KEY, max_known=KNOWN), Registry(), max_known=KNOWN)

    async def learn() -> None:
        credential = Credential("bearer", _issued(str(uuid.uuid4())))
        assert isinstance(await holders.token_of(credential, REQUEST_ID, Deadline.after(10)), Token)

    async with alongside(holders.run()):
        return Figure("token at a gateway", "kept, with the registry's answer", await _kept_bytes(learn), "bytes")


async def _counter_bytes() -> Figure:
    counters, numbers, minute = MemoryCounters(max_keys=KNOWN), count(), RateWindow(MINUTE_S, 1)

    async def hit() -> None:
        await counters.increment(f"{next(numbers):064x}", minute)

    return Figure("token at a gateway", "its calls counted in memory, a window", await _kept_bytes(hit), "bytes")


async def _kept_bytes(one: Callable[[], Awaitable[None]]) -> float:
    tracemalloc.start()
    for _ in range(KNOWN):
        await one()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return kept / KNOWN


def _issued(token: str) -> str:
    return tokens.issue(KEY, SCOPES, expires_at=int(time.time()) + 3600, token_id=token)


def _claims() -> bytes:
    claims = {"uid": REQUEST_ID, "jti": REQUEST_ID, "scopes": SCOPES, "siret": RECIPIENT, "exp": 4_000_000_000}
    return msgspec.json.encode(claims)
