"""The arithmetic of docs/capacity.md, and that the page tells it."""

from __future__ import annotations

import random
from collections import OrderedDict
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from msgspec.structs import replace

from bench.capacity import lookup, page
from bench.capacity.figure import Figure, Figures
from bench.capacity.plan import HIGH, RATES, costs_of, planned, read_assumptions
from bench.capacity.remembering import alike, remembered, unevenly
from bench.capacity.shown import shown
from bench.goals import Measured
from bench.programs import ROOT
from bench.windows import Window

FOR_EVER = 1e12
MEASURED = page.read_measured()


def test_the_page_tells_what_was_measured_and_what_it_comes_to() -> None:
    assert page.PAGE.read_text() == page.page(page.WORDS.read_text(), MEASURED), "run python -m bench.capacity.page"


def test_a_figure_that_nobody_measured_is_an_error() -> None:
    with pytest.raises(KeyError, match="token: made of gold"):
        page.page("It costs {token: made of gold}.", MEASURED)


def test_another_measure_is_told_wherever_it_counts() -> None:
    """In a sentence, in what it is multiplied to, and in which breaks first."""
    words = page.WORDS.read_text()
    dearer = [
        replace(figure, value=100 * figure.value) if figure.part == "lookup in redis" else figure
        for figure in MEASURED.figures
    ]
    told, otherwise = page.page(words, MEASURED), page.page(words, replace(MEASURED, figures=dearer))
    assert _breaks(told, "redis") > _breaks(told, "one provider")
    assert _breaks(otherwise, "redis") < _breaks(otherwise, "one provider")


def _breaks(text: str, what: str) -> int:
    rows = text.partition("| at | what |")[2].splitlines()
    return next(place for place, row in enumerate(rows) if what in row)


def test_a_range_is_from_the_least_to_the_most() -> None:
    measured = page.Measured(
        "today", [*MEASURED.figures, Figure("x", "of 1", 3.0, "µs"), Figure("x", "of 2", 1.0, "µs")]
    )
    assert page.page("{x: of *}, {day}", measured).endswith("1 to 3 µs, today")


@pytest.mark.parametrize(
    ("values", "unit", "told"),
    [
        ([36.2], "µs", "36 µs"),
        ([620, 1800], "µs", "0.62 to 1.8 ms"),
        ([99.6], "µs", "100 µs"),
        ([1.4e10], "µs", "3.9 h"),
        ([755], "bytes", "760 bytes"),
        ([2.3e12], "bytes", "2.3 TB"),
        ([3333.3], "/s", "3,300/s"),
        ([50_001], "exactly", "50,001"),
        ([0], "", "0"),
        ([12.34], "%", "12 %"),
        ([3e-8], "%", "< 0.1 %"),
        ([7.0, 7.01], "", "7"),
    ],
)
def test_figures_have_two_digits_that_count(values: list[float], unit: str, told: str) -> None:
    assert shown(values, unit) == told


def test_ten_times_the_calls_are_ten_times_the_disk() -> None:
    figures = Figures(planned(Figures(MEASURED.figures), read_assumptions()))
    for of in ("records of a month", "journal, a month", "redis, answers of a day"):
        one, ten = (figures.one(f"at {rate}", of) for rate in RATES)
        assert ten == pytest.approx(10 * one)


def test_gateways_are_filled_as_planned_and_no_more() -> None:
    costs = costs_of(Figures(MEASURED.figures), read_assumptions())
    gateways = costs.gateways(HIGH)
    assert HIGH * costs.gateway_us / 1e6 / gateways <= costs.assumed.filled
    assert HIGH * costs.gateway_us / 1e6 / (gateways - 1) > costs.assumed.filled


def test_a_stock_mesh_is_that_of_the_manifests() -> None:
    assumed = read_assumptions()
    gateway, worker = (_spec(ROOT / "deploy" / "k8s" / folder / "scaling.yaml") for folder in ("base", "worker"))
    assert (assumed.min_gateways, assumed.max_gateways) == (gateway["minReplicas"], gateway["maxReplicas"])
    assert str(assumed.aimed_requests) == gateway["metrics"][0]["pods"]["target"]["averageValue"]
    assert (assumed.min_workers, assumed.max_workers) == (worker["minReplicaCount"], worker["maxReplicaCount"])


def _spec(manifest: Path) -> dict[str, Any]:
    spec: dict[str, Any] = yaml.safe_load(manifest.read_text())["spec"]
    return spec


def test_a_lookup_s_cost_is_the_median_of_the_windows_that_the_benchmark_trusts(tmp_path: Path) -> None:
    roles = dict.fromkeys(lookup.PROCESSES, 0.0)
    windows = [
        Window(
            round=number,
            contender="bouquet",
            concurrency=64,
            requests=1000,
            errors=0,
            seconds=1.0,
            p50_ms=1.0,
            p95_ms=1.0,
            p99_ms=1.0,
            cpu_s=roles | {"gateway": cpu_s},
            outside_cores=0.0,
            trusted=cpu_s < 5,
        )
        for number, cpu_s in enumerate((0.5, 0.7, 0.6, 9.0))
    ]
    report = tmp_path / "latest.json"
    assert lookup.figures(report) == []
    report.write_bytes(msgspec.json.encode({"measured": Measured(windows=windows, gateway_mb=[60], worker_mb=[40])}))
    found = Figures(lookup.figures(report))
    assert found.one("lookup", "gateway") == pytest.approx(600)
    assert found.one("process", "worker, idle") == 40 * 2**20
    report.write_bytes(msgspec.json.encode({"measured": Measured(windows=windows[3:])}))
    assert lookup.figures(report) == []


@pytest.mark.parametrize("tokens", [50, 1_000, 30_000])
def test_every_call_has_a_token(tokens: int) -> None:
    spread = unevenly(tokens)
    assert sum(count for _, count in spread) == tokens
    assert sum(share * count for share, count in spread) == pytest.approx(1)


def test_tokens_that_all_have_room_are_asked_for_when_they_are_refreshed_alone() -> None:
    assert remembered(alike(100), rate=1.0, kept=100, refresh_s=900.0).known == pytest.approx(9 / 10)
    assert remembered(alike(100), rate=1.0, kept=100, refresh_s=FOR_EVER).known == pytest.approx(1)


def test_a_call_waits_for_a_token_that_was_not_used_for_long_alone() -> None:
    often, seldom = (remembered(alike(1), rate, kept=1, refresh_s=10.0) for rate in (10.0, 0.01))
    assert often.waiting < 1e-6 < 1 - often.known
    assert seldom.waiting == pytest.approx(1 - seldom.known, rel=0.1)


def test_what_is_remembered_is_what_a_gateway_of_so_many_tokens_would() -> None:
    tokens, kept, calls = 2_000, 200, 60_000
    places = [1 / place for place in range(1, tokens + 1)]
    known: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for token in random.Random(1).choices(range(tokens), places, k=calls):
        hits += token in known
        known[token] = None
        known.move_to_end(token)
        if len(known) > kept:
            known.popitem(last=False)
    computed = remembered(unevenly(tokens), rate=100.0, kept=kept, refresh_s=FOR_EVER)
    assert computed.known == pytest.approx(hits / calls, abs=0.03)
    assert computed.waiting == pytest.approx(1 - computed.known)
