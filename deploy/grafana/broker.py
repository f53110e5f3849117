"""RabbitMQ, by its own plugin: `/metrics`, and `/metrics/detailed` for what is told of each queue."""

from __future__ import annotations

from deploy.grafana.panels import (
    BYTES,
    COUNT,
    PER_SECOND,
    RATIO,
    Falling,
    Query,
    Steps,
    board,
    curves,
    figure,
    rate,
)

QUEUES = '{queue=~"bouquet[.](q[.].+|journal)"}'

DASHBOARD = board(
    "broker",
    "Courtier RabbitMQ",
    "Ce que le courtier dit de lui-même, et de chaque file de Bouquet.",
    [
        figure("Nœuds", COUNT, "count(rabbitmq_build_info)", decimals=0),
        figure("Connexions", COUNT, "sum(rabbitmq_connections)", decimals=0),
        figure(
            "Mémoire",
            RATIO,
            "max(rabbitmq_process_resident_memory_bytes / rabbitmq_resident_memory_limit_bytes)",
            Steps(0.7, 0.9),
            help="Part de la limite du nœud le plus chargé ; à 100 %, il n'accepte plus de messages.",
        ),
        figure(
            "Marge de disque",
            BYTES,
            "min(rabbitmq_disk_space_available_bytes - rabbitmq_disk_space_available_limit_bytes)",
            Falling(1e9, 1e8),
            decimals=1,
        ),
        curves(
            "Consommateurs par file",
            COUNT,
            Query(f"sum by (queue) (rabbitmq_detailed_queue_consumers{QUEUES})", "{{queue}}"),
            help="À zéro, les questions de cette file n'ont pas de réponse.",
        ),
        curves(
            "Messages en attente par file",
            COUNT,
            Query(f"sum by (queue) (rabbitmq_detailed_queue_messages_ready{QUEUES})", "{{queue}}"),
        ),
        curves(
            "Messages en cours par file",
            COUNT,
            Query(f"sum by (queue) (rabbitmq_detailed_queue_messages_unacked{QUEUES})", "{{queue}}"),
        ),
        curves(
            "Messages par seconde",
            PER_SECOND,
            Query(rate("rabbitmq_global_messages_received_total"), "reçus"),
            Query(rate("rabbitmq_global_messages_delivered_total"), "livrés"),
            Query(rate("rabbitmq_global_messages_redelivered_total"), "livrés à nouveau"),
        ),
        curves(
            "Messages sans destinataire",
            PER_SECOND,
            Query(rate("rabbitmq_global_messages_unroutable_returned_total"), "rendus : pas de worker"),
            Query(rate("rabbitmq_global_messages_unroutable_dropped_total"), "perdus : l'appelant est parti"),
            Query(rate("bouquet_bus_late_replies_total"), "réponses tardives"),
        ),
        curves(
            "Connexions ouvertes et fermées",
            PER_SECOND,
            Query(rate("rabbitmq_connections_opened_total"), "ouvertes"),
            Query(rate("rabbitmq_connections_closed_total"), "fermées"),
        ),
        curves(
            "Canaux et files", COUNT, Query("sum(rabbitmq_channels)", "canaux"), Query("sum(rabbitmq_queues)", "files")
        ),
        curves(
            "Alarmes",
            COUNT,
            Query("max(rabbitmq_alarms_memory_used_watermark)", "mémoire"),
            Query("max(rabbitmq_alarms_free_disk_space_watermark)", "disque"),
            Query("max(rabbitmq_alarms_file_descriptor_limit)", "descripteurs"),
        ),
    ],
)
