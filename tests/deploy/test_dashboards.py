"""Tests that every query of every panel finds data in a Prometheus that scrapes a running mesh."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import pytest
from promql_parser import parse

from deploy.grafana.__main__ import TARGET
from deploy.grafana.boards import documents
from tests.conftest import need
from tests.deploy.dashboards import BOARDS, DashboardFile
from tests.deploy.manifests import ROOT
from tests.deploy.monitored_mesh import MonitoredMesh, monitored_mesh
from tests.support import prometheus, rabbitmq
from tests.support.redis import RedisServer

MOST_PANELS = 12
SHOWN_WITH_TRACES = (
    "bouquet_gateway_request_seconds_bucket",
    "bouquet_bus_call_seconds_bucket",
    "bouquet_upstream_seconds_bucket",
)


def test_the_dashboards_json_is_up_to_date() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in TARGET.glob("*.json")}
    assert written == documents(), "run python -m deploy.grafana"


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_a_dashboard_is_small_enough_to_read(board: DashboardFile) -> None:
    titles = [panel["title"] for panel in board.panels]
    assert len(titles) <= MOST_PANELS
    assert len(set(titles)) == len(titles)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in board.panels)
    assert all(panel["datasource"]["uid"] == "${source}" for panel in board.panels)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_the_french_of_a_dashboard_has_no_break_spaces(board: DashboardFile) -> None:
    legends = [target["legendFormat"] for panel in board.panels for target in panel["targets"]]
    helps = [panel.get("description", "") for panel in board.panels]
    texts = [board.json["description"], *(panel["title"] for panel in board.panels), *helps, *legends]
    assert [text for text in texts if re.search(" [:;!?%»]|« ", text)] == []


def test_the_dashboards_and_panels_that_operators_pages_quote_exist() -> None:
    folders = (ROOT / "docs" / "operations", ROOT / "docs" / "runbooks")
    texts = [page.read_text(encoding="utf-8") for folder in folders for page in folder.iterdir()]
    quoted = {name for text in texts for name in re.findall("«\u00a0(.+?)\u00a0»", text.replace("\n", " "))}
    titles = {board.json["title"].removeprefix("Bouquet — ") for board in BOARDS.values()}
    titles |= {panel["title"] for board in BOARDS.values() for panel in board.panels}
    assert quoted and quoted - titles == set()


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_the_queries_of_a_dashboard_are_valid_promql(board: DashboardFile) -> None:
    for asked in board.asked:
        for expr in asked.filled({name: [".+"] for name in board.variables}):
            parse(expr)


@pytest.fixture(scope="module")
def mesh_at_work(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[MonitoredMesh]:
    need(prometheus.PROGRAM is not None, "prometheus")
    need(rabbitmq.RABBITMQ_3.is_installed, "RabbitMQ")
    folder = tmp_path_factory.mktemp("watched")

    async def under_load() -> MonitoredMesh:
        return await monitored_mesh(folder, node, redis_server, stack)

    stack = AsyncExitStack()
    with rabbitmq.RabbitNode(folder / "rabbitmq", metrics=True) as node:
        seen = asyncio.run(under_load())
    yield seen
    asyncio.run(stack.aclose())


@pytest.mark.broker
@pytest.mark.timeout(300)  # the first of them starts the mesh
@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_every_query_of_every_panel_finds_data(
    board: DashboardFile, mesh_at_work: MonitoredMesh, record_property: Callable[[str, object], None]
) -> None:
    values = {name: values_of(mesh_at_work, *of) for name, of in board.variables.items()}
    assert all(values.values()), values
    values |= {name: [everything] for name, everything in board.open.items()}
    run = [(asked.panel, expr) for asked in board.asked for expr in asked.filled(values)]
    empty = [(panel, expr) for panel, expr in run if not mesh_at_work.prometheus.has_data(expr, mesh_at_work.at)]
    record_property("seen", f"{board.file.stem}: {len(board.panels)} panels, {len(run)} queries, {len(empty)} empty")
    assert empty == []


@pytest.mark.broker
@pytest.mark.timeout(300)
def test_the_event_loop_lag_of_each_gateway_process_is_on_its_dashboard(mesh_at_work: MonitoredMesh) -> None:
    panel = "Retard de la boucle d'événements (p99)"
    [expr] = (expr for asked in BOARDS["bouquet-gateway"].asked if asked.panel == panel for expr in asked.filled({}))
    shown = [series for series in mesh_at_work.prometheus.query(expr, mesh_at_work.at) if series["value"][1] != "NaN"]
    assert {series["metric"]["instance"] for series in shown} == mesh_at_work.gateways


@pytest.mark.broker
@pytest.mark.timeout(300)
def test_the_overview_counts_an_allowed_provider_without_a_worker(mesh_at_work: MonitoredMesh) -> None:
    [expr] = (one.expr for one in BOARDS["bouquet-overview"].asked if one.panel == "Fournisseurs sans worker")
    [series] = mesh_at_work.prometheus.query(expr, mesh_at_work.at)
    assert series["value"][1] == "1"


@pytest.mark.broker
@pytest.mark.timeout(300)
def test_every_metric_of_a_dashboard_is_exported_by_a_process(mesh_at_work: MonitoredMesh) -> None:
    """Tests that Prometheus has every metric that a dashboard names. A query with `or` may find data although one of
    its metrics does not exist."""
    known = set(mesh_at_work.prometheus.get("label/__name__/values"))
    assert {board.file.stem: board.metrics - known for board in BOARDS.values() if board.metrics - known} == {}


@pytest.mark.broker
@pytest.mark.timeout(300)
def test_an_exemplar_leads_from_an_observation_to_its_trace(mesh_at_work: MonitoredMesh) -> None:
    span = {"start": mesh_at_work.at - 60, "end": mesh_at_work.at}
    for name in SHOWN_WITH_TRACES:
        series = mesh_at_work.prometheus.get("query_exemplars", query=name, **span)
        traces = {exemplar["labels"]["trace_id"] for one in series for exemplar in one["exemplars"]}
        assert traces and all(len(trace) == 32 for trace in traces), name


def values_of(mesh_at_work: MonitoredMesh, selector: str, label: str) -> list[str]:
    found = mesh_at_work.prometheus.query(f"group by ({label}) ({selector})", mesh_at_work.at)
    return [series["metric"][label] for series in found if label in series["metric"]]
