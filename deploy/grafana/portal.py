"""Dashboard of the portal, the public site."""

from __future__ import annotations

from deploy.grafana.panels import (
    COUNT,
    PER_SECOND,
    SECONDS,
    Falling,
    Query,
    Steps,
    board,
    curves,
    figure,
    quantiles,
    rate,
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
        figure("Instances du portail", COUNT, "sum(bouquet_portal_ready)", Falling(2, 1), decimals=0),
        figure("Pages par seconde", PER_SECOND, rate(REQUESTS)),
        figure(
            "Pages en erreur",
            COUNT,
            f"sum(increase({FAILED}[$__range]))",
            Steps(1, 50),
            help="Sur la période affichée : réponses 5xx.",
            decimals=0,
        ),
        figure(
            "Document le plus ancien",
            SECONDS,
            f"max({AGE})",
            Steps(300, 900),
            help="Temps écoulé depuis sa dernière lecture sur la passerelle.",
            decimals=0,
        ),
        curves("Pages par statut HTTP", PER_SECOND, Query(rate(REQUESTS, "status"), "{{status}}"), stacked=True),
        curves("Pages les plus demandées", PER_SECOND, Query(f"topk(10, {rate(REQUESTS, 'route')})", "{{route}}")),
        curves(
            "Pages en erreur par route",
            PER_SECOND,
            Query(rate(FAILED, "route, status"), "{{route}} {{status}}"),
            help="500 : une panne du portail ; 502 et 503 : la passerelle ou le bac à sable ne répond pas.",
        ),
        curves(
            "Durée des pages",
            SECONDS,
            *quantiles("bouquet_portal_request_seconds_bucket"),
        ),
        curves("Âge des documents", SECONDS, Query(AGE, "{{document}}")),
        curves(
            "Lectures en échec",
            PER_SECOND,
            Query(rate(FAILURES, "document"), "{{document}}"),
            help="Le portail continue d'afficher le dernier document lu.",
        ),
        curves(
            "Demandes refusées",
            PER_SECOND,
            Query(rate(REFUSED, "status"), "{{status}}"),
            help="404 : page inconnue ; 429 : trop d'appels au bac à sable.",
        ),
        curves(
            "Courriels aux éditeurs",
            PER_SECOND,
            Query(rate("bouquet_portal_mails_total", "result"), "{{result}}"),
            help="deferred : le serveur de messagerie ne répond pas, l'envoi sera retenté ; refused : adresse refusée.",
        ),
    ],
)
