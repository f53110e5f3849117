"""Dashboard of the API's resources: their states, requests for dossiers (several lookups in one request), and workers'
malformed replies."""

from __future__ import annotations

from deploy.grafana.panels import COUNT, PER_SECOND, SECONDS, Query, board, quantiles, rate, timeseries_panel

DOSSIERS = 'operation="dossiers"'
LOOKUPS = 'bouquet_worker_requests_total{request="lookup"}'


def in_state(state: str) -> str:
    """Returns PromQL whose result is 1 for each resource that at least one gateway reports to be in `state`, such as
    `maintenance`."""
    return f'max by (resource) (bouquet_gateway_resource_state{{state="{state}"}})'


DASHBOARD = board(
    "resources",
    "Ressources et contrats",
    "L'état de chaque ressource, tel que /api/{ressource}/ping l'indique, les dossiers, et la conformité des réponses "
    "aux offres.",
    [
        timeseries_panel(
            "Ressources en panne",
            COUNT,
            Query(in_state("bad_gateway"), "{{resource}}"),
            help="1 : d'après au moins une passerelle, un appel sur dix ou plus a échoué au cours des dix dernières "
            "minutes.",
        ),
        timeseries_panel("Ressources en maintenance annoncée", COUNT, Query(in_state("maintenance"), "{{resource}}")),
        timeseries_panel(
            "Ressources dans un état inconnu",
            COUNT,
            Query(in_state("unknown"), "{{resource}}"),
            help="Trop peu d'appels récents pour conclure, ou aucun appel et aucun worker qui réponde.",
        ),
        timeseries_panel(
            "Réponses des workers par résultat",
            PER_SECOND,
            Query(rate(LOOKUPS, "provider, outcome"), "{{provider}} {{outcome}}"),
            stacked=True,
        ),
        timeseries_panel(
            "Temps de traitement dans le worker (p95)",
            SECONDS,
            *quantiles('bouquet_worker_request_seconds_bucket{request="lookup"}', "provider", [0.95], "{{provider}}"),
        ),
        timeseries_panel(
            "Dossiers",
            PER_SECOND,
            Query(rate(f"bouquet_gateway_requests_total{{{DOSSIERS}}}"), "dossiers"),
            Query(rate("bouquet_gateway_dossier_parts_total", "status"), "ressources : {{status}}"),
            help="Plusieurs ressources en un appel. Chaque ressource demandée compte une fois, sous son statut ; celle "
            "d'un for_each, une fois par personne.",
        ),
        timeseries_panel(
            "Temps de réponse des dossiers",
            SECONDS,
            *quantiles(f"bouquet_gateway_request_seconds_bucket{{{DOSSIERS}}}"),
        ),
        timeseries_panel(
            "Éléments d'offre refusés",
            COUNT,
            Query(
                "sum by (provider, reason) (increase(bouquet_gateway_offers_refused_total[1h]))",
                "{{provider}} : {{reason}}",
            ),
            help="En une heure. Ces opérations ne sont pas servies ; les logs de la passerelle les nomment.",
        ),
        timeseries_panel(
            "Réponses non conformes à l'offre",
            PER_SECOND,
            Query(rate("bouquet_gateway_replies_reshaped_total", "provider, result"), "{{provider}} {{result}}"),
            help="refused : l'appelant reçoit une erreur ; trimmed : les champs absents de l'offre ont été retirés.",
        ),
        timeseries_panel(
            "Réponses hors limites",
            PER_SECOND,
            Query(rate("bouquet_gateway_replies_refused_total", "provider, excess"), "{{provider}} : {{excess}}"),
            help="Réponse trop volumineuse, ou message d'erreur hors du format permis : elle n'est pas lue, et "
            "l'appelant reçoit une erreur.",
        ),
    ],
)
