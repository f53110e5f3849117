"""The gateway's own processes: what callers ask and are told, its room, its stores, its machine."""

from __future__ import annotations

from deploy.grafana.panels import (
    COUNT,
    PER_SECOND,
    SECONDS,
    Query,
    board,
    curves,
    quantiles,
    rate,
    variable,
)

REQUESTS = 'bouquet_gateway_requests_total{operation=~"$operation"}'
TOKENS = "token_.*|session_.*|insufficient_scopes|ip_forbidden"
CUT = '{job=~".*gateway.*", reason!="idle"}'
OURS = '{job=~".*gateway.*"}'

DASHBOARD = board(
    "gateway",
    "Passerelle",
    "Ce que les appelants demandent et reçoivent, la place qui reste, les réserves et la machine.",
    [
        curves("Requêtes par opération", PER_SECOND, Query(rate(REQUESTS, "operation"), "{{operation}}"), stacked=True),
        curves(
            "Requêtes par version du contrat",
            PER_SECOND,
            Query(rate(REQUESTS, "version"), "{{version}}"),
            help="Sans version : les services de la passerelle elle-même.",
            stacked=True,
        ),
        curves("Requêtes par statut", PER_SECOND, Query(rate(REQUESTS, "status"), "{{status}}"), stacked=True),
        curves(
            "Latence par opération (p95)",
            SECONDS,
            *quantiles(
                'bouquet_gateway_request_seconds_bucket{operation=~"$operation"}', "operation", [0.95], "{{operation}}"
            ),
            exemplars=True,
        ),
        curves("Latence ajoutée", SECONDS, *quantiles("bouquet_gateway_overhead_seconds_bucket")),
        curves(
            "Erreurs dites aux appelants",
            PER_SECOND,
            Query(f"topk(10, {rate('bouquet_gateway_problems_total', 'reason, fault')})", "{{reason}} ({{fault}})"),
            Query(rate(f"bouquet_http_requests_refused_total{OURS}", "reason"), "{{reason}} (illisible)"),
            help="Les dix causes les plus fréquentes ; entre parenthèses, le responsable, ou « illisible » pour ce qui "
            "est refusé avant d'être lu.",
        ),
        curves(
            "Jetons refusés",
            PER_SECOND,
            Query(rate(f'bouquet_gateway_problems_total{{reason=~"{TOKENS}"}}', "reason"), "{{reason}}"),
            Query(rate('bouquet_gateway_problems_total{reason="too_many_requests"}'), "débit dépassé"),
            Query(rate("bouquet_gateway_unknown_bearers_total", "result"), "inconnus : {{result}}"),
            help="Inconnus : refused, 401 ; slowed, adresse qui en a trop présenté ; too_many, trop à la fois.",
        ),
        curves(
            "Requêtes en cours et refusées",
            COUNT,
            Query("sum(bouquet_gateway_requests_in_flight)", "en cours"),
            Query("sum(bouquet_gateway_max_requests)", "places"),
            Query(f"sum(bouquet_bus_calls_pending{OURS})", "attendent le bus"),
            Query(rate("bouquet_gateway_refused_total", "reason, provider"), "refus/s {{reason}} {{provider}}"),
            Query(f"sum(bouquet_http_connections{OURS})", "connexions"),
            Query(rate(f"bouquet_http_connections_closed_total{CUT}", "reason"), "connexions coupées/s {{reason}}"),
            help="Quand toutes les places sont prises, une requête de plus est refusée (00529). Une connexion est "
            "coupée quand elle dépasse une limite (BOUQUET_HTTP_…) ; l'inactivité n'est pas comptée ici.",
        ),
        curves(
            "Cache",
            PER_SECOND,
            Query(rate("bouquet_gateway_cache_lookups_total", "result"), "{{result}}"),
            stacked=True,
        ),
        curves(
            "Liens et réserves",
            COUNT,
            Query("min(bouquet_bus_connected)", "bus"),
            Query("min(bouquet_post_connected)", "journal"),
            Query("min by (store) (bouquet_gateway_store_up)", "{{store}}"),
            help="1 : tous les processus sont reliés ; 0 : l'un d'eux au moins ne l'est pas.",
        ),
        curves(
            "Retard de la boucle d'événements (p99)",
            SECONDS,
            *quantiles(f"bouquet_event_loop_lag_seconds_bucket{OURS}", "instance", [0.99], "{{instance}}"),
            help="Par processus de la passerelle ; tout ce qu'il fait attend autant.",
        ),
        curves(
            "Processeur, mémoire et tâches par processus",
            COUNT,
            Query(f"rate(process_cpu_seconds_total{OURS}[$__rate_interval])", "cœurs {{instance}}"),
            Query(f"process_resident_memory_bytes{OURS} / 1e9", "Go {{instance}}"),
            Query(f"bouquet_tasks{OURS} / 1e3", "milliers de tâches {{instance}}"),
        ),
    ],
    [variable("operation", "Opération", "label_values(bouquet_gateway_requests_total, operation)")],
)
