"""Dashboard of the whole service: whether calls are answered, and which party is at fault for failures."""

from __future__ import annotations

from deploy.grafana.panels import (
    COUNT,
    PER_SECOND,
    RATIO,
    SECONDS,
    FallingThresholds,
    Query,
    Thresholds,
    bar_gauge_panel,
    board,
    quantiles,
    rate,
    stat_panel,
    timeseries_panel,
)

ERROR_BUDGET = 0.0001
"""Share (0 to 1) of requests that may fail through Bouquet's own fault, for an availability of 99.99 %."""
REQUESTS = "bouquet_gateway_requests_total"
LOOKUPS = 'bouquet_bus_calls_total{request="lookup"}'
FAILED = 'bouquet_bus_calls_total{request="lookup", outcome="failed"}'
ALLOWED = "group by (provider) (bouquet_gateway_provider_operations)"
CONSUMERS = 'rabbitmq_detailed_queue_consumers{queue=~"bouquet[.]q[.].+"}'
SERVED = f'label_replace(max by (queue) ({CONSUMERS}) > 0, "provider", "$1", "queue", "bouquet[.]q[.](.+)")'
WITHOUT_WORKER = f"(count({ALLOWED} unless on (provider) {SERVED}) or vector(0)) and on () group({CONSUMERS})"
"""PromQL for the number of providers whose RabbitMQ queue has no consumer. The result is empty if Prometheus does not
scrape RabbitMQ."""


def failed_by_us(window: str) -> str:
    """Returns PromQL for the share (0 to 1) of calls that fail through the platform's fault. `window` is a time range
    such as `5m`. Probes, and calls that fail through the caller's fault, do not count as calls."""
    # deploy/prometheus/rules/slo.yaml watches the same share.
    ours = f'sum(rate({REQUESTS}{{fault="platform"}}[{window}])) or vector(0)'
    failed = f'rate({REQUESTS}{{fault=~"platform|provider"}}[{window}])'
    served = f'rate({REQUESTS}{{fault="", operation!="none"}}[{window}])'
    return f"({ours}) / sum({failed} or {served})"


DASHBOARD = board(
    "overview",
    "Vue d'ensemble",
    "Disponibilité, trafic, temps de réponse et saturation ; en cas de panne, le responsable et le fournisseur "
    "concerné.",
    [
        stat_panel(
            "Disponibilité",
            RATIO,
            f"1 - {failed_by_us('$__range')}",
            FallingThresholds(0.9999, 0.999),
            help="Sur la période affichée, sans les erreurs imputables aux fournisseurs ou aux appelants. Objectif : "
            "99,99 %.",
            decimals=3,
        ),
        stat_panel(
            "Consommation du budget d'erreur",
            COUNT,
            f"{failed_by_us('1h')} / {ERROR_BUDGET}",
            Thresholds(1, 14.4),
            help="Rythme sur une heure. À 1, le budget de 30 jours dure 30 jours ; à 14,4, il est épuisé en deux "
            "jours.",
        ),
        stat_panel(
            "Surcoût de la plateforme (p99)",
            SECONDS,
            quantiles("bouquet_gateway_overhead_seconds_bucket", of=[0.99])[0].expr,
            Thresholds(0.05, 0.25),
            help="Temps passé dans la passerelle, le registre et le cache, sans celui du fournisseur.",
            decimals=1,
        ),
        stat_panel(
            "Fournisseurs sans worker",
            COUNT,
            WITHOUT_WORKER,
            Thresholds(1, 1),
            decimals=0,
            help="Fournisseurs de BOUQUET_GATEWAY_PROVIDERS dont aucun worker ne lit la file ; leurs appels échouent "
            "(502 XX001). Le tableau de bord « Courtier RabbitMQ » montre lesquels.",
        ),
        timeseries_panel(
            "Requêtes par statut HTTP", PER_SECOND, Query(rate(REQUESTS, "status"), "{{status}}"), stacked=True
        ),
        timeseries_panel(
            "Temps de réponse",
            SECONDS,
            *quantiles("bouquet_gateway_request_seconds_bucket"),
            help="Chaque point est un exemple de requête ; un clic ouvre sa trace.",
            exemplars=True,
        ),
        timeseries_panel(
            "Appels en erreur par responsable",
            PER_SECOND,
            Query(rate(f'{REQUESTS}{{fault!=""}}', "fault"), "{{fault}}"),
            help="platform : la plateforme ; provider : un fournisseur ; caller : l'appelant.",
            stacked=True,
        ),
        timeseries_panel(
            "Saturation",
            RATIO,
            Query("max(bouquet_gateway_requests_in_flight / bouquet_gateway_max_requests)", "passerelle"),
            Query(
                "max by (provider) (bouquet_gateway_calls_in_flight)"
                " / on () group_left () max(bouquet_gateway_max_calls_per_provider)",
                "{{provider}}",
            ),
            help="Part des places occupées, sur la passerelle la plus chargée. À 100 %, les requêtes suivantes sont "
            "refusées.",
        ),
        timeseries_panel(
            "Consommation du budget d'erreur par durée",
            COUNT,
            *[Query(f"{failed_by_us(window)} / {ERROR_BUDGET}", window) for window in ("5m", "1h", "6h")],
        ),
        bar_gauge_panel(
            "Taux d'échec par fournisseur",
            RATIO,
            Query(
                f"sort_desc({rate(FAILED, 'provider, fault')}"
                f" / on (provider) group_left () {rate(LOOKUPS, 'provider')})",
                "{{provider}} ({{fault}})",
            ),
            help="Part des demandes en échec. provider : le fournisseur est en cause ; platform : la plateforme, par "
            "exemple parce qu'aucun worker ne répond.",
        ),
        timeseries_panel(
            "Échecs par fournisseur et par cause",
            PER_SECOND,
            Query(rate(FAILED, "provider, reason"), "{{provider}} {{reason}}"),
        ),
        timeseries_panel(
            "Temps de réponse par fournisseur (p95)",
            SECONDS,
            *quantiles('bouquet_bus_call_seconds_bucket{request="lookup"}', "provider", [0.95], "{{provider}}"),
            exemplars=True,
        ),
    ],
)
