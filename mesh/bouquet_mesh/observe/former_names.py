"""Export of renamed metrics under their former names too, so that the dashboards and rules of an operator work until
they use the new ones."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import REGISTRY, Metric
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

SUFFIXES = {"counter": "_total"}
"""Ending of a metric's name that its family does not have, by type of the metric."""


class FormerName(Collector):
    """Metric under its former name, with the values and labels of the renamed `metric`. One release exports both
    names; the next one deletes the former."""

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
