"""Tests that Prometheus accepts the alert rules, and that each rule has a unit test, annotations in French and a
runbook."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

import bouquet_worker.metrics  # noqa: F401
from bouquet_proto.failures import FAILURES
from tests.deploy.alert_mesh import RULES
from tests.deploy.causes import FIRED_BY, FIRED_IN_A_CLUSTER
from tests.deploy.fast_rules import shortened_durations
from tests.deploy.manifests import ROOT
from tests.deploy.promtool import promtool

UNIT_TESTS = sorted((ROOT / "deploy" / "prometheus" / "tests").glob("*.yaml"))
RUNBOOKS = ROOT / "docs" / "runbooks"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in RUNBOOKS.glob("*.md") if path.stem != "README"}
TEMPLATE = re.compile(r"\{\{.*?\}\}")
BREAKABLE = re.compile(r" [:;!?%»]|« ")
INDEX = (RUNBOOKS / "README.md").read_text(encoding="utf-8")


def rules_in(files: list[Path]) -> list[dict[str, Any]]:
    groups = (group for file in files for group in yaml.safe_load(file.read_bytes())["groups"])
    return [rule for group in groups for rule in group["rules"]]


ALERTS = [rule for rule in rules_in(RULES) if "alert" in rule]
NAMES = sorted({alert["alert"] for alert in ALERTS})


def test_prometheus_accepts_the_rules() -> None:
    promtool("check", "rules", *RULES)


@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.stem)
def test_the_rules_pass_their_unit_tests(file: Path) -> None:
    promtool("test", "rules", file)


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_has_a_unit_test_in_which_it_fires_and_one_in_which_it_does_not(name: str) -> None:
    tests = [test for file in UNIT_TESTS for test in yaml.safe_load(file.read_bytes())["tests"]]
    told = [bool(case["exp_alerts"]) for test in tests for case in test.get("alert_rule_test", [])
            if case["alertname"] == name]  # fmt: skip
    told += [bool(case["exp_samples"]) for test in tests for case in test.get("promql_expr_test", [])
             if "ALERTS" in case["expr"] and name in str(test)]  # fmt: skip
    assert set(told) == {True, False}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert['alert']} {alert['labels']['severity']}")
def test_every_alert_has_a_severity_a_meaning_and_a_runbook(alert: dict[str, Any]) -> None:
    name, annotations = alert["alert"], alert["annotations"]
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert annotations["summary"] and annotations["description"].endswith(".")
    assert annotations["runbook_url"].endswith(f"/docs/runbooks/{name}.md")
    assert f"[{name}]({name}.md) | {severity_of(name)} |" in INDEX


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert['alert']} {alert['labels']['severity']}")
def test_an_alert_s_french_has_no_break_spaces(alert: dict[str, Any]) -> None:
    words = TEMPLATE.sub("", f"{alert['annotations']['summary']} {alert['annotations']['description']}")
    assert not BREAKABLE.search(words)


def severity_of(name: str) -> str:
    words = [alert["labels"]["severity"] for alert in ALERTS if alert["alert"] == name]
    found = re.search(r"^.*Severity: (.*)\.$", PAGES[name], re.MULTILINE)
    assert found and all(word in found[1] for word in words) and ("page" in found[1]) == ("page" in words)
    return found[1]


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert sorted(PAGES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_runbook_has_its_three_sections(name: str) -> None:
    headings = ["## What the caller sees, and how to confirm", "## What to do"]
    assert re.findall(r"^## .*$", PAGES[name], re.MULTILINE) == headings
    links = re.findall(r"\]\((\w+\.md)\)", PAGES[name])
    assert all((RUNBOOKS / link).exists() for link in links)


def test_the_metrics_that_runbooks_name_exist() -> None:
    page = runpy.run_path(str(ROOT / "scripts" / "generate_metrics.py"))
    declared = {metric.name for module in page["MODULES"].values() for metric in page["metrics"](module)}
    named = set(re.findall(r"\b(bouquet_[a-z_]+?)(?:_bucket|_count|_sum)?\b", "\n".join([*PAGES.values(), INDEX])))
    assert named & declared and named - declared == {"bouquet_proto"}


def test_a_burn_of_availability_is_looked_up_by_every_reason_that_is_the_platform_s() -> None:
    table = [line.split("|")[1] for line in PAGES["AvailabilityBurning"].splitlines() if line.startswith("| `")]
    told = {reason for cell in table for reason in re.findall(r"`(\w+)`", cell)}
    assert told == {reason for reason, row in FAILURES.items() if row.fault == "platform"}


def test_the_manifest_of_rules_is_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "generate_rules.py"))["document"]()
    manifest = ROOT / "deploy" / "k8s" / "base" / "rules.yaml"
    assert manifest.read_text(encoding="utf-8") == made, "run scripts/generate_rules.py"


def test_every_alert_is_caused_in_a_test() -> None:
    caused = {alert[:2] for alerts in [*FIRED_BY.values(), FIRED_IN_A_CLUSTER] for alert in alerts}
    assert caused == {(alert["alert"], alert["labels"]["severity"]) for alert in ALERTS}


def test_the_hastened_rules_differ_from_the_real_ones_in_times_alone() -> None:
    rule = "expr: sum(rate(calls[5m])) > 10 and rate(calls[3d] offset 5m)\nfor: 2m\nsummary: pendant [trente] 5m\n"
    made = (
        "expr: sum(rate(calls[3000ms])) > 10 and rate(calls[8000ms] offset 3000ms)\nfor: 1200ms\n"
        "summary: pendant [trente] 5m\n"
    )
    assert shortened_durations(rule) == made
