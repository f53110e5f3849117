"""Dashboard of the gateways: requests and answers, free capacity, connections, memory and CPU."""

from __future__ import annotations

from deploy.grafana.panels import (
    COUNT,
    PER_SECOND,
    SECONDS,
    Query,
    board,
    quantiles,
    rate,
    timeseries_panel,
    variable,
)

REQUESTS = 'bouquet_gateway_requests_total{operation=~"$operation"}'
TOKENS = "token_.*|session_.*|insufficient_scopes|ip_forbidden"
CLOSED_EARLY = '{job=~".*gateway.*", reason!="idle"}'
GATEWAYS = '{job=~".*gateway.*"}'

DASHBOARD = board(
    "gateway",
    "Passerelle",
    "Ce que les appelants demandent et reçoivent, la capacité restante, les connexions et les ressources de la "
    "machine.",
    [
        timeseries_panel(
            "Requêtes par opération", PER_SECOND, Query(rate(REQUESTS, "operation"), "{{operation}}"), stacked=True
        ),
        timeseries_panel(
            "Requêtes par version du contrat",
            PER_SECOND,
            Query(rate(REQUESTS, "version"), "{{version}}"),
            help="Sans version : les points d'accès propres à la passerelle, comme /api/pings.",
            stacked=True,
        ),
        timeseries_panel(
            "Requêtes par statut HTTP", PER_SECOND, Query(rate(REQUESTS, "status"), "{{status}}"), stacked=True
        ),
        timeseries_panel(
            "Temps de réponse par opération (p95)",
            SECONDS,
            *quantiles(
                'bouquet_gateway_request_seconds_bucket{operation=~"$operation"}', "operation", [0.95], "{{operation}}"
            ),
            exemplars=True,
        ),
        timeseries_panel(
            "Surcoût de la plateforme",
            SECONDS,
            *quantiles("bouquet_gateway_overhead_seconds_bucket"),
            help="Temps passé dans la passerelle, le registre et le cache, sans celui du fournisseur.",
        ),
        timeseries_panel(
            "Erreurs renvoyées aux appelants",
            PER_SECOND,
            Query(f"topk(10, {rate('bouquet_gateway_problems_total', 'reason, fault')})", "{{reason}} ({{fault}})"),
            Query(rate(f"bouquet_http_requests_refused_total{GATEWAYS}", "reason"), "{{reason}} (requête illisible)"),
            help="Les dix causes les plus fréquentes, suivies du responsable : platform (la plateforme), provider (le "
            "fournisseur) ou caller (l'appelant). Requête illisible : refusée avant tout traitement.",
        ),
        timeseries_panel(
            "Jetons refusés",
            PER_SECOND,
            Query(rate(f'bouquet_gateway_problems_total{{reason=~"{TOKENS}"}}', "reason"), "{{reason}}"),
            Query(rate('bouquet_gateway_problems_total{reason="too_many_requests"}'), "limite de débit dépassée"),
            Query(rate("bouquet_gateway_unknown_bearers_total", "result"), "inconnus : {{result}}"),
            Query(rate("bouquet_gateway_unknown_recipients_total", "result"), "éditeurs, sans délégation : {{result}}"),
            help="Jetons inconnus — refused : réponse 401 ; slowed : adresse ralentie après trop de jetons inconnus ; "
            "too_many : trop de vérifications simultanées. Éditeurs — refused : le destinataire n'a rien délégué ; "
            "slowed : éditeur ralenti après trop de tels appels.",
        ),
        timeseries_panel(
            "Requêtes en cours et refusées",
            COUNT,
            Query("sum(bouquet_gateway_requests_in_flight)", "en cours"),
            Query("sum(bouquet_gateway_max_requests)", "places"),
            Query(f"sum(bouquet_bus_calls_pending{GATEWAYS})", "en attente d'une réponse du bus"),
            Query(rate("bouquet_gateway_refused_total", "reason, provider"), "refusées/s : {{reason}} {{provider}}"),
            Query(f"sum(bouquet_http_connections{GATEWAYS})", "connexions"),
            Query(
                rate(f"bouquet_http_connections_closed_total{CLOSED_EARLY}", "reason"),
                "connexions fermées/s : {{reason}}",
            ),
            help="Quand toutes les places sont prises, les requêtes suivantes sont refusées (00529). Une connexion qui "
            "dépasse une limite (BOUQUET_HTTP_…) est fermée ; les fermetures pour inactivité ne sont pas comptées.",
        ),
        timeseries_panel(
            "Cache",
            PER_SECOND,
            Query(rate("bouquet_gateway_cache_lookups_total", "result"), "{{result}}"),
            stacked=True,
        ),
        timeseries_panel(
            "Connexions aux services",
            COUNT,
            Query("min(bouquet_bus_connected)", "courtier"),
            Query("min(bouquet_outbox_connected)", "courtier (journal)"),
            Query("min by (store) (bouquet_gateway_store_up)", "{{store}}"),
            help="1 : tous les processus sont connectés ; 0 : l'un d'eux au moins ne l'est pas.",
        ),
        timeseries_panel(
            "Retard de la boucle d'événements (p99)",
            SECONDS,
            *quantiles(f"bouquet_event_loop_lag_seconds_bucket{GATEWAYS}", "instance", [0.99], "{{instance}}"),
            help="Par processus : chaque opération attend au moins ce temps. Un retard durable signale un processeur "
            "saturé.",
        ),
        timeseries_panel(
            "Processeur, mémoire et tâches par processus",
            COUNT,
            Query(f"rate(process_cpu_seconds_total{GATEWAYS}[$__rate_interval])", "cœurs {{instance}}"),
            Query(f"process_resident_memory_bytes{GATEWAYS} / 1e9", "Go {{instance}}"),
            Query(f"bouquet_tasks{GATEWAYS} / 1e3", "milliers de tâches {{instance}}"),
        ),
    ],
    [variable("operation", "Opération", "label_values(bouquet_gateway_requests_total, operation)")],
)
