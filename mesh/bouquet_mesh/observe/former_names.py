"""Former names of renamed metrics. Exported beside the new names, so that operators' dashboards and rules go on
working."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import REGISTRY, Metric
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

SUFFIXES = {"counter": "_total"}
"""Ending that Prometheus's client adds to the name of a metric's family, by type of metric. For example, the family
`calls` of type counter has the metric `calls_total`."""


class FormerName(Collector):
    """Copy of a renamed metric under its former name, with the same values and labels. Only the release that renames
    the metric exports this copy."""

    def __init__(self, name: str, metric: MetricWrapperBase) -> None:
        self._name = name
        self._metric = metric
        REGISTRY.register(self)

    def collect(self) -> Iterator[Metric]:
        for family in self._metric.collect():
            suffix = SUFFIXES.get(family.type, "")
            former = self._name.removesuffix(suffix)
            copy = Metric(former, f"Former name of {family.name}{suffix}; gone in the next release.", family.type)
            copy.samples = [
                sample._replace(name=former + sample.name.removeprefix(family.name)) for sample in family.samples
            ]
            yield copy
