"""List of all dashboards, and their conversion to JSON."""

from __future__ import annotations

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana import broker, gateway, journal, overview, portal, provider, regime, registry_api, resources, usage

MODULES = (overview, provider, resources, gateway, broker, regime, usage, registry_api, portal, journal)
DASHBOARDS = tuple(module.DASHBOARD.build() for module in MODULES)


def documents() -> dict[str, str]:
    encoder = JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False)
    return {f"{board.uid}.json": encoder.encode(board) + "\n" for board in DASHBOARDS}
