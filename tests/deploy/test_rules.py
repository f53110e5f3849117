"""Tests that each rule about Kubernetes manifests finds the fault that a test puts into a manifest."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.deploy import schemas
from tests.deploy.environment import Mounted, environment, mounted, startup_error
from tests.deploy.manifests import OVERLAYS, Manifest, pods, rendered
from tests.deploy.rules import RULES
from tests.support.reference import needs

Break = Callable[[dict[str, Any]], object]

GATEWAY = "StatefulSet gateway"


def spec_of_pod(manifest: Manifest) -> dict[str, Any]:
    spec: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return spec


def container_of(manifest: Manifest) -> dict[str, Any]:
    container: dict[str, Any] = spec_of_pod(manifest)["containers"][0]
    return container


def in_pod(**changes: Any) -> Break:
    return lambda manifest: spec_of_pod(manifest).update(changes)


def in_container(**changes: Any) -> Break:
    return lambda manifest: container_of(manifest).update(changes)


def in_security(**changes: Any) -> Break:
    return lambda manifest: container_of(manifest)["securityContext"].update(changes)


def in_secret(**changes: Any) -> Break:
    return lambda manifest: spec_of_pod(manifest)["volumes"][0]["secret"].update(changes)


def in_spec(**changes: Any) -> Break:
    return lambda manifest: manifest["spec"].update(changes)


def without(key: str) -> Break:
    return lambda manifest: container_of(manifest).pop(key)


NOBODY = {"matchLabels": {"app.kubernetes.io/component": "nobody"}}
LIMITS_ALONE = {"limits": {"cpu": "1", "memory": "1Gi"}}

BREAKS: list[tuple[str, str, Break]] = [
    ("no service account token", GATEWAY, in_pod(automountServiceAccountToken=True)),
    ("no service links", GATEWAY, in_pod(enableServiceLinks=True)),
    ("not root", GATEWAY, in_pod(securityContext={"runAsNonRoot": True, "runAsUser": 0})),
    ("not root", GATEWAY, in_pod(securityContext={})),
    ("a seccomp profile", GATEWAY, in_pod(securityContext={"seccompProfile": {"type": "Unconfined"}})),
    ("nothing of the host", GATEWAY, in_pod(hostNetwork=True)),
    ("nothing of the host", GATEWAY, in_pod(volumes=[{"name": "root", "hostPath": {"path": "/"}}])),
    ("grace is longer than the drain", GATEWAY, in_pod(terminationGracePeriodSeconds=20)),
    ("grace is longer than the drain", "Deployment worker-cnaf", in_pod(terminationGracePeriodSeconds=10)),
    ("not privileged", GATEWAY, in_security(privileged=True)),
    ("not privileged", GATEWAY, in_security(allowPrivilegeEscalation=True)),
    ("not privileged", GATEWAY, in_security(capabilities={"add": ["NET_ADMIN"]})),
    ("a read-only root", GATEWAY, in_security(readOnlyRootFilesystem=False)),
    ("scratch volumes have a size limit", GATEWAY, in_pod(volumes=[{"name": "spool", "emptyDir": {}}])),
    ("requests and limits", GATEWAY, in_container(resources=LIMITS_ALONE)),
    ("requests and limits", GATEWAY, without("resources")),
    ("a version, and not latest", GATEWAY, in_container(image="registry.example.org:5000/gateway")),
    ("a version, and not latest", GATEWAY, in_container(image="gateway:latest")),
    ("probes", GATEWAY, without("readinessProbe")),
    ("probes", GATEWAY, without("livenessProbe")),
    ("secrets are read by their process alone", GATEWAY, in_secret(defaultMode=0o444)),
    ("secrets are read by their process alone", GATEWAY, in_secret(defaultMode=None)),
    ("secrets are read by their process alone", GATEWAY, in_pod(securityContext={"runAsGroup": 10001})),
    ("a process has its own secrets alone", GATEWAY, in_secret(secretName="registry")),
    (
        "a process has its own secrets alone",
        "Deployment worker-msa",
        in_container(envFrom=[{"secretRef": {"name": "worker-cnaf"}}]),
    ),
    (
        "people's keys are in no process that stays",
        "Deployment registry",
        in_container(
            env=[{"name": "BOUQUET_REGISTRY_JOURNAL_KEYS_FILE", "value": "/run/secrets/bouquet/journal-keys"}]
        ),
    ),
    (
        "people's keys are in no process that stays",
        "Deployment registry",
        in_container(env=[{"name": "BOUQUET_REGISTRY_SIGNING_KEY", "value": "1"}]),
    ),
    (
        "people's keys are in no process that stays",
        "Deployment api",
        in_container(
            env=[{"name": "BOUQUET_REGISTRY_JOURNAL_KEYS_FILE", "value": "/run/secrets/bouquet/journal-keys"}]
        ),
    ),
    ("people's keys are in no process that stays", "Deployment journal", in_secret(secretName="admin")),
    ("people's keys are in no process that stays", "Deployment journal", in_secret(secretName="migration")),
    ("policies select something", "NetworkPolicy gateway", in_spec(podSelector=NOBODY)),
    ("policies select something", "NetworkPolicy gateway", in_spec(egress=[{"to": [{"podSelector": NOBODY}]}])),
    ("all is denied by default", "NetworkPolicy default-deny", in_spec(policyTypes=["Ingress"])),
    ("all is denied by default", "NetworkPolicy default-deny", in_spec(egress=[{}])),
    ("budgets select one workload", "PodDisruptionBudget gateway", in_spec(selector=NOBODY)),
    ("budgets select one workload", "PodDisruptionBudget gateway", in_spec(selector={})),
    ("services lead somewhere", "Service gateway", in_spec(selector=NOBODY["matchLabels"])),
    ("services lead somewhere", "Service gateway", in_spec(ports=[{"port": 80, "targetPort": "https"}])),
    ("monitors see something", "ServiceMonitor gateway", in_spec(selector=NOBODY)),
    ("monitors see something", "PodMonitor workers", in_spec(podMetricsEndpoints=[])),
    ("scalers scale something", "HorizontalPodAutoscaler gateway", in_spec(scaleTargetRef={"name": "gate"})),
    ("scalers scale something", "ScaledObject worker-msa", in_spec(scaleTargetRef={"name": "worker-cnaf"})),
    ("scalers scale something", "TriggerAuthentication broker", lambda it: it["metadata"].update(name="other")),
]


def broken(what: str, break_it: Break) -> list[Manifest]:
    manifests = copy.deepcopy(rendered(OVERLAYS["production"]))
    [manifest] = (each for each in manifests if f"{each['kind']} {each['metadata']['name']}" == what)
    break_it(manifest)
    return manifests


@pytest.mark.parametrize(("rule", "what", "break_it"), BREAKS)
def test_a_manifest_rule_finds_the_fault_made_for_it(rule: str, what: str, break_it: Break) -> None:
    assert list(RULES[rule](broken(what, break_it)))


def test_every_manifest_rule_has_a_faulty_example() -> None:
    assert {rule for rule, _, _ in BREAKS} == set(RULES)


@pytest.mark.parametrize(
    ("what", "break_it"),
    [
        (GATEWAY, in_spec(replicas="two")),
        (GATEWAY, in_pod(terminationGraceSeconds=5)),
        ("PodDisruptionBudget gateway", in_spec(maxUnavailable=[])),
        ("NetworkPolicy gateway", in_spec(policyTypes="Egress")),
    ],
)
def test_a_kubernetes_schema_refuses_a_faulty_manifest(what: str, break_it: Break) -> None:
    assert [objection for manifest in broken(what, break_it) if (objection := _of_kubernetes(manifest))]


@needs(schemas.CRDS)
@pytest.mark.parametrize(
    ("what", "break_it"),
    [
        ("ScaledObject worker-cnaf", in_spec(maxReplicaCount="ten")),
        ("ServiceMonitor gateway", in_spec(selector=None)),
        ("RabbitmqCluster broker", in_spec(replicas="three")),
    ],
)
def test_an_operators_schema_refuses_a_faulty_manifest(what: str, break_it: Break) -> None:
    custom = [manifest for manifest in broken(what, break_it) if schemas.is_custom(manifest)]
    assert [objection for manifest in custom if (objection := schemas.objection_to(manifest))]


def test_a_setting_in_a_manifest_that_no_process_reads_is_refused(tmp_path: Path) -> None:
    assert troubles_with({"BOUQUET_CNAF_HUB_URI": "https://cnaf.example.org"}, tmp_path) == [
        "BOUQUET_CNAF_HUB_URI: unknown setting; is it BOUQUET_CNAF_HUB_URL?"
    ]


def test_a_setting_given_twice_in_a_manifest_is_refused(tmp_path: Path) -> None:
    [trouble] = troubles_with({"BOUQUET_CNAF_HUB_CLIENT_SECRET": "known to all"}, tmp_path)
    assert "given twice" in trouble


def test_a_secret_that_is_not_mounted_is_found() -> None:
    [pod] = (pod for pod in pods(rendered(OVERLAYS["production"])) if pod.owner == GATEWAY)
    variables = {"BOUQUET_BUS_URL_FILE": "/run/secrets/bouquet/bus-url", "BOUQUET_CACHE_URL_FILE": "/etc/cache-url"}
    assert mounted(pod, pod.containers[0], variables) == {
        "BOUQUET_BUS_URL_FILE": Mounted("gateway", "bus-url"),
        "BOUQUET_CACHE_URL_FILE": None,
    }


def troubles_with(added: dict[str, str], tmp_path: Path) -> list[str]:
    """Returns the problems that the CNAF's worker would report at its start with production's settings and the
    variables `added`."""
    manifests = rendered(OVERLAYS["production"])
    [pod] = (pod for pod in pods(manifests) if pod.labels.get("bouquet/provider") == "cnaf")
    return startup_error("cnaf", "cnaf", environment(pod.containers[0], manifests, {}) | added, tmp_path)


def _of_kubernetes(manifest: Manifest) -> str:
    return "" if schemas.is_custom(manifest) else schemas.objection_to(manifest)
