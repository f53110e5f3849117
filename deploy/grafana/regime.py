"""How the gateway tells whose allocataire a person is (docs/adr/0003)."""

from __future__ import annotations

from deploy.grafana.panels import (
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

DECISIONS = "bouquet_gateway_regime_decisions_total"
FOUND = DECISIONS + '{provider!="none"}'
BY_MSA = DECISIONS + '{provider="msa"}'
HINTED = DECISIONS + '{source="hint"}'
TWICE = 'bouquet_gateway_regime_anomalies_total{anomaly="double_rattachement"}'
FUNDS = 'provider=~"cnaf|msa", request="lookup"'
OPERATION = 'operation=~".*quotient_familial.*"'

DASHBOARD = board(
    "regime",
    "Régime du quotient familial",
    "CAF ou MSA : qui a trouvé, comment on l'a su, et quand les deux se contredisent.",
    [
        figure(
            "Décidé par une réponse",
            RATIO,
            f"{rate(FOUND)} / {rate(DECISIONS)}",
            help="Le reste : personne n'est trouvé, ou une caisse s'est tue.",
        ),
        figure(
            "Indices utilisés",
            RATIO,
            f"({rate(HINTED)} or vector(0)) / {rate(DECISIONS)}",
            help="Un appel à une caisse au lieu de deux.",
        ),
        figure("Part de la MSA", RATIO, f"({rate(BY_MSA)} or vector(0)) / {rate(FOUND)}"),
        figure(
            "Doubles rattachements",
            COUNT,
            f"sum(increase({TWICE}[$__range])) or vector(0)",
            Steps(1, 100),
            help="Connu des deux caisses, sur la période affichée.",
            decimals=0,
        ),
        curves("Décisions par régime", PER_SECOND, Query(rate(DECISIONS, "provider"), "{{provider}}"), stacked=True),
        curves(
            "Comment le régime a été su",
            PER_SECOND,
            Query(rate(DECISIONS, "source"), "{{source}}"),
            help="hint : indice ; first : première caisse ; second : seconde ; both : il a fallu les deux.",
            stacked=True,
        ),
        curves(
            "Réponses contradictoires",
            PER_SECOND,
            Query(rate("bouquet_gateway_regime_anomalies_total", "anomaly"), "{{anomaly}}"),
        ),
        curves(
            "Issues par caisse",
            PER_SECOND,
            Query(
                rate(f"bouquet_bus_calls_total{{{FUNDS}}}", "provider, outcome"),
                "{{provider}} {{outcome}}",
            ),
        ),
        curves(
            "Attente par caisse (p95)",
            SECONDS,
            *quantiles(
                f"bouquet_bus_call_seconds_bucket{{{FUNDS}}}",
                "provider",
                [0.95],
                "{{provider}}",
            ),
            exemplars=True,
        ),
        curves(
            "Latence du quotient familial",
            SECONDS,
            *quantiles(f"bouquet_gateway_request_seconds_bucket{{{OPERATION}}}"),
            exemplars=True,
        ),
    ],
)
