"""Tests that metrics with a new name are exported under their former name too, for one release."""

from __future__ import annotations

import pytest

from bouquet_gateway import metrics
from bouquet_mesh.observe.metrics import OUTBOX_CONNECTED, exposition

OPEN_METRICS = "application/openmetrics-text"


@pytest.mark.parametrize("accept", ["text/plain", OPEN_METRICS])
def test_a_renamed_metric_has_its_value_under_both_names(accept: str) -> None:
    OUTBOX_CONNECTED.labels("journal").set(1)
    metrics.JOURNAL_SEND_FAILURES.inc()
    metrics.cache_lookups("hit").inc()
    metrics.regime("cnaf", "first").inc()
    body, _ = exposition(accept)
    lines = body.decode().splitlines()
    values = dict(line.split(" ")[:2] for line in lines if line.startswith("bouquet_"))
    for name in ("bouquet_post_connected", "bouquet_outbox_connected"):
        assert values[f'{name}{{connection="journal"}}'] == "1.0"
    for former, name in {"strangers": "unrecorded", "hold_ups": "send_failures"}.items():
        former, name = f"bouquet_gateway_journal_{former}_total", f"bouquet_gateway_journal_{name}_total"
        assert values[former] == values[name]
    assert float(values["bouquet_gateway_journal_hold_ups_total"]) >= 1
    assert (
        values['bouquet_gateway_cache_total{result="hit"}']
        == values['bouquet_gateway_cache_lookups_total{result="hit"}']
    )
    found_first = '{provider="cnaf",source="first"}'
    former, name = f"bouquet_gateway_regime_total{found_first}", f"bouquet_gateway_regime_decisions_total{found_first}"
    assert values[former] == values[name]


def test_the_help_of_a_former_name_says_which_metric_replaces_it() -> None:
    help_texts = [line for line in exposition("text/plain")[0].decode().splitlines() if line.startswith("# HELP")]
    assert (
        "# HELP bouquet_post_connected Former name of bouquet_outbox_connected; gone in the next release." in help_texts
    )
