"""Dashboard of RabbitMQ, with metrics of RabbitMQ's own plugin: `/metrics`, and `/metrics/detailed` for single
queues."""

from __future__ import annotations

from deploy.grafana.panels import (
    BYTES,
    COUNT,
    PER_SECOND,
    RATIO,
    FallingThresholds,
    Query,
    Thresholds,
    board,
    rate,
    stat_panel,
    timeseries_panel,
)

QUEUES = '{queue=~"bouquet[.](q[.].+|journal)"}'

DASHBOARD = board(
    "broker",
    "Courtier RabbitMQ",
    "L'état du courtier de messages et de chacune des files de Bouquet.",
    [
        stat_panel("Nœuds", COUNT, "count(count by (instance) (rabbitmq_build_info))", decimals=0),
        stat_panel("Connexions", COUNT, "sum(rabbitmq_connections)", decimals=0),
        stat_panel(
            "Mémoire",
            RATIO,
            "max(rabbitmq_process_resident_memory_bytes / rabbitmq_resident_memory_limit_bytes)",
            Thresholds(0.7, 0.9),
            help="Part de la mémoire autorisée, sur le nœud le plus chargé. À 100 %, il n'accepte plus de messages.",
        ),
        stat_panel(
            "Espace disque disponible",
            BYTES,
            "min(rabbitmq_disk_space_available_bytes - rabbitmq_disk_space_available_limit_bytes)",
            FallingThresholds(1e9, 1e8),
            help="Au-dessus du seuil d'alarme, sur le nœud le moins bien pourvu.",
            decimals=1,
        ),
        timeseries_panel(
            "Consommateurs par file",
            COUNT,
            Query(f"sum by (queue) (rabbitmq_detailed_queue_consumers{QUEUES})", "{{queue}}"),
            help="À zéro, aucun processus ne traite les messages de cette file.",
        ),
        timeseries_panel(
            "Messages en attente par file",
            COUNT,
            Query(f"sum by (queue) (rabbitmq_detailed_queue_messages_ready{QUEUES})", "{{queue}}"),
        ),
        timeseries_panel(
            "Messages en cours de traitement par file",
            COUNT,
            Query(f"sum by (queue) (rabbitmq_detailed_queue_messages_unacked{QUEUES})", "{{queue}}"),
        ),
        timeseries_panel(
            "Messages par seconde",
            PER_SECOND,
            Query(rate("rabbitmq_global_messages_received_total"), "reçus"),
            Query(rate("rabbitmq_global_messages_delivered_total"), "distribués"),
            Query(rate("rabbitmq_global_messages_redelivered_total"), "redistribués"),
        ),
        timeseries_panel(
            "Messages sans destinataire",
            PER_SECOND,
            Query(rate("rabbitmq_global_messages_unroutable_returned_total"), "retournés : aucun worker"),
            Query(
                rate("rabbitmq_global_messages_unroutable_dropped_total"), "abandonnés : la passerelle n'attend plus"
            ),
            Query(rate("bouquet_bus_late_replies_total"), "réponses arrivées trop tard"),
        ),
        timeseries_panel(
            "Connexions ouvertes et fermées",
            PER_SECOND,
            Query(rate("rabbitmq_connections_opened_total"), "ouvertes"),
            Query(rate("rabbitmq_connections_closed_total"), "fermées"),
        ),
        timeseries_panel(
            "Canaux et files", COUNT, Query("sum(rabbitmq_channels)", "canaux"), Query("sum(rabbitmq_queues)", "files")
        ),
        timeseries_panel(
            "Alarmes",
            COUNT,
            Query("max(rabbitmq_alarms_memory_used_watermark)", "mémoire"),
            Query("max(rabbitmq_alarms_free_disk_space_watermark)", "disque"),
            Query("max(rabbitmq_alarms_file_descriptor_limit)", "descripteurs de fichiers"),
        ),
    ],
)
