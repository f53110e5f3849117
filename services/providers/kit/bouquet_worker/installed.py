"""Installed providers: their workers and simulators, by the entry points of their distributions."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from bouquet_proto.names import SIMULATORS


class NoSimulatorError(Exception):
    """Error for a provider without a simulator, in words for its author."""


def installed(group: str) -> dict[str, EntryPoint]:
    """Returns the entry points of a group by name, which is the provider's name in the groups of workers and
    simulators."""
    return {entry.name: entry for entry in entry_points(group=group)}


def simulator_of(provider: str) -> EntryPoint:
    """Returns the entry point of a provider's simulator. Raises `NoSimulatorError` if the provider has none."""
    try:
        return installed(SIMULATORS)[provider]
    except KeyError:
        table = f'[project.entry-points."{SIMULATORS}"]'
        raise NoSimulatorError(
            f"{provider}: {table} in its pyproject.toml names no simulator; mend, reinstall"
        ) from None
