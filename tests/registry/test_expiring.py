"""Tests of the metric that counts the tokens in use that will soon expire. An alert uses this metric."""

from __future__ import annotations

from datetime import timedelta

from prometheus_client import REGISTRY
from sqlalchemy import update

from bouquet_registry import schema
from bouquet_registry.gauges import count
from bouquet_registry.habilitations import Token
from bouquet_registry.store import Store
from tests.support.clock import DatetimeClock
from tests.support.habilitations import change_habilitation, issue_token, revoke_token


async def used(store: Store, token: Token, clock: DatetimeClock) -> None:
    async with store.writing() as connection:
        one = schema.tokens.c.id == token.id
        await connection.execute(update(schema.tokens).where(one).values(last_used_at=clock.now))


async def counts(store: Store, clock: DatetimeClock) -> dict[str, float | None]:
    await count(store, clock.now)
    name = "bouquet_registry_tokens_expiring"
    return {days: REGISTRY.get_sample_value(name, {"within_days": days}) for days in ("7", "14", "30")}


async def test_a_token_in_use_is_counted_as_expiring_near_its_end(store: Store, clock: DatetimeClock) -> None:
    token = await issue_token(store, clock)
    clock.now = token.expires_at - timedelta(days=31)
    await used(store, token, clock)
    assert await counts(store, clock) == {"7": 0, "14": 0, "30": 0}
    clock.advance(days=20)
    assert await counts(store, clock) == {"7": 0, "14": 1, "30": 1}
    clock.advance(days=5)
    assert await counts(store, clock) == {"7": 1, "14": 1, "30": 1}
    clock.advance(days=7)
    assert await counts(store, clock) == {"7": 0, "14": 0, "30": 0}


async def test_an_unused_token_is_not_counted_as_expiring(store: Store, clock: DatetimeClock) -> None:
    token = await issue_token(store, clock)
    clock.now = token.expires_at - timedelta(days=36)
    await used(store, token, clock)
    clock.now = token.expires_at - timedelta(days=5)
    assert await counts(store, clock) == {"7": 0, "14": 0, "30": 0}


async def test_a_token_not_in_force_is_not_counted_as_expiring(store: Store, clock: DatetimeClock) -> None:
    revoked, archived = await issue_token(store, clock), await issue_token(store, clock)
    clock.now = revoked.expires_at - timedelta(days=1)
    for token in (revoked, archived):
        await used(store, token, clock)
    assert await counts(store, clock) == {"7": 2, "14": 2, "30": 2}
    await revoke_token(store, revoked, clock)
    assert await counts(store, clock) == {"7": 1, "14": 1, "30": 1}
    await change_habilitation(store, archived, clock, state="archived")
    assert await counts(store, clock) == {"7": 0, "14": 0, "30": 0}
