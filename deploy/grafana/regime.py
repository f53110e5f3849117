"""Dashboard of the gateway's choice between CAF and MSA, two providers of the quotient familial (docs/adr/0003)."""

from __future__ import annotations

from deploy.grafana.panels import (
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

DECISIONS = "bouquet_gateway_regime_decisions_total"
FOUND = DECISIONS + '{provider!="none"}'
BY_MSA = DECISIONS + '{provider="msa"}'
DECIDED_BY_HINT = DECISIONS + '{source="hint"}'
DOUBLE_ATTACHMENTS = 'bouquet_gateway_regime_anomalies_total{anomaly="double_rattachement"}'
FUNDS = 'provider=~"cnaf|msa", request="lookup"'
OPERATION = 'operation=~".*quotient_familial.*"'

DASHBOARD = board(
    "regime",
    "Régime du quotient familial",
    "CAF ou MSA : lequel des deux organismes connaît la personne, comment il a été déterminé, et les contradictions.",
    [
        stat_panel(
            "Régime déterminé",
            RATIO,
            f"{rate(FOUND)} / {rate(DECISIONS)}",
            help="Part des demandes où la personne a été trouvée. Le reste : inconnue des deux, ou l'un des deux n'a "
            "pas répondu.",
        ),
        stat_panel(
            "Régime déjà connu",
            RATIO,
            f"({rate(DECIDED_BY_HINT)} or vector(0)) / {rate(DECISIONS)}",
            help="Part des demandes où une réponse précédente indiquait l'organisme : un seul est interrogé, au lieu "
            "de deux.",
        ),
        stat_panel("Part de la MSA", RATIO, f"({rate(BY_MSA)} or vector(0)) / {rate(FOUND)}"),
        stat_panel(
            "Doubles rattachements",
            COUNT,
            f"sum(increase({DOUBLE_ATTACHMENTS}[$__range])) or vector(0)",
            Thresholds(1, 100),
            help="Personnes connues des deux organismes, sur la période affichée.",
            decimals=0,
        ),
        timeseries_panel(
            "Décisions par régime", PER_SECOND, Query(rate(DECISIONS, "provider"), "{{provider}}"), stacked=True
        ),
        timeseries_panel(
            "Décisions par mode de détermination",
            PER_SECOND,
            Query(rate(DECISIONS, "source"), "{{source}}"),
            help="hint : réponse précédente ; first : premier organisme interrogé ; second : le second ; both : les "
            "deux réponses "
            "étaient nécessaires.",
            stacked=True,
        ),
        timeseries_panel(
            "Réponses contradictoires",
            PER_SECOND,
            Query(rate("bouquet_gateway_regime_anomalies_total", "anomaly"), "{{anomaly}}"),
        ),
        timeseries_panel(
            "Demandes par organisme et par résultat",
            PER_SECOND,
            Query(
                rate(f"bouquet_bus_calls_total{{{FUNDS}}}", "provider, outcome"),
                "{{provider}} {{outcome}}",
            ),
        ),
        timeseries_panel(
            "Temps de réponse par organisme (p95)",
            SECONDS,
            *quantiles(
                f"bouquet_bus_call_seconds_bucket{{{FUNDS}}}",
                "provider",
                [0.95],
                "{{provider}}",
            ),
            exemplars=True,
        ),
        timeseries_panel(
            "Temps de réponse du quotient familial",
            SECONDS,
            *quantiles(f"bouquet_gateway_request_seconds_bucket{{{OPERATION}}}"),
            exemplars=True,
        ),
    ],
)
