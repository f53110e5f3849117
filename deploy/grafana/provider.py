"""Dashboard of one provider, which the viewer chooses."""

from __future__ import annotations

from deploy.grafana.panels import (
    COUNT,
    PER_SECOND,
    RATIO,
    SECONDS,
    Falling,
    Query,
    Steps,
    board,
    curves,
    figure,
    quantiles,
    rate,
    variable,
)

OF = 'provider="$provider"'
LOOKUPS = f'bouquet_bus_calls_total{{{OF}, request="lookup"}}'
ANSWERED = f'bouquet_bus_calls_total{{{OF}, request="lookup", outcome=~"found|not_found|rejected"}}'

DASHBOARD = board(
    "provider",
    "Fournisseur",
    "Un fournisseur vu depuis la passerelle, depuis son worker et à travers son API.",
    [
        figure(
            "Demandes traitées",
            RATIO,
            f"{rate(ANSWERED)} / {rate(LOOKUPS)}",
            Falling(0.99, 0.95),
            help="Part des demandes auxquelles le fournisseur a répondu : trouvé, inconnu ou refusé.",
        ),
        figure(
            "Temps de réponse (p95)",
            SECONDS,
            quantiles(f'bouquet_bus_call_seconds_bucket{{{OF}, request="lookup"}}', of=[0.95])[0].expr,
            Steps(2, 5),
        ),
        figure(
            "Disjoncteurs ouverts",
            COUNT,
            f"sum(bouquet_upstream_breaker_open{{{OF}}})",
            Steps(1, 1),
            help="Un par API et par processus. Les appels échouent alors sans être envoyés au fournisseur.",
            decimals=0,
        ),
        figure("Workers", COUNT, f"count(bouquet_worker_concurrency{{{OF}}}) or vector(0)", Falling(2, 1), decimals=0),
        curves("Demandes par résultat", PER_SECOND, Query(rate(LOOKUPS, "outcome"), "{{outcome}}"), stacked=True),
        curves(
            "Échecs et refus par cause",
            PER_SECOND,
            Query(
                rate(f'bouquet_bus_calls_total{{{OF}, request="lookup", fault!=""}}', "fault, reason"),
                "{{reason}} ({{fault}})",
            ),
            help="Entre parenthèses, le responsable : provider (le fournisseur), platform (la plateforme), caller "
            "(l'appelant).",
            stacked=True,
        ),
        curves(
            "Temps de réponse vu de la passerelle",
            SECONDS,
            *quantiles(f'bouquet_bus_call_seconds_bucket{{{OF}, request="lookup"}}'),
            exemplars=True,
        ),
        curves(
            "API du fournisseur : temps de réponse par route (p95)",
            SECONDS,
            *quantiles(f"bouquet_upstream_seconds_bucket{{{OF}}}", "upstream, route", [0.95], "{{upstream}} {{route}}"),
            exemplars=True,
        ),
        curves(
            "API du fournisseur : appels par résultat",
            PER_SECOND,
            Query(rate(f"bouquet_upstream_calls_total{{{OF}}}", "upstream, outcome"), "{{upstream}} {{outcome}}"),
            Query(rate(f"bouquet_upstream_repeats_total{{{OF}}}", "upstream"), "{{upstream}} : nouvelles tentatives"),
        ),
        curves("Temps d'attente dans la file", SECONDS, *quantiles(f"bouquet_worker_queue_seconds_bucket{{{OF}}}")),
        curves(
            "Délai restant au début du traitement",
            SECONDS,
            *quantiles(f"bouquet_worker_deadline_left_seconds_bucket{{{OF}}}", of=[0.01, 0.5]),
            help="À zéro, la demande n'est plus traitée.",
        ),
        curves(
            "Occupation des workers",
            COUNT,
            Query(f"sum(bouquet_worker_requests_in_flight{{{OF}}})", "en cours"),
            Query(f"sum(bouquet_worker_concurrency{{{OF}}})", "places"),
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
