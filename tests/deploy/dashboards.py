"""Queries of Grafana dashboards, with their variables filled in."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from deploy.grafana.__main__ import TARGET

INTERVALS = {"$__rate_interval": "10s", "$__range": "1m"}
METRIC = re.compile(r"\b(?:bouquet|rabbitmq|process)_[a-z_]+\b")
VALUES = re.compile(r"label_values\((.+), (\w+)\)")


class PanelQuery(Struct, frozen=True):
    panel: str
    expr: str

    def filled(self, values: Mapping[str, Sequence[str]]) -> Iterator[str]:
        expr = self.expr
        for name, value in INTERVALS.items():
            expr = expr.replace(name, value)
        names = [name for name in values if f"${name}" in expr]
        for chosen in itertools.product(*(values[name] for name in names)):
            filled = expr
            for name, value in zip(names, chosen, strict=True):
                filled = filled.replace(f"${name}", value)
            yield filled

    @property
    def is_about_the_broker(self) -> bool:
        """Whether the query uses RabbitMQ's own metrics, whose names may change between versions."""
        return "rabbitmq_" in self.expr


class DashboardFile(Struct, frozen=True):
    file: Path
    json: Mapping[str, Any]

    @property
    def panels(self) -> list[dict[str, Any]]:
        return list(self.json["panels"])

    @property
    def asked(self) -> list[PanelQuery]:
        return [PanelQuery(panel["title"], target["expr"]) for panel in self.panels for target in panel["targets"]]

    @property
    def variables(self) -> dict[str, tuple[str, str]]:
        """Returns the dashboard's variables by name. Each is mapped to the selector of the series and the label in
        which Grafana finds the values that a user can choose."""
        found = {}
        for variable in self.json["templating"]["list"]:
            if variable["type"] == "query":
                values = VALUES.fullmatch(variable["query"])
                assert values, variable["query"]
                found[variable["name"]] = (values[1], values[2])
        return found

    @property
    def open(self) -> dict[str, str]:
        """Returns the dashboard variables for which a user can choose *all values*. Each is mapped to the pattern that
        Grafana then inserts into queries."""
        return {one["name"]: one["allValue"] for one in self.json["templating"]["list"] if one.get("includeAll")}

    @property
    def metrics(self) -> set[str]:
        told = [query.expr for query in self.asked] + [selector for selector, _ in self.variables.values()]
        return {name for text in told for name in METRIC.findall(text)}


BOARDS = {
    path.stem: DashboardFile(path, json.loads(path.read_text(encoding="utf-8")))
    for path in sorted(TARGET.glob("*.json"))
}
