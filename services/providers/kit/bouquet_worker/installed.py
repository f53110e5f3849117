"""Installed providers: their workers and simulators, by the entry points of their distributions."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from bouquet_proto.names import SIMULATORS


class NoSimulatorError(Exception):
    """Error for a provider without a simulator. The text tells the provider's author where to declare one."""


def installed(group: str) -> dict[str, EntryPoint]:
    """Returns the entry points of a group by name. In the groups of workers and of simulators, the name of an entry
    point is the provider's name."""
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
