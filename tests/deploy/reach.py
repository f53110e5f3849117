"""Network connections that an overlay's NetworkPolicies allow, and those that its settings need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct
from yarl import URL

from tests.deploy.environment import environment, mounted
from tests.deploy.manifests import Manifest, Pod, of_kind, pods, selects

ROLE = "bouquet/role"
PORTS = {
    "amqps": 5671,
    "amqp": 5672,
    "rediss": 6379,
    "redis": 6379,
    "postgresql": 5432,
    "http": 80,
    "https": 443,
    "smtps": 465,
}
BROKER_LABELS = {"app.kubernetes.io/component": "rabbitmq", "app.kubernetes.io/part-of": "rabbitmq"}
"""Labels that RabbitMQ's operator puts on the pods of a broker."""
PORTAL_LABELS = {"app.kubernetes.io/component": "portal", "app.kubernetes.io/part-of": "bouquet"}
BROKER_PORTS = {"prometheus-tls": 15691, "management-tls": 15671}


class End(Struct, frozen=True):
    """One end of a connection: a pod of the mesh, a pod of another namespace, or an address outside the cluster."""

    name: str
    labels: dict[str, str] = {}
    role: str = "mesh"
    is_address: bool = False


PORTAL = End("portal", PORTAL_LABELS)
SHOWN = ("_PUBLIC_URL", "_PORTAL_API_URL")
"""Ends of the names of settings whose URLs are shown to people, and not connected to."""


class Way(Struct, frozen=True):
    client: End
    server: End
    port: int


def ways(manifests: list[Manifest], secrets: Path, settings: Mapping[str, Mapping[str, str]]) -> list[Way]:
    """Returns every network connection that the mesh needs. Containers connect to the servers in their settings;
    Prometheus, KEDA and the ingress connect to pods; and the nodes of a broker connect to each other."""
    return [*_of_settings(manifests, secrets, settings), *_of_watchers(manifests), *_between_brokers(manifests)]


def is_open(manifests: list[Manifest], way: Way) -> bool:
    """Whether network policies allow a connection: the client's policies must allow it as an outgoing one, and the
    server's as an incoming one."""
    out = way.client.role != "mesh" or _lets(manifests, "Egress", way.client, way.server, way.port)
    return out and (
        way.server.is_address
        or _is_elsewhere(way.server)
        or _lets(manifests, "Ingress", way.server, way.client, way.port)
    )


def admits(manifests: list[Manifest], server: End, client: End, port: int) -> bool:
    """Returns whether the network policies of a server's pod allow incoming connections from `client` to a port."""
    return _lets(manifests, "Ingress", server, client, port)


def servers(manifests: list[Manifest]) -> list[tuple[End, int]]:
    """Returns every pod to which a Service forwards connections, with the port that receives them. The broker's pods
    are included."""
    # The broker's pods are added: no manifest has them, because RabbitMQ's operator makes them.
    behind = [
        (end, port)
        for service in of_kind(manifests, "Service")
        for each in service["spec"]["ports"]
        for end, port in _behind(manifests, service["metadata"]["name"], each["port"])
    ]
    return behind + [(end, PORTS["amqps"]) for end in _operated(manifests)]


def end_of(pod: Pod) -> End:
    return End(pod.owner, pod.labels)


def _of_settings(manifests: list[Manifest], secrets: Path, settings: Mapping[str, Mapping[str, str]]) -> Iterator[Way]:
    for pod in pods(manifests):
        for container in pod.all_containers:
            variables = environment(container, manifests, settings)
            files = mounted(pod, container, variables)
            read = [
                (secrets / file.secret / file.key)
                for name, file in files.items()
                if file and name.endswith(("_URL_FILE", "_NOTICES_TO_FILE"))
            ]
            told = [text for file in read if (text := file.read_text())] + [
                value
                for name, value in variables.items()
                if name.endswith(("_URL", "_ENDPOINT")) and not name.endswith(SHOWN)
            ]
            for url in map(URL, told):
                yield from (Way(end_of(pod), server, port) for server, port in _servers(manifests, url))


def _servers(manifests: list[Manifest], url: URL) -> list[tuple[End, int]]:
    host, port = url.host or "", url.port or PORTS[url.scheme]
    name, _, namespace = host.partition(".")
    if found := _behind(manifests, name, port):
        return found
    if any(end.name.endswith(f" {name}") for end in _operated(manifests)):
        return [(end, port) for end in _operated(manifests)]
    is_elsewhere = namespace and "." not in namespace
    return [(End(host, role=namespace) if is_elsewhere else End(host, is_address=True), port)]


def _behind(manifests: list[Manifest], name: str, port: int) -> list[tuple[End, int]]:
    """Returns the pods to which the Service `name` forwards connections on `port`, each with the container port that
    receives them."""
    return [
        (end_of(pod), open_port["containerPort"])
        for service in of_kind(manifests, "Service")
        if service["metadata"]["name"] == name
        for each in service["spec"]["ports"]
        if each["port"] == port
        for pod in pods(manifests)
        if selects({"matchLabels": service["spec"]["selector"]}, pod.labels)
        for container in pod.containers
        for open_port in container.get("ports", [])
        if open_port["name"] == each["targetPort"]
    ]


def _operated(manifests: list[Manifest]) -> list[End]:
    clusters = of_kind(manifests, "RabbitmqCluster")
    return [End(f"RabbitmqCluster {each['metadata']['name']}", BROKER_LABELS) for each in clusters]


def _of_watchers(manifests: list[Manifest]) -> Iterator[Way]:
    prometheus, keda, proxy = (End(role, role=role) for role in ("monitoring", "autoscaling", "ingress"))
    for monitor in of_kind(manifests, "PodMonitor", "ServiceMonitor"):
        spec = monitor["spec"]
        named = {each["port"] for each in [*spec.get("podMetricsEndpoints", []), *spec.get("endpoints", [])]}
        for pod in pods(manifests):
            for container in pod.containers:
                for port in container.get("ports", []):
                    if selects(spec["selector"], pod.labels) and port["name"] in named:
                        yield Way(prometheus, end_of(pod), port["containerPort"])
        for end in _operated(manifests):
            if selects(spec["selector"], end.labels):
                yield from (Way(prometheus, end, BROKER_PORTS[port]) for port in named)
    if list(of_kind(manifests, "ScaledObject")):
        yield from (Way(keda, end, BROKER_PORTS["management-tls"]) for end in _operated(manifests))
    for service in ("gateway", "registry", "portal"):
        yield from (Way(proxy, end, port) for end, port in _behind(manifests, service, 80))


def _between_brokers(manifests: list[Manifest]) -> Iterator[Way]:
    for end in _operated(manifests):
        yield from (Way(end, end, port) for port in (4369, 25672))


def _is_elsewhere(end: End) -> bool:
    return end.role != "mesh"


def _lets(manifests: list[Manifest], direction: Literal["Egress", "Ingress"], end: End, other: End, port: int) -> bool:
    """Returns whether the network policies of the pod `end` allow connections to `other` (Egress) or from it (Ingress).
    A pod that no policy selects may have all connections."""
    specs = [
        policy["spec"]
        for policy in of_kind(manifests, "NetworkPolicy")
        if selects(policy["spec"]["podSelector"], end.labels) and direction in policy["spec"]["policyTypes"]
    ]
    peers = {"Egress": "to", "Ingress": "from"}[direction]
    rules = [rule for spec in specs for rule in spec.get(direction.lower(), [])]
    return not specs or any(_takes(rule, peers, other, port) for rule in rules)


def _takes(rule: Mapping[str, Any], peers: str, other: End, port: int) -> bool:
    named = [each["port"] for each in rule.get("ports", []) if each.get("protocol", "TCP") == "TCP"]
    takes_port = "ports" not in rule or port in named
    return takes_port and (peers not in rule or any(_is_peer(peer, other) for peer in rule[peers]))


def _is_peer(peer: Mapping[str, Any], other: End) -> bool:
    if "ipBlock" in peer or other.is_address:
        return other.is_address and "ipBlock" in peer
    here = "namespaceSelector" not in peer
    namespace = other.role == "mesh" if here else selects(peer["namespaceSelector"], {ROLE: other.role})
    return namespace and selects(peer.get("podSelector", {}), other.labels)
