"""How each resource fares, as `/api/{resource}/ping` tells callers, and whether workers keep to what they offer."""

from __future__ import annotations

from deploy.grafana.panels import COUNT, PER_SECOND, SECONDS, Query, board, curves, quantiles, rate

LOOKUPS = 'bouquet_worker_requests_total{request="lookup"}'


def in_state(state: str) -> str:
    """Whether some gateway tells it so."""
    return f'max by (resource) (bouquet_gateway_resource_state{{state="{state}"}})'


DASHBOARD = board(
    "resources",
    "Ressources et contrats",
    "L'état de chaque ressource, tel que l'annonce /api/{ressource}/ping, et la tenue des offres.",
    [
        curves(
            "Ressources en panne",
            COUNT,
            Query(in_state("bad_gateway"), "{{resource}}"),
            help="1 : un appel sur dix au moins a échoué ces dix dernières minutes, d'après une passerelle au moins.",
        ),
        curves("Ressources en maintenance annoncée", COUNT, Query(in_state("maintenance"), "{{resource}}")),
        curves(
            "Ressources d'état inconnu",
            COUNT,
            Query(in_state("unknown"), "{{resource}}"),
            help="Aucun appel récent, et aucun worker ne répond.",
        ),
        curves(
            "Réponses des workers par issue",
            PER_SECOND,
            Query(rate(LOOKUPS, "provider, outcome"), "{{provider}} {{outcome}}"),
            stacked=True,
        ),
        curves(
            "Temps passé dans le worker (p95)",
            SECONDS,
            *quantiles('bouquet_worker_request_seconds_bucket{request="lookup"}', "provider", [0.95], "{{provider}}"),
        ),
        curves(
            "Ce qui n'est pas servi d'une offre",
            COUNT,
            Query(
                "sum by (provider, reason) (increase(bouquet_gateway_offers_refused_total[1h]))",
                "{{provider}} : {{reason}}",
            ),
            help="En une heure. Le journal de la passerelle nomme l'opération.",
        ),
        curves(
            "Réponses hors de leur offre",
            PER_SECOND,
            Query(rate("bouquet_gateway_replies_reshaped_total", "provider, result"), "{{provider}} {{result}}"),
            help="refused : l'appelant n'a pas de données ; trimmed : sans les champs que l'offre ne nomme pas.",
        ),
        curves(
            "Réponses refusées pour leur taille ou leurs mots",
            PER_SECOND,
            Query(rate("bouquet_gateway_replies_refused_total", "provider, excess"), "{{provider}} : {{excess}}"),
            help="Le worker en dit trop : la réponse n'est pas lue, et l'appelant n'a pas de données.",
        ),
    ],
)
