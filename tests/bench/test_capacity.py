"""Tests of docs/capacity.md: the format of its table of costs, and the agreement of its assumptions with manifests and
settings."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.capacity.__main__ import PAGE
from bench.capacity.figure import Figure
from bench.capacity.table import rounded, table, with_table
from bench.programs import ROOT
from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh.outbox.api import MAX_BATCH_RECORDS
from bouquet_worker.settings import WorkerSettings

DAY = date(2026, 11, 9)
FIGURES = [
    Figure("token at a gateway", "verified", 65.33, "µs"),
    Figure("token at a gateway", "kept", 722.5, "bytes"),
    Figure("idle gateway", "series", 88.0, ""),
]


def test_a_table_has_a_row_for_each_figure_under_its_part() -> None:
    assert table(FIGURES, DAY).splitlines() == [
        "Measured on 9 Nov 2026.",
        "",
        "| of | what | cost |",
        "|---|---|---:|",
        "| token at a gateway | verified | 65.3 µs |",
        "|  | kept | 722 bytes |",
        "| idle gateway | series | 88 |",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.846, "3.85"), (25.004, "25"), (99.96, "100"), (1163.2, "1,160"), (68_714_496.0, "68,700,000"), (0.0, "0")],
)
def test_a_cost_has_three_digits(value: float, text: str) -> None:
    assert rounded(value) == text


def test_a_measurement_replaces_the_table_and_no_sentence() -> None:
    page = PAGE.read_text(encoding="utf-8")
    former = page[page.index("Measured on ") : page.index("\n\n<!-- End of")]
    measured = with_table(page, table(FIGURES, DAY))
    assert measured == page.replace(former, table(FIGURES, DAY))
    assert with_table(measured, former) == page


@pytest.mark.parametrize("page", ["No place.", "<!-- Written by `make bench-capacity`; do not edit. -->"])
def test_a_page_without_a_place_for_the_table_is_an_error(page: str) -> None:
    with pytest.raises(ValueError, match="the page lacks"):
        with_table(page, table(FIGURES, DAY))


def test_what_the_page_takes_for_granted_is_in_manifests_and_settings() -> None:
    """Tests that the assumptions in docs/capacity.md equal the values in manifests and settings."""
    gateways, workers = (_spec(ROOT / "deploy" / "k8s" / folder / "scaling.yaml") for folder in ("base", "worker"))
    gateway = GatewaySettings()
    assert _granted() == {
        "fewest gateways": gateways["minReplicas"],
        "most gateways": gateways["maxReplicas"],
        "requests under way in a gateway, at which another is started": int(
            gateways["metrics"][0]["pods"]["target"]["averageValue"]
        ),
        "fewest workers of a provider": workers["minReplicaCount"],
        "most workers of a provider": workers["maxReplicaCount"],
        "requests under way in a worker": WorkerSettings().concurrency,
        "requests under way in a gateway": gateway.max_requests,
        "calls to one provider under way in a gateway": gateway.max_calls_per_provider,
        "tokens that a gateway knows": gateway.known_tokens,
        "seconds after which it asks for one again": gateway.registry_refresh_s,
        "answers in its memory": gateway.cache_max_items,
        "bytes of answers in its memory": gateway.cache_max_bytes,
        "bytes of its journal's spool": gateway.journal_spool_max_bytes,
        "records in a batch of the journal": MAX_BATCH_RECORDS,
    }


def _granted() -> dict[str, int]:
    """Returns the values in the table of assumptions of docs/capacity.md by their names, except those whose source is
    given as `assumed`. The source of all others is a manifest or a setting."""
    section = PAGE.read_text(encoding="utf-8").partition("## Assumptions\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:2] == "| "]
    return {what: int(value.replace(",", "")) for what, value, source in rows[1:] if source != "assumed"}


def _spec(manifest: Path) -> dict[str, Any]:
    spec: dict[str, Any] = yaml.safe_load(manifest.read_text(encoding="utf-8"))["spec"]
    return spec
