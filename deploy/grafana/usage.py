"""Who is allowed to ask, and who does. Of people, nothing: a habilitation is an administration."""

from __future__ import annotations

from deploy.grafana.panels import (
    COUNT,
    PER_SECOND,
    RATIO,
    Query,
    Steps,
    board,
    curves,
    figure,
    ranking,
    rate,
    variable,
)

OF = 'habilitation=~"$habilitation", operation=~"$operation"'
ACCESSES = f"bouquet_registry_accesses_total{{{OF}}}"
ANSWERED = f'bouquet_registry_accesses_total{{{OF}, outcome=~"found|not_found"}}'
REFUSED = f'bouquet_registry_accesses_total{{{OF}, outcome="refused"}}'
NAMES = "topk by (habilitation) (1, bouquet_registry_habilitation_info)"


def named(by_habilitation: str) -> str:
    """With the name of each habilitation's administration, where the registry tells it."""
    return f"{by_habilitation} * on (habilitation) group_left (name) {NAMES}"


DASHBOARD = board(
    "usage",
    "Habilitations et usages",
    "Les habilitations du registre, et ce que leurs titulaires demandent, d'après le journal des accès.",
    [
        figure(
            "Habilitations actives",
            COUNT,
            'max(bouquet_registry_habilitations{state="active"})',
            decimals=0,
        ),
        figure("Jetons en vigueur", COUNT, "max(bouquet_registry_tokens)", decimals=0),
        figure(
            "Jetons utilisés qui expirent sous 30 jours",
            COUNT,
            'max(bouquet_registry_tokens_expiring{within_days="30"})',
            Steps(1, 50),
            decimals=0,
        ),
        figure(
            "Appels avec données",
            RATIO,
            f"{rate(ANSWERED)} / {rate(ACCESSES)}",
            help="Trouvé ou inconnu, parmi tous les appels journalisés.",
        ),
        ranking(
            "Principaux usagers",
            COUNT,
            Query(
                f"topk(10, {named(f'sum by (habilitation) (increase({ACCESSES}[$__range]))')})",
                "{{name}}",
            ),
            help="Appels sur la période affichée.",
        ),
        curves(
            "Appels par habilitation",
            PER_SECOND,
            Query(f"topk(10, {named(rate(ACCESSES, 'habilitation'))})", "{{name}}"),
            stacked=True,
        ),
        curves("Appels par opération", PER_SECOND, Query(rate(ACCESSES, "operation"), "{{operation}}"), stacked=True),
        curves("Appels par issue", PER_SECOND, Query(rate(ACCESSES, "outcome"), "{{outcome}}"), stacked=True),
        curves(
            "Appels refusés par habilitation",
            PER_SECOND,
            Query(f"topk(10, {named(rate(REFUSED, 'habilitation'))})", "{{name}}"),
            help="Par la faute de l'appelant : jeton, droits, débit, paramètres.",
        ),
        curves(
            "Habilitations par état",
            COUNT,
            Query("max by (state) (bouquet_registry_habilitations)", "{{state}}"),
        ),
        curves(
            "Jetons utilisés, par échéance",
            COUNT,
            Query("max by (within_days) (bouquet_registry_tokens_expiring)", "{{within_days}} jours"),
        ),
        curves(
            "Webhooks de DataPass et préavis d'expiration",
            COUNT,
            Query("sum by (outcome) (increase(bouquet_registry_webhooks_total[1h]))", "DataPass {{outcome}}"),
            Query("sum by (outcome) (increase(bouquet_registry_notices_total[1h]))", "préavis {{outcome}}"),
            help="En une heure.",
        ),
    ],
    [
        variable("habilitation", "Habilitation", "label_values(bouquet_registry_accesses_total, habilitation)"),
        variable("operation", "Opération", "label_values(bouquet_registry_accesses_total, operation)"),
    ],
)
