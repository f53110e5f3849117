"""Dashboard of the access journal. Its panels follow a record from the gateway's spool (records on disk, not yet sent)
through RabbitMQ to the registry's chain of hashes (docs/adr/0011)."""

from __future__ import annotations

from deploy.grafana.panels import (
    BYTES,
    COUNT,
    PER_SECOND,
    RATIO,
    SECONDS,
    Query,
    Thresholds,
    board,
    quantiles,
    rate,
    stat_panel,
    timeseries_panel,
)

QUEUE = '{queue="bouquet.journal"}'

DASHBOARD = board(
    "journal",
    "Journal des accès",
    "Du tampon d'une passerelle à la chaîne du registre. Une passerelle dont le tampon est plein refuse les appels.",
    [
        stat_panel(
            "Remplissage du tampon",
            RATIO,
            "max(bouquet_gateway_journal_spool_bytes / bouquet_gateway_journal_spool_max_bytes)",
            Thresholds(0.5, 0.8),
            help="Sur la passerelle dont le tampon est le plus plein. À 95 %, elle refuse les appels (00521).",
        ),
        stat_panel(
            "Plus ancien accès non envoyé",
            SECONDS,
            "max(bouquet_gateway_journal_oldest_seconds)",
            Thresholds(60, 600),
            decimals=0,
        ),
        stat_panel(
            "Appels refusés faute de journal",
            COUNT,
            "sum(increase(bouquet_gateway_journal_refused_total[$__range]))",
            Thresholds(1, 1),
            help="Sur la période affichée, parce que l'accès ne pouvait pas être journalisé.",
            decimals=0,
        ),
        stat_panel(
            "Accès mis de côté",
            COUNT,
            'sum(increase(bouquet_registry_journal_records_total{outcome="aside"}[$__range])) or vector(0)',
            Thresholds(1, 1),
            help="Sur la période affichée : accès que cette version du registre ne sait pas lire. Après une mise à "
            "jour : "
            "bouquet-registry journal readmit.",
            decimals=0,
        ),
        timeseries_panel(
            "Accès journalisés",
            PER_SECOND,
            Query(rate("bouquet_gateway_journal_written_total"), "écrits dans les tampons"),
            Query(rate("bouquet_gateway_journal_sent_total"), "confirmés par le courtier"),
            Query(rate("bouquet_registry_journal_records_total", "outcome"), "registre : {{outcome}}"),
            Query(rate("bouquet_gateway_journal_unrecorded_total"), "sans jeton reconnu, non journalisés"),
        ),
        timeseries_panel(
            "Garde-fous désactivés",
            COUNT,
            Query("max by (instance, setting) (bouquet_gateway_safeguard_off)", "{{instance}} {{setting}}"),
            help="1 : un réglage de cette passerelle désactive le journal ou la vérification des jetons.",
        ),
        timeseries_panel(
            "Taille des tampons",
            BYTES,
            Query("bouquet_gateway_journal_spool_bytes", "{{instance}}"),
        ),
        timeseries_panel(
            "Envois non confirmés",
            PER_SECOND,
            Query(rate("bouquet_gateway_journal_send_failures_total"), "tentatives sans confirmation du courtier"),
        ),
        timeseries_panel(
            "File du journal",
            COUNT,
            Query(f"sum(rabbitmq_detailed_queue_messages_ready{QUEUE})", "en attente"),
            Query(f"sum(rabbitmq_detailed_queue_messages_unacked{QUEUE})", "en cours d'écriture"),
        ),
        timeseries_panel(
            "Retard d'écriture",
            SECONDS,
            Query("time() - max(bouquet_registry_journal_newest_timestamp_seconds > 0)", "âge du dernier accès écrit"),
            help="En l'absence d'appels, il augmente sans que ce soit une anomalie.",
        ),
        timeseries_panel(
            "Accès supprimés en fin de conservation",
            COUNT,
            Query("sum(increase(bouquet_registry_journal_pruned_total[1d]))", "supprimés"),
            Query("max(bouquet_registry_journal_pruning_failed)", "échec (1)"),
            help="En un jour. La durée de conservation est BOUQUET_REGISTRY_JOURNAL_KEEP_MONTHS.",
        ),
        timeseries_panel(
            "Durée d'écriture d'un lot", SECONDS, *quantiles("bouquet_registry_journal_batch_seconds_bucket")
        ),
    ],
)
