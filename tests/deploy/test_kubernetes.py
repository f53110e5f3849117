"""Tests of every overlay and of every worker's folder of manifests: rendering, schemas, rules and settings."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from bouquet_gateway.lookup.maintenance import parse_windows
from tests.deploy import schemas
from tests.deploy.environment import SIMULATORS, Mounted, environment, mounted, program_of, startup_error
from tests.deploy.manifests import K8S, OVERLAYS, ROOT, WORKERS, Manifest, Pod, of_kind, pods, rendered, selects
from tests.deploy.rules import RULES
from tests.deploy.scaffold import made, rendered_scaffold
from tests.support.rabbitmq import CLUSTER, CLUSTER_ENVIRONMENT
from tests.support.reference import needs

FOLDERS = {**OVERLAYS, **{f"workers/{name}": path for name, path in WORKERS.items()}}
PAGE = (ROOT / "docs" / "operations" / "secrets.md").read_text(encoding="utf-8")


# What a cluster takes


@pytest.mark.parametrize("name", FOLDERS)
def test_the_manifests_match_the_schemas_of_kubernetes(name: str) -> None:
    manifests = [manifest for manifest in rendered(FOLDERS[name]) if not schemas.is_custom(manifest)]
    assert manifests
    assert [objection for manifest in manifests if (objection := schemas.objection_to(manifest))] == []


@needs(schemas.CRDS)
@pytest.mark.parametrize("name", ["production", "workers/cnaf"])
def test_the_manifests_match_the_schemas_of_operators(name: str) -> None:
    manifests = [manifest for manifest in rendered(FOLDERS[name]) if schemas.is_custom(manifest)]
    assert manifests
    assert [objection for manifest in manifests if (objection := schemas.objection_to(manifest))] == []


def test_the_sandbox_overlay_needs_no_kubernetes_operator() -> None:
    assert [manifest["kind"] for manifest in rendered(OVERLAYS["sandbox"]) if schemas.is_custom(manifest)] == []


def test_every_manifest_of_an_overlay_is_in_one_namespace() -> None:
    for overlay in OVERLAYS.values():
        manifests = rendered(overlay)
        [namespace] = (manifest["metadata"]["name"] for manifest in of_kind(manifests, "Namespace"))
        others = [manifest for manifest in manifests if manifest["kind"] != "Namespace"]
        assert {manifest["metadata"]["namespace"] for manifest in others} == {namespace}


def test_broker_nodes_have_the_settings_that_tests_of_clusters_use() -> None:
    [cluster] = of_kind(rendered(OVERLAYS["production"]), "RabbitmqCluster")
    for file, key in [(CLUSTER, "additionalConfig"), (CLUSTER_ENVIRONMENT, "envConfig")]:
        settings = {line for line in file.read_text().splitlines() if not line.startswith("#")}
        assert settings <= set(cluster["spec"]["rabbitmq"][key].splitlines())


# The rules


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("rule", RULES)
def test_an_overlay_follows_every_manifest_rule(overlay: str, rule: str) -> None:
    assert list(RULES[rule](rendered(OVERLAYS[overlay]))) == []


# Who reaches whom


@pytest.fixture(scope="module")
def production() -> list[Manifest]:
    return rendered(OVERLAYS["production"])


def reached(manifests: list[Manifest], component: str) -> list[dict[str, Any]]:
    return [
        peer
        for pod in pods(manifests)
        if pod.labels["app.kubernetes.io/component"] == component
        for policy in of_kind(manifests, "NetworkPolicy")
        if selects(policy["spec"]["podSelector"], pod.labels)
        for way in policy["spec"].get("egress", [])
        if {port["port"] for port in way["ports"]} != {53}
        for peer in way["to"]
    ]


COLLECTOR = {"namespaceSelector": {"matchLabels": {"bouquet/role": "tracing"}}}
BROKER = {"podSelector": {"matchLabels": {"app.kubernetes.io/component": "rabbitmq"}}}


def test_the_gateway_reaches_no_upstream(production: list[Manifest]) -> None:
    cache = {"ipBlock": {"cidr": "203.0.113.10/32"}}
    assert sorted(reached(production, "gateway"), key=str) == sorted([BROKER, cache, COLLECTOR], key=str)


def test_a_worker_reaches_the_broker_and_its_own_upstream(production: list[Manifest]) -> None:
    peers = [peer for peer in reached(production, "worker") if peer != COLLECTOR]
    upstreams = [peer["ipBlock"]["cidr"] for peer in peers if "ipBlock" in peer]
    assert len(upstreams) == len(set(upstreams)) == len(WORKERS)
    brokers = [peer for peer in peers if "podSelector" in peer]
    assert len(brokers) == len(WORKERS) and len(peers) == len(upstreams) + len(brokers)
    assert all(selects(peer["podSelector"], {"app.kubernetes.io/component": "rabbitmq"}) for peer in brokers)


def test_the_journal_reaches_the_broker_and_its_database(production: list[Manifest]) -> None:
    database = {"ipBlock": {"cidr": "203.0.113.20/32"}}
    assert sorted(reached(production, "journal"), key=str) == sorted([BROKER, database, COLLECTOR], key=str)


def test_the_registrys_api_reaches_its_database_and_no_broker(production: list[Manifest]) -> None:
    database = {"ipBlock": {"cidr": "203.0.113.20/32"}}
    assert sorted(reached(production, "api"), key=str) == sorted([database, COLLECTOR], key=str)


def test_the_portal_reaches_gateways_its_database_and_its_mail_server_and_no_broker(production: list[Manifest]) -> None:
    gateway = {"podSelector": {"matchLabels": {"app.kubernetes.io/component": "gateway"}}}
    stores = [{"ipBlock": {"cidr": f"203.0.113.{host}/32"}} for host in (20, 40, 50)]  # database, mail server, sandbox
    assert sorted(reached(production, "portal"), key=str) == sorted([gateway, *stores, COLLECTOR], key=str)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_jobs_for_people_are_suspended_and_have_a_deadline(overlay: str) -> None:
    [admin] = of_kind(rendered(OVERLAYS[overlay]), "CronJob")
    assert admin["spec"]["suspend"] is True
    assert 0 < admin["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] <= 3600
    [pod] = pods([admin])
    assert pod.spec["restartPolicy"] == "Never"


# What must not be lost


def test_the_journals_spool_outlives_its_pod(production: list[Manifest]) -> None:
    [gateway] = of_kind(production, "StatefulSet")
    [pod] = pods([gateway])
    [container] = pod.containers
    spool = environment(container, production, {})["BOUQUET_GATEWAY_JOURNAL_SPOOL"]
    [volume] = (mount["name"] for mount in container["volumeMounts"] if mount["mountPath"] == spool)
    assert [claim["metadata"]["name"] for claim in gateway["spec"]["volumeClaimTemplates"]] == [volume]
    assert set(gateway["spec"]["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}


# Settings and secrets


def containers(manifests: list[Manifest]) -> Iterator[tuple[Pod, dict[str, Any]]]:
    for pod in pods(manifests):
        yield from ((pod, each) for each in pod.all_containers if program_of(each) not in ("", SIMULATORS))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_process_accepts_its_settings(overlay: str, providers: dict[str, dict[str, str]], tmp_path: Path) -> None:
    manifests = rendered(OVERLAYS[overlay])
    settings = {f"providers-{name.replace('_', '-')}": variables for name, variables in providers.items()}
    troubles = {}
    for pod, container in containers(manifests):
        variables = environment(container, manifests, settings)
        provider = pod.labels.get("bouquet/provider", "")
        troubles[pod.owner, container["name"]] = startup_error(
            program_of(container), provider, variables, tmp_path, container.get("args", ())
        )
    processes = {"gateway", "registry", "registry's migrate", "journal", "api", "portal", "portal's migrate", "admin"}
    assert len(troubles) == len(processes) + len(WORKERS)
    assert {owner: trouble for owner, trouble in troubles.items() if trouble} == {}


def used(overlay: str) -> set[Mounted]:
    """Returns the secret files to which an overlay's settings refer. Fails if a setting names a path at which no secret
    is mounted."""
    manifests = rendered(OVERLAYS[overlay])
    found: set[Mounted] = set()
    for pod, container in containers(manifests):
        files = mounted(pod, container, environment(container, manifests, {}))
        assert None not in files.values(), (pod.owner, files)
        found |= {file for file in files.values() if file}
    return found


def test_production_announces_the_known_maintenance_windows(production: list[Manifest]) -> None:
    [told] = [
        one["data"] for one in of_kind(production, "ConfigMap") if "BOUQUET_GATEWAY_PROVIDERS_FILE" in one["data"]
    ]
    announced = parse_windows(told["BOUQUET_GATEWAY_MAINTENANCE"])
    assert set(announced) == {*parse_windows("MEN 01:10-02:30"), *parse_windows("CNAF & MSA sunday 23:00-23:45")}


DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def images_of(manifests: list[Manifest]) -> list[str]:
    of_pods = [container["image"] for pod in pods(manifests) for container in pod.all_containers]
    return of_pods + [cluster["spec"]["image"] for cluster in of_kind(manifests, "RabbitmqCluster")]


def test_every_image_of_production_is_pinned_by_tag_and_digest(production: list[Manifest]) -> None:
    for image in images_of(production):
        name, _, digest = image.partition("@")
        assert name.rpartition("/")[2].partition(":")[2] and DIGEST.fullmatch(digest), image


def test_pinning_writes_the_digest_of_each_image_of_production(tmp_path: Path) -> None:
    shutil.copytree(K8S, tmp_path / "k8s")
    overlay = tmp_path / "k8s" / "overlays" / "production"
    inspect = tmp_path / "inspect"
    inspect.write_text('#!/bin/sh\nprintf "sha256:%s\\n" "$(printf %s "$1" | sha256sum | cut -d" " -f1)"\n')
    inspect.chmod(0o755)
    pin(overlay, inspect)
    images = images_of(rendered(overlay))
    assert len(set(images)) > 10
    for image in images:
        name, _, digest = image.partition("@")
        assert digest == f"sha256:{sha256(f'docker://{name}'.encode()).hexdigest()}"


def test_pinning_changes_nothing_if_the_registry_tells_no_digest(tmp_path: Path) -> None:
    overlay = tmp_path / "production"
    shutil.copytree(OVERLAYS["production"], overlay)
    with pytest.raises(subprocess.CalledProcessError):
        pin(overlay, Path("/bin/echo"))
    assert (overlay / "kustomization.yaml").read_text() == (OVERLAYS["production"] / "kustomization.yaml").read_text()


def pin(overlay: Path, inspect: Path) -> None:
    environ = {**os.environ, "INSPECT": str(inspect)}
    subprocess.run([ROOT / "deploy" / "images" / "pin.sh", overlay], check=True, env=environ, timeout=60)


SERVERS_OF: dict[str, list[str]] = {"production": [], "sandbox": ["cache", "database"]}
"""Names of the overlays, each mapped to the servers that the overlay runs itself."""
BY_HAND = {"autoscaling"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_namespace_gets_the_secrets_that_it_uses_and_no_others(overlay: str, secrets: Path, tmp_path: Path) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\ntest "$1" != create || echo "$4" >> {tmp_path}/applied\n')
    kubectl.chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [str(K8S / "apply_secrets.sh"), str(secrets), "bouquet", *SERVERS_OF[overlay]]
    subprocess.run(command, check=True, env=environ, timeout=60)
    applied = {name for name in (tmp_path / "applied").read_text().split() if not name.startswith("providers-")}
    manifests = rendered(OVERLAYS[overlay])
    mounted_ones = {name for pod in pods(manifests) for name in pod.secrets.values()}
    of_brokers = {cluster["spec"]["tls"]["secretName"] for cluster in of_kind(manifests, "RabbitmqCluster")}
    assert applied == (mounted_ones | of_brokers) - BY_HAND


def test_make_secrets_makes_every_secret_of_the_sandbox(secrets: Path) -> None:
    for file in used("sandbox"):
        assert (secrets / file.secret / file.key).read_text().strip()
    for pod in pods(rendered(OVERLAYS["sandbox"])):
        assert all((secrets / name).is_dir() for name in pod.secrets.values())


def test_the_documented_secrets_of_production_are_those_that_are_used() -> None:
    told = {
        Mounted(secret, key)
        for line in PAGE.splitlines()
        if line.startswith("| `") and line.count("|") == 4
        for secret in _quoted(line.split("|")[1])
        for key in _quoted(line.split("|")[2])
    }
    assert used("production") <= told
    assert {
        file
        for file in told
        if file.secret.startswith(("gateway", "registry", "journal", "api", "portal", "migration", "admin", "worker-"))
    } <= used("production")


def _quoted(cell: str) -> list[str]:
    return cell.split("`")[1::2]


def test_no_secret_is_in_the_manifests() -> None:
    assert all(not list(of_kind(rendered(folder), "Secret")) for folder in FOLDERS.values())


# The folder of a provider


def test_every_provider_has_a_kubernetes_folder() -> None:
    assert set(WORKERS) == {path.stem for path in (ROOT / "proto" / "offers").glob("*.json")}


@pytest.mark.parametrize("provider", WORKERS)
def test_a_providers_kubernetes_folder_is_short_and_uses_its_name_alone(provider: str) -> None:
    assert len((WORKERS[provider] / "kustomization.yaml").read_text().splitlines()) <= 16
    [pod] = pods(rendered(WORKERS[provider]))
    suffix = provider.replace("_", "-")
    assert pod.owner == f"Deployment worker-{suffix}"
    assert pod.labels["bouquet/provider"] == provider
    assert program_of(pod.containers[0]) == suffix
    assert pod.spec["volumes"][0]["secret"]["secretName"] == f"worker-{suffix}"


def test_a_providers_own_repository_can_use_the_kubernetes_base(tmp_path: Path) -> None:
    manifests = rendered_scaffold(made("caisse_des_marins", tmp_path))
    [pod] = pods(manifests)
    assert pod.owner == "Deployment worker-caisse-des-marins"
    assert pod.labels["bouquet/provider"] == "caisse_des_marins"
    for name, rule in RULES.items():
        if name not in ("all is denied by default", "scalers scale something"):
            assert list(rule(manifests)) == [], name
    [scaler] = of_kind(manifests, "ScaledObject")
    assert scaler["spec"]["scaleTargetRef"]["name"] == "worker-caisse-des-marins"
    assert scaler["spec"]["triggers"][0]["metadata"]["queueName"] == "bouquet.q.caisse_des_marins"
