"""Dashboard of the registry's internal API, which the portal and operators' scripts call."""

from __future__ import annotations

from deploy.grafana.panels import (
    COUNT,
    PER_SECOND,
    SECONDS,
    FallingThresholds,
    Query,
    Thresholds,
    board,
    quantiles,
    rate,
    stat_panel,
    timeseries_panel,
)

REQUESTS = "bouquet_registry_api_requests_total"
CONFLICTS = f'{REQUESTS}{{outcome=~"stale_version|conflict"}}'
UNAUTHENTICATED = f'{REQUESTS}{{outcome="unauthenticated"}}'
REFUSED = f'{REQUESTS}{{outcome!="done"}}'

DASHBOARD = board(
    "registry-api",
    "API interne du registre",
    "Ce que le portail et les scripts de l'exploitant demandent au registre, et ce qui leur est refusé.",
    [
        stat_panel(
            "Instances prêtes",
            COUNT,
            'sum(bouquet_ready{service="bouquet-registry-api"})',
            FallingThresholds(2, 1),
            decimals=0,
        ),
        stat_panel(
            "Conflits de version",
            COUNT,
            f"sum(increase({CONFLICTS}[$__range]))",
            help="Sur la période affichée : modifications refusées, l'enregistrement ayant changé entre-temps.",
            decimals=0,
        ),
        stat_panel(
            "Clients non reconnus",
            COUNT,
            f"sum(increase({UNAUTHENTICATED}[$__range]))",
            Thresholds(1, 20),
            help="Sur la période affichée : requêtes sans secret valable.",
            decimals=0,
        ),
        stat_panel(
            "Actes sans auteur ou sans motif",
            COUNT,
            "sum(increase(bouquet_registry_api_anonymous_acts_total[$__range]))",
            Thresholds(1, 20),
            help="Sur la période affichée. Ils sont refusés : chaque acte nomme son auteur et son motif.",
            decimals=0,
        ),
        timeseries_panel("Requêtes par route", PER_SECOND, Query(rate(REQUESTS, "route"), "{{route}}"), stacked=True),
        timeseries_panel(
            "Requêtes refusées ou en échec",
            PER_SECOND,
            Query(rate(REFUSED, "route, outcome"), "{{route}} : {{outcome}}"),
            help="unavailable et internal sont des pannes de la plateforme, les autres des refus.",
        ),
        timeseries_panel(
            "Actes par nature",
            COUNT,
            Query("sum by (act) (increase(bouquet_registry_api_acts_total[1h]))", "{{act}}"),
            help="En une heure. Le registre garde l'auteur et le motif de chacun : bouquet-registry act list.",
        ),
        timeseries_panel(
            "Durée des réponses",
            SECONDS,
            *quantiles("bouquet_registry_api_request_seconds_bucket"),
        ),
    ],
)
