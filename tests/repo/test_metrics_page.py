"""Tests that docs/metrics.md lists the metrics of the code, and that dashboards and alert rules use no others."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = runpy.run_path(str(ROOT / "scripts" / "generate_metrics.py"))
CONVENTION = re.compile(r"bouquet_[a-z_]+")
UNITS = {"counter": "_total", "histogram": "_seconds"}
ASKED_BY_HAND = {"bouquet_cog_lookups_total"}
"""Metrics that no dashboard or alert rule uses, because operators query them by hand."""
USED = re.compile(r"\b(bouquet_[a-z_]+?)(?:_bucket|_count|_sum)?\b")


def declared() -> dict[str, str]:
    return {metric.name: metric.kind for module in PAGE["MODULES"].values() for metric in PAGE["metrics"](module)}


def test_the_page_of_metrics_is_up_to_date() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8") == PAGE["document"](), (
        "run scripts/generate_metrics.py"
    )


def test_metric_names_follow_the_conventions_of_prometheus() -> None:
    named = declared()
    assert len(named) > 40
    for name, kind in named.items():
        assert CONVENTION.fullmatch(name) and name.endswith(UNITS.get(kind, "")), name


def test_every_metric_used_by_a_dashboard_or_rule_is_declared() -> None:
    used = {name for text in PAGE["searched_texts"]().values() for name in USED.findall(text)}
    assert used - declared().keys() == set()


def test_every_declared_metric_is_used_by_a_dashboard_or_rule() -> None:
    used = {name for text in PAGE["searched_texts"]().values() for name in USED.findall(text)}
    assert declared().keys() - used == ASKED_BY_HAND
