"""Panels of the dashboards, in one style. Their data come from the Prometheus server that the viewer chooses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models import common as values
from grafana_foundation_sdk.models import dashboard as models
from msgspec import Struct

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${source}")
PER_SECOND, SECONDS, RATIO, BYTES, COUNT = "reqps", "s", "percentunit", "bytes", "short"
TAG = "bouquet"
NO_BREAK_BEFORE = re.compile(r" (?=[:;!?%»])")
NO_BREAK_AFTER = re.compile(r"(?<=«) ")

Panel: TypeAlias = timeseries.Panel | stat.Panel | bargauge.Panel
P = TypeVar("P", timeseries.Panel, stat.Panel, bargauge.Panel)


class Query(Struct, frozen=True):
    """PromQL query of a Grafana panel. `legend` is the template for the name of each curve or bar, such as
    `{{resource}}`. Without `legend`, Grafana chooses the name."""

    expr: str
    legend: str = ""


class Thresholds(Struct, frozen=True):
    """Thresholds for the colour of a number that should be low: orange from `orange` on, red from `red` on."""

    orange: float
    red: float


class FallingThresholds(Thresholds, frozen=True):
    """Thresholds for the colour of a number that should be high: orange below `orange`, red below `red`."""


def timeseries_panel(
    title: str, unit: str, *queries: Query, help: str = "", stacked: bool = False, exemplars: bool = False
) -> Panel:
    """Returns a panel, a third of a row wide, that draws one curve for each series. If `exemplars` is true, the panel
    also marks single requests, with links to the requests' traces."""
    panel = timeseries.Panel().line_width(1).fill_opacity(20 if stacked else 5).min(0)
    panel.legend(common.VizLegendOptions().show_legend(True).placement(values.LegendPlacement.BOTTOM))
    panel.tooltip(common.VizTooltipOptions().mode(values.TooltipDisplayMode.MULTI).sort(values.SortOrder.DESCENDING))
    if stacked:
        panel.stacking(common.StackingConfig().mode(values.StackingMode.NORMAL))
    return _finished(panel, title, unit, queries, help, width=8, height=8, exemplars=exemplars)


def stat_panel(
    title: str, unit: str, expr: str, thresholds: Thresholds | None = None, *, help: str = "", decimals: int = 2
) -> Panel:
    """Returns a panel, a quarter of a row wide, that shows the last value of `expr` as a number. The number changes its
    colour at `thresholds`."""
    panel = stat.Panel().decimals(decimals).graph_mode(values.BigValueGraphMode.AREA)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.thresholds(_thresholds(thresholds))
    panel.color_mode(values.BigValueColorMode.VALUE if thresholds else values.BigValueColorMode.NONE)
    return _finished(panel, title, unit, [Query(expr)], help, width=6, height=4)


def bar_gauge_panel(title: str, unit: str, query: Query, *, help: str = "") -> Panel:
    """Returns a panel, a third of a row wide, that shows the last value of each series as a horizontal bar."""
    panel = bargauge.Panel().orientation(values.VizOrientation.HORIZONTAL).min(0)
    panel.display_mode(values.BarGaugeDisplayMode.BASIC)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return _finished(panel, title, unit, [query], help, width=8, height=8, instant=True)


def variable(name: str, label: str, query: str, *, several: bool = True) -> dashboard.QueryVariable:
    """Returns a variable of a dashboard, shown as `label`. The viewer chooses one of the values that `query` returns
    or, if `several` is true, any number of them."""
    found = dashboard.QueryVariable(name).label(label).datasource(SOURCE).query(query)
    found.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)
    return found.multi(True).include_all(True).all_value(".*") if several else found


def board(
    uid: str, title: str, help: str, panels: Sequence[Panel], variables: Sequence[dashboard.QueryVariable] = ()
) -> dashboard.Dashboard:
    made = dashboard.Dashboard(f"Bouquet — {title}").uid(f"bouquet-{uid}").description(french(help)).tags([TAG])
    made.refresh("30s").time("now-3h", "now").timezone("browser").tooltip(models.DashboardCursorSync.CROSSHAIR)
    made.link(
        dashboard.DashboardLink("Bouquet").type(models.DashboardLinkType.DASHBOARDS).tags([TAG]).as_dropdown(True)
    )
    made.with_variable(dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus"))
    for one in variables:
        made.with_variable(one)
    for panel in panels:
        made.with_panel(panel)
    return made


def quantiles(buckets: str, by: str = "", of: Sequence[float] = (0.5, 0.95, 0.99), legend: str = "") -> list[Query]:
    """Returns one query for each quantile in `of`, such as 0.95. `buckets` selects a histogram, as in
    `x_seconds_bucket{a="b"}`. If `by` names a label, each value of the label has its own curve. Names of curves begin
    with `legend`."""
    labels = f"le, {by}" if by else "le"
    return [
        Query(
            f"histogram_quantile({q}, sum by ({labels}) (rate({buckets}[$__rate_interval])))",
            f"{legend} p{q * 100:g}".strip(),
        )
        for q in of
    ]


def rate(selector: str, by: str = "") -> str:
    """Returns PromQL for the increase per second of a counter, such as `requests_total{route="a"}`, summed over its
    series. `by` names labels, separated by commas, to group the sums by."""
    summed = f"sum by ({by})" if by else "sum"
    return f"{summed} (rate({selector}[$__rate_interval]))"


def french(text: str) -> str:
    """Returns the text with French no-break spaces: before `: ; ! ? % »` and after `«`."""
    return NO_BREAK_AFTER.sub("\u00a0", NO_BREAK_BEFORE.sub("\u00a0", text))


def _finished(
    panel: P,
    title: str,
    unit: str,
    queries: Sequence[Query],
    help: str,
    *,
    width: int,
    height: int,
    exemplars: bool = False,
    instant: bool = False,
) -> P:
    panel.title(french(title)).unit(unit).datasource(SOURCE).span(width).height(height)
    if help:
        panel.description(french(help))
    for letter, query in zip("ABCDEFGH", queries, strict=False):
        target = (
            prometheus.Dataquery()
            .expr(query.expr)
            .legend_format(french(query.legend))
            .ref_id(letter)
            .exemplar(exemplars)
        )
        panel.with_target(target.instant() if instant else target.range())
    return panel


def _thresholds(thresholds: Thresholds | None) -> dashboard.ThresholdsConfig:
    made = dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE)
    colours: list[tuple[float | None, str]]
    match thresholds:
        case None:
            colours = [(None, "green")]
        case FallingThresholds(orange, red):
            colours = [(None, "red"), (red, "orange"), (orange, "green")]
        case Thresholds(orange, red):
            colours = [(None, "green"), (orange, "orange"), (red, "red")]
    return made.steps([models.Threshold(value=value, color=colour) for value, colour in colours])
