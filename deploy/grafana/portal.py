"""Dashboard of the portal, the public site."""

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

REQUESTS = "bouquet_portal_requests_total"
FAILED = f'{REQUESTS}{{status=~"5.."}}'
REFUSED = f'{REQUESTS}{{status=~"4.."}}'
AGE = "max by (document) (time() - bouquet_portal_document_read_timestamp_seconds)"
FAILURES = "bouquet_portal_reading_failures_total"

DASHBOARD = board(
    "portal",
    "Portail",
    "Ce que les visiteurs demandent au portail, et la fraîcheur des documents qu'il lit sur la passerelle.",
    [
        stat_panel("Instances du portail", COUNT, "sum(bouquet_portal_ready)", FallingThresholds(2, 1), decimals=0),
        stat_panel("Pages par seconde", PER_SECOND, rate(REQUESTS)),
        stat_panel(
            "Pages en erreur",
            COUNT,
            f"sum(increase({FAILED}[$__range]))",
            Thresholds(1, 50),
            help="Sur la période affichée : réponses 5xx.",
            decimals=0,
        ),
        stat_panel(
            "Document le plus ancien",
            SECONDS,
            f"max({AGE})",
            Thresholds(300, 900),
            help="Temps écoulé depuis sa dernière lecture sur la passerelle.",
            decimals=0,
        ),
        timeseries_panel(
            "Pages par statut HTTP", PER_SECOND, Query(rate(REQUESTS, "status"), "{{status}}"), stacked=True
        ),
        timeseries_panel(
            "Pages les plus demandées", PER_SECOND, Query(f"topk(10, {rate(REQUESTS, 'route')})", "{{route}}")
        ),
        timeseries_panel(
            "Pages en erreur par route",
            PER_SECOND,
            Query(rate(FAILED, "route, status"), "{{route}} {{status}}"),
            help="500 : une panne du portail ; 502 et 503 : la passerelle ou le bac à sable ne répond pas.",
        ),
        timeseries_panel(
            "Durée des pages",
            SECONDS,
            *quantiles("bouquet_portal_request_seconds_bucket"),
        ),
        timeseries_panel("Âge des documents", SECONDS, Query(AGE, "{{document}}")),
        timeseries_panel(
            "Lectures en échec",
            PER_SECOND,
            Query(rate(FAILURES, "document"), "{{document}}"),
            help="Le portail continue d'afficher le dernier document lu.",
        ),
        timeseries_panel(
            "Demandes refusées",
            PER_SECOND,
            Query(rate(REFUSED, "status"), "{{status}}"),
            help="404 : page inconnue ; 429 : trop d'appels au bac à sable.",
        ),
        timeseries_panel(
            "Courriels aux éditeurs",
            PER_SECOND,
            Query(rate("bouquet_portal_mails_total", "result"), "{{result}}"),
            help="deferred : le serveur de messagerie ne répond pas, l'envoi sera retenté ; refused : adresse refusée.",
        ),
    ],
)
