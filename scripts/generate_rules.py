"""Writes deploy/k8s/base/rules.yaml: a Kubernetes manifest with all Prometheus rules in deploy/prometheus/rules. A test
in tests/deploy fails if the file is not up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
RULES = ROOT / "deploy" / "prometheus" / "rules"
MANIFEST = ROOT / "deploy" / "k8s" / "base" / "rules.yaml"
HEADER = "# Written by scripts/generate_rules.py from deploy/prometheus/rules.\n"


def document() -> str:
    manifest = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "bouquet"},
        "spec": {"groups": groups()},
    }
    return HEADER + yaml.safe_dump(manifest, allow_unicode=True, sort_keys=False, width=120)


def groups() -> list[dict[str, Any]]:
    return [group for file in sorted(RULES.glob("*.yaml")) for group in yaml.safe_load(file.read_bytes())["groups"]]


if __name__ == "__main__":
    MANIFEST.write_text(document(), encoding="utf-8")
