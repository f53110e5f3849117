"""Administrative acts (records of who changed the registry, and why) that a registry's database holds."""

from __future__ import annotations

from bouquet_registry import acts
from bouquet_registry.acts import Act
from bouquet_registry.store import Store


async def recorded_acts(store: Store, target: str | None = None) -> list[Act]:
    """Returns the recorded acts, oldest first: all of them, or those on the record with the id `target`."""
    async with store.reading() as connection:
        return (await acts.acts(connection, target=target))[::-1]
