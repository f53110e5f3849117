"""Tests of the metrics that count habilitations and tokens."""

from __future__ import annotations

from msgspec import structs
from prometheus_client import REGISTRY

from bouquet_registry import gauges
from bouquet_registry.journal.access_metrics import AccessCounter
from bouquet_registry.metrics import HABILITATION_INFO
from bouquet_registry.store import Store
from tests.registry.accesses import access
from tests.support import habilitations
from tests.support.clock import DatetimeClock


def metric(metric_name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(metric_name, labels)


async def counted(store: Store, clock: DatetimeClock) -> None:
    await gauges.count(store, clock())


async def test_habilitations_are_counted_by_state_and_named(store: Store) -> None:
    clock = DatetimeClock()
    for name in ("RENNES", "BREST"):
        made = await habilitations.create_habilitation(store, clock, name=name)
    await counted(store, clock)
    assert metric("bouquet_registry_habilitations", state="active") == 2
    assert metric("bouquet_registry_habilitation_info", habilitation=made.id, name="BREST") == 1
    token = await habilitations.issue_token(store, clock)
    await habilitations.change_habilitation(store, token, clock, name="QUIMPER")
    await counted(store, clock)
    [family] = HABILITATION_INFO.collect()
    assert {sample.labels["name"] for sample in family.samples} == {"RENNES", "BREST", "QUIMPER"}


async def test_tokens_in_force_are_counted(store: Store) -> None:
    clock = DatetimeClock()
    token = await habilitations.issue_token(store, clock)
    await habilitations.revoke_token(store, await habilitations.issue_token(store, clock), clock)
    await counted(store, clock)
    assert metric("bouquet_registry_tokens") == 1
    clock.now = token.expires_at
    await counted(store, clock)
    assert metric("bouquet_registry_tokens") == 0


def test_habilitation_names_are_exported_up_to_a_limit() -> None:
    usage = AccessCounter(max_pairs=2)
    usage.count(
        [structs.replace(access(name), habilitation=name, operation="op") for name in ("a", "b", "c", "d", "a")]
    )

    def calls(habilitation: str, operation: str) -> float | None:
        labels = {"habilitation": habilitation, "operation": operation, "outcome": access("a").outcome}
        return metric("bouquet_registry_accesses_total", **labels)

    assert [calls("a", "op"), calls("b", "op"), calls("c", "op"), calls("other", "other")] == [2, 1, None, 2]
