"""The access journal: from a gateway's spool, by the post, into the registry's chain (docs/adr/0011)."""

from __future__ import annotations

from deploy.grafana.panels import (
    BYTES,
    COUNT,
    PER_SECOND,
    RATIO,
    SECONDS,
    Query,
    Steps,
    board,
    curves,
    figure,
    quantiles,
    rate,
)

QUEUE = '{queue="bouquet.journal"}'

DASHBOARD = board(
    "journal",
    "Journal des accès",
    "De la réserve d'une passerelle à la chaîne du registre. Une réserve pleine arrête les réponses.",
    [
        figure(
            "Remplissage de la réserve",
            RATIO,
            "max(bouquet_gateway_journal_spool_bytes / bouquet_gateway_journal_spool_max_bytes)",
            Steps(0.5, 0.8),
            help="De la passerelle la plus pleine.",
        ),
        figure(
            "Plus ancien enregistrement non envoyé",
            SECONDS,
            "max(bouquet_gateway_journal_oldest_seconds)",
            Steps(60, 600),
            decimals=0,
        ),
        figure(
            "Réponses retenues",
            COUNT,
            "sum(increase(bouquet_gateway_journal_refused_total[$__range]))",
            Steps(1, 1),
            help="Faute de pouvoir les inscrire, sur la période affichée.",
            decimals=0,
        ),
        figure(
            "Mis de côté",
            COUNT,
            'sum(increase(bouquet_registry_journal_records_total{outcome="aside"}[$__range])) or vector(0)',
            Steps(1, 1),
            help="Ce que cette version du registre ne sait pas lire : bouquet-registry journal readmit.",
            decimals=0,
        ),
        curves(
            "Enregistrements",
            PER_SECOND,
            Query(rate("bouquet_gateway_journal_written_total"), "inscrits dans les réserves"),
            Query(rate("bouquet_gateway_journal_sent_total"), "confirmés par le courtier"),
            Query(rate("bouquet_registry_journal_records_total", "outcome"), "registre : {{outcome}}"),
            Query(rate("bouquet_gateway_journal_strangers_total"), "sans jeton, non inscrits"),
        ),
        curves(
            "Garde-fous ôtés",
            COUNT,
            Query("max by (instance, setting) (bouquet_gateway_safeguard_off)", "{{instance}} {{setting}}"),
            help="1 : un réglage de cette passerelle supprime le journal ou la vérification des jetons.",
        ),
        curves(
            "Taille des réserves",
            BYTES,
            Query("bouquet_gateway_journal_spool_bytes", "{{instance}}"),
        ),
        curves("Envois non confirmés", PER_SECOND, Query(rate("bouquet_gateway_journal_hold_ups_total"), "tentatives")),
        curves(
            "File du journal",
            COUNT,
            Query(f"sum(rabbitmq_detailed_queue_messages_ready{QUEUE})", "en attente"),
            Query(f"sum(rabbitmq_detailed_queue_messages_unacked{QUEUE})", "en cours d'écriture"),
        ),
        curves(
            "Retard d'écriture",
            SECONDS,
            Query(
                "time() - max(bouquet_registry_journal_newest_timestamp_seconds > 0)", "depuis l'appel le plus récent"
            ),
            help="Sans appels, il grandit sans que rien n'aille mal.",
        ),
        curves("Durée d'un lot", SECONDS, *quantiles("bouquet_registry_journal_batch_seconds_bucket")),
    ],
)
