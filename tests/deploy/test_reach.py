"""Tests that network policies let each pod reach the servers named in its settings, and no others."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec import structs

from tests.deploy.manifests import OVERLAYS, Manifest, of_kind, pods, rendered, selects
from tests.deploy.reach import PORTAL, End, Way, admits, end_of, is_open, servers, ways

Settings = Mapping[str, Mapping[str, str]]


@pytest.fixture(scope="module")
def settings(providers: dict[str, dict[str, str]]) -> Settings:
    return {f"providers-{name.replace('_', '-')}": variables for name, variables in providers.items()}


def told(found: list[Way]) -> set[tuple[str, str, int]]:
    return {(way.client.name, way.server.name, way.port) for way in found}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_network_policies_let_each_part_reach_its_servers(overlay: str, secrets: Path, settings: Settings) -> None:
    manifests = rendered(OVERLAYS[overlay])
    needed = ways(manifests, secrets, settings)
    assert told([way for way in needed if not is_open(manifests, way)]) == set()
    clients = {way.client.name for way in needed}
    assert {pod.owner for pod in pods(manifests)} - clients <= {f"Deployment {name}" for name in ALONE}


@pytest.mark.parametrize(("process", "file"), [("registry", "notices-to"), ("portal", "mail-url")])
def test_who_sends_mails_reaches_its_mail_server(
    process: str, file: str, secrets: Path, settings: Settings, tmp_path: Path
) -> None:
    own = shutil.copytree(secrets, tmp_path / "secrets")
    (own / process / file).write_text("smtps://bouquet:a-password@mail.example.org")
    manifests = rendered(OVERLAYS["production"])
    found = [way for way in ways(manifests, own, settings) if way.server.name == "mail.example.org"]
    assert {(way.client.name, way.port, is_open(manifests, way)) for way in found} == {
        (f"Deployment {process}", 465, True)
    }
    [way, *_] = found
    assert not is_open(manifests, structs.replace(way, port=25))


ALONE = ("broker", "redis", "postgresql", "simulators")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_network_policies_let_no_part_reach_other_servers(overlay: str, secrets: Path, settings: Settings) -> None:
    manifests = rendered(OVERLAYS[overlay])
    needed = told(ways(manifests, secrets, settings))
    possible = [Way(end_of(pod), server, port) for pod in pods(manifests) for server, port in servers(manifests)]
    assert told([way for way in possible if is_open(manifests, way)]) <= needed


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_portal_alone_may_call_the_registrys_api(overlay: str) -> None:
    manifests = rendered(OVERLAYS[overlay])
    [api] = (pod for pod in pods(manifests) if pod.component == "api")
    watchers = [End(role, role=role) for role in ("monitoring", "autoscaling", "tracing", "ingress")]
    others = [end_of(pod) for pod in pods(manifests) if pod.component != "portal"] + watchers
    assert admits(manifests, end_of(api), PORTAL, 8020)
    assert [end.name for end in others if admits(manifests, end_of(api), end, 8020)] == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_ingress_alone_reaches_the_portals_site(overlay: str) -> None:
    manifests = rendered(OVERLAYS[overlay])
    [portal] = (pod for pod in pods(manifests) if pod.component == "portal")
    ingress = End("ingress", role="ingress")
    others = [end_of(pod) for pod in pods(manifests)]
    others += [End(role, role=role) for role in ("monitoring", "autoscaling", "tracing")]
    assert admits(manifests, end_of(portal), ingress, 8030)
    assert not admits(manifests, end_of(portal), ingress, 8031)
    assert [end.name for end in others if admits(manifests, end_of(portal), end, 8030)] == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_network_policies_let_every_pod_resolve_names(overlay: str) -> None:
    manifests = rendered(OVERLAYS[overlay])
    for pod in pods(manifests):
        assert any(
            {53} == {port["port"] for port in rule.get("ports", [])}
            for policy in of_kind(manifests, "NetworkPolicy")
            if selects(policy["spec"]["podSelector"], pod.labels)
            for rule in policy["spec"].get("egress", [])
        ), pod.owner


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_network_policy_opens_all_addresses_or_all_ports(overlay: str) -> None:
    manifests = rendered(OVERLAYS[overlay])
    for policy in of_kind(manifests, "NetworkPolicy"):
        for rule in policy["spec"].get("egress", []):
            assert rule.get("ports") and rule.get("to"), policy["metadata"]["name"]
            wide = [peer["ipBlock"]["cidr"] for peer in rule["to"] if "ipBlock" in peer]
            assert not any(cidr.endswith("/0") for cidr in wide), policy["metadata"]["name"]


CLOSED_BY = [
    ("sandbox", "postgresql", "Deployment journal", "Deployment postgresql", 5432),
    ("sandbox", "registry-database", "CronJob admin", "Deployment postgresql", 5432),
    ("sandbox", "redis", "StatefulSet gateway", "Deployment redis", 6379),
    ("production", "worker-cnaf", "Deployment worker-cnaf", "RabbitmqCluster broker", 5671),
    ("sandbox", "portal", "Deployment portal", "StatefulSet gateway", 8000),
    ("sandbox", "portal-database", "Deployment portal", "Deployment postgresql", 5432),
    ("production", "portal-sandbox", "Deployment portal", "bac-a-sable.example.org", 443),
    ("production", "gateway-cache", "StatefulSet gateway", "redis", 6379),
    ("production", "tracing", "Deployment journal", "collector.tracing", 4318),
    ("production", "broker", "monitoring", "RabbitmqCluster broker", 15691),
    ("production", "broker", "autoscaling", "RabbitmqCluster broker", 15671),
    ("production", "upstream-msa", "Deployment worker-msa", "msa.example.org", 443),
]


@pytest.mark.parametrize(("overlay", "policy", "client", "server", "port"), CLOSED_BY)
def test_a_connection_that_a_network_policy_blocks_is_found(
    overlay: str, policy: str, client: str, server: str, port: int, secrets: Path, settings: Settings
) -> None:
    manifests = copy.deepcopy(rendered(OVERLAYS[overlay]))
    needed = ways(manifests, secrets, settings)
    close(manifests, policy)
    assert (client, server, port) in told([way for way in needed if not is_open(manifests, way)])


def close(manifests: list[Manifest], name: str) -> None:
    [policy] = (each for each in of_kind(manifests, "NetworkPolicy") if each["metadata"]["name"] == name)
    policy["spec"] |= {"ingress": [], "egress": []}
