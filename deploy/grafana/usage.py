"""Dashboard of habilitations (administrations' rights to call operations) and of the calls made with each. Shows
nothing about the persons concerned."""

from __future__ import annotations

from deploy.grafana.panels import (
    COUNT,
    PER_SECOND,
    RATIO,
    Query,
    Thresholds,
    bar_gauge_panel,
    board,
    rate,
    stat_panel,
    timeseries_panel,
    variable,
)

SELECTED = 'habilitation=~"$habilitation", operation=~"$operation"'
ACCESSES = f"bouquet_registry_accesses_total{{{SELECTED}}}"
ANSWERED = f'bouquet_registry_accesses_total{{{SELECTED}, outcome=~"found|not_found"}}'
FAILED = f'bouquet_registry_accesses_total{{{SELECTED}, outcome="failed"}}'
REFUSED = f'bouquet_registry_accesses_total{{{SELECTED}, outcome="refused"}}'
PROVIDERS = "topk by (operation) (1, bouquet_gateway_operation_info)"
"""PromQL that gives the provider of each operation, in the label `provider`."""
# Several gateways may export the same operation; `topk` keeps one series of it.
NAMES = "topk by (habilitation) (1, bouquet_registry_habilitation_info)"


def named(by_habilitation: str) -> str:
    """Returns PromQL that adds the name of the administration to each series of `by_habilitation`, as the label `name`.
    The series must have the label `habilitation`."""
    return f"{by_habilitation} * on (habilitation) group_left (name) {NAMES}"


def by_provider(by_operation: str) -> str:
    """Returns PromQL that sums the series of `by_operation` by habilitation and provider. `by_operation` is PromQL with
    one series for each habilitation and operation."""
    return f"sum by (habilitation, provider) ({by_operation} * on (operation) group_left (provider) {PROVIDERS})"


DASHBOARD = board(
    "usage",
    "Habilitations et usages",
    "Les habilitations du registre et les appels de leurs titulaires, d'après le journal des accès.",
    [
        stat_panel(
            "Habilitations actives",
            COUNT,
            'max(bouquet_registry_habilitations{state="active"})',
            decimals=0,
        ),
        stat_panel("Jetons en vigueur", COUNT, "max(bouquet_registry_tokens)", decimals=0),
        stat_panel(
            "Jetons utilisés expirant sous 30 jours",
            COUNT,
            'max(bouquet_registry_tokens_expiring{within_days="30"})',
            Thresholds(1, 50),
            decimals=0,
        ),
        stat_panel(
            "Appels aboutis",
            RATIO,
            f"{rate(ANSWERED)} / {rate(ACCESSES)}",
            help="Part des appels journalisés dont le résultat est « trouvé » ou « inconnu ».",
        ),
        bar_gauge_panel(
            "Principaux appelants",
            COUNT,
            Query(
                f"topk(10, {named(f'sum by (habilitation) (increase({ACCESSES}[$__range]))')})",
                "{{name}}",
            ),
            help="Appels sur la période affichée.",
        ),
        timeseries_panel(
            "Appels par habilitation",
            PER_SECOND,
            Query(f"topk(10, {named(rate(ACCESSES, 'habilitation'))})", "{{name}}"),
            stacked=True,
        ),
        timeseries_panel(
            "Appels par opération", PER_SECOND, Query(rate(ACCESSES, "operation"), "{{operation}}"), stacked=True
        ),
        timeseries_panel(
            "Appels par résultat", PER_SECOND, Query(rate(ACCESSES, "outcome"), "{{outcome}}"), stacked=True
        ),
        timeseries_panel(
            "Appels refusés par habilitation",
            PER_SECOND,
            Query(f"topk(10, {named(rate(REFUSED, 'habilitation'))})", "{{name}}"),
            help="Refus imputables à l'appelant : jeton, droits, limite de débit, paramètres.",
        ),
        timeseries_panel(
            "Appels en échec par habilitation et fournisseur",
            PER_SECOND,
            Query(
                f"topk(10, {named(by_provider(rate(FAILED, 'habilitation, operation')))})",
                "{{name}} : {{provider}}",
            ),
            help="Échecs imputables au fournisseur ou à la plateforme : les administrations touchées par la panne de "
            "chaque fournisseur.",
        ),
        timeseries_panel(
            "Jetons utilisés par échéance",
            COUNT,
            Query("max by (within_days) (bouquet_registry_tokens_expiring)", "sous {{within_days}} jours"),
        ),
        timeseries_panel(
            "Événements DataPass et avis d'expiration",
            COUNT,
            Query("sum by (outcome) (increase(bouquet_registry_webhooks_total[1h]))", "DataPass {{outcome}}"),
            Query("max(bouquet_registry_events_aside)", "DataPass : mis de côté"),
            Query("sum by (outcome) (increase(bouquet_registry_notices_total[1h]))", "avis {{outcome}}"),
            help="En une heure.",
        ),
    ],
    [
        variable("habilitation", "Habilitation", "label_values(bouquet_registry_accesses_total, habilitation)"),
        variable("operation", "Opération", "label_values(bouquet_registry_accesses_total, operation)"),
    ],
)
