"""Dashboard of one provider, which the viewer chooses."""

from __future__ import annotations

from deploy.grafana.panels import (
    COUNT,
    PER_SECOND,
    RATIO,
    SECONDS,
    FallingThresholds,
    Query,
    Thresholds,
    board,
    quantiles,
    rate,
    stat_panel,
    timeseries_panel,
    variable,
)

SELECTED = 'provider="$provider"'
LOOKUPS = f'bouquet_bus_calls_total{{{SELECTED}, request="lookup"}}'
ANSWERED = f'bouquet_bus_calls_total{{{SELECTED}, request="lookup", outcome=~"found|not_found|rejected"}}'

DASHBOARD = board(
    "provider",
    "Fournisseur",
    "Un fournisseur vu depuis la passerelle, depuis son worker et à travers son API.",
    [
        stat_panel(
            "Demandes traitées",
            RATIO,
            f"{rate(ANSWERED)} / {rate(LOOKUPS)}",
            FallingThresholds(0.99, 0.95),
            help="Part des demandes auxquelles le fournisseur a répondu : trouvé, inconnu ou refusé.",
        ),
        stat_panel(
            "Temps de réponse (p95)",
            SECONDS,
            quantiles(f'bouquet_bus_call_seconds_bucket{{{SELECTED}, request="lookup"}}', of=[0.95])[0].expr,
            Thresholds(2, 5),
        ),
        stat_panel(
            "Disjoncteurs ouverts",
            COUNT,
            f"sum(bouquet_upstream_breaker_open{{{SELECTED}}})",
            Thresholds(1, 1),
            help="Un par API et par processus. Les appels échouent alors sans être envoyés au fournisseur.",
            decimals=0,
        ),
        stat_panel(
            "Workers",
            COUNT,
            f"count(bouquet_worker_concurrency{{{SELECTED}}}) or vector(0)",
            FallingThresholds(2, 1),
            decimals=0,
        ),
        timeseries_panel(
            "Demandes par résultat", PER_SECOND, Query(rate(LOOKUPS, "outcome"), "{{outcome}}"), stacked=True
        ),
        timeseries_panel(
            "Échecs et refus par cause",
            PER_SECOND,
            Query(
                rate(f'bouquet_bus_calls_total{{{SELECTED}, request="lookup", fault!=""}}', "fault, reason"),
                "{{reason}} ({{fault}})",
            ),
            help="Entre parenthèses, le responsable : provider (le fournisseur), platform (la plateforme), caller "
            "(l'appelant).",
            stacked=True,
        ),
        timeseries_panel(
            "Temps de réponse vu de la passerelle",
            SECONDS,
            *quantiles(f'bouquet_bus_call_seconds_bucket{{{SELECTED}, request="lookup"}}'),
            exemplars=True,
        ),
        timeseries_panel(
            "API du fournisseur : temps de réponse par route (p95)",
            SECONDS,
            *quantiles(
                f"bouquet_upstream_seconds_bucket{{{SELECTED}}}", "upstream, route", [0.95], "{{upstream}} {{route}}"
            ),
            exemplars=True,
        ),
        timeseries_panel(
            "API du fournisseur : appels par résultat",
            PER_SECOND,
            Query(rate(f"bouquet_upstream_calls_total{{{SELECTED}}}", "upstream, outcome"), "{{upstream}} {{outcome}}"),
            Query(
                rate(f"bouquet_upstream_repeats_total{{{SELECTED}}}", "upstream"), "{{upstream}} : nouvelles tentatives"
            ),
        ),
        timeseries_panel(
            "Temps d'attente dans la file", SECONDS, *quantiles(f"bouquet_worker_queue_seconds_bucket{{{SELECTED}}}")
        ),
        timeseries_panel(
            "Délai restant au début du traitement",
            SECONDS,
            *quantiles(f"bouquet_worker_deadline_left_seconds_bucket{{{SELECTED}}}", of=[0.01, 0.5]),
            help="À zéro, la demande n'est plus traitée.",
        ),
        timeseries_panel(
            "Occupation des workers",
            COUNT,
            Query(f"sum(bouquet_worker_requests_in_flight{{{SELECTED}}})", "en cours"),
            Query(f"sum(bouquet_worker_concurrency{{{SELECTED}}})", "places"),
        ),
    ],
    [
        variable(
            "provider",
            "Fournisseur",
            'label_values(bouquet_bus_calls_total{request="lookup"}, provider)',
            several=False,
        )
    ],
)
