"""Is all well, and if not, whose trouble is it?"""

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
    ranking,
    rate,
)

BUDGET = 0.0001
"""Of 99.99 %: the share of requests that may fail by our fault."""
REQUESTS = "bouquet_gateway_requests_total"
LOOKUPS = 'bouquet_bus_calls_total{request="lookup"}'
FAILED = 'bouquet_bus_calls_total{request="lookup", outcome="failed"}'
PROVIDERS_FAULTS = 'bouquet_bus_calls_total{request="lookup", fault="provider"}'


def failed_by_us(window: str) -> str:
    """The share of calls that had no data by our fault, of those that are not their callers' errors, nor probes: what
    is promised, and what deploy/prometheus/rules/slo.yaml watches."""
    ours = f'sum(rate({REQUESTS}{{fault="platform"}}[{window}])) or vector(0)'
    failed = f'rate({REQUESTS}{{fault=~"platform|provider"}}[{window}])'
    served = f'rate({REQUESTS}{{fault="", operation!="none"}}[{window}])'
    return f"({ours}) / sum({failed} or {served})"


DASHBOARD = board(
    "overview",
    "Vue d'ensemble",
    "Les quatre signaux de la passerelle, son budget d'erreur, et le fournisseur en cause.",
    [
        figure(
            "Disponibilité",
            RATIO,
            f"1 - {failed_by_us('$__range')}",
            Falling(0.9999, 0.999),
            help="Sur la période affichée, hors fautes des fournisseurs et des appelants. Objectif : 99,99 %.",
            decimals=3,
        ),
        figure(
            "Consommation du budget d'erreur",
            COUNT,
            f"{failed_by_us('1h')} / {BUDGET}",
            Steps(1, 14.4),
            help="Sur une heure. À 1, le budget dure sa période ; à 14,4, celui d'un mois part en deux jours.",
        ),
        figure(
            "Latence ajoutée (p99)",
            SECONDS,
            quantiles("bouquet_gateway_overhead_seconds_bucket", of=[0.99])[0].expr,
            Steps(0.05, 0.25),
            help="Ce qu'une requête attend en plus du fournisseur.",
            decimals=1,
        ),
        figure(
            "Fournisseurs entendus",
            COUNT,
            "count(max by (provider) (bouquet_gateway_provider_operations) > 0)",
            decimals=0,
            help="Parmi ceux que la passerelle a le droit de servir.",
        ),
        curves("Trafic par statut", PER_SECOND, Query(rate(REQUESTS, "status"), "{{status}}"), stacked=True),
        curves(
            "Latence des réponses",
            SECONDS,
            *quantiles("bouquet_gateway_request_seconds_bucket"),
            help="Un point est un exemple : il mène à sa trace.",
            exemplars=True,
        ),
        curves(
            "Réponses sans données, par responsable",
            PER_SECOND,
            Query(rate(f'{REQUESTS}{{fault!=""}}', "fault"), "{{fault}}"),
            help="platform : Bouquet ; provider : un fournisseur ; caller : l'appelant.",
            stacked=True,
        ),
        curves(
            "Saturation",
            RATIO,
            Query("max(bouquet_gateway_requests_in_flight / bouquet_gateway_max_requests)", "passerelle"),
            Query(
                "max by (provider) (bouquet_gateway_calls_in_flight)"
                " / on () group_left () max(bouquet_gateway_max_calls_per_provider)",
                "{{provider}}",
            ),
            help="Part des places prises. À 100 %, les requêtes suivantes sont refusées.",
        ),
        curves(
            "Consommation du budget, par fenêtre",
            COUNT,
            *[Query(f"{failed_by_us(window)} / {BUDGET}", window) for window in ("5m", "1h", "6h")],
        ),
        ranking(
            "Fournisseurs en cause",
            RATIO,
            Query(
                f"sort_desc({rate(PROVIDERS_FAULTS, 'provider')} / {rate(LOOKUPS, 'provider')})",
                "{{provider}}",
            ),
            help="Part des questions qu'un fournisseur n'a pas su traiter.",
        ),
        curves(
            "Échecs par fournisseur et cause",
            PER_SECOND,
            Query(rate(FAILED, "provider, reason"), "{{provider}} {{reason}}"),
        ),
        curves(
            "Attente par fournisseur (p95)",
            SECONDS,
            *quantiles('bouquet_bus_call_seconds_bucket{request="lookup"}', "provider", [0.95], "{{provider}}"),
            exemplars=True,
        ),
    ],
)
