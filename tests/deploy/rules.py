"""Rules that the Kubernetes manifests must obey. Each rule in `RULES` yields a line for each fault in the manifests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.deploy.manifests import Manifest, Pod, name_of, of_kind, pods, selects

Rule = Callable[[list[Manifest]], Iterator[str]]
Container = dict[str, Any]

SECONDS_TO_CLOSE = 5
DRAIN_S = {"gateway": 15, "registry": 10, "api": 10, "portal": 10, "worker": 10}
"""Seconds that each component, once told to stop, may take to finish the requests that it has begun."""
# The values are the same as `DRAIN_S` of bouquet_mesh.http.server and of bouquet_portal.serve, and the defaults of
# `BOUQUET_REGISTRY_DRAIN_S` and `BOUQUET_<NAME>_DRAIN_S`.


def of_pods(holds: Callable[[Pod], bool]) -> Rule:
    return lambda manifests: (pod.owner for pod in pods(manifests) if not holds(pod))


def of_containers(holds: Callable[[Container], bool]) -> Rule:
    def complaints(manifests: list[Manifest]) -> Iterator[str]:
        for pod in pods(manifests):
            for container in pod.all_containers:
                if not holds(container):
                    yield f"{pod.owner}: {container['name']}"

    return complaints


def _security(subject: dict[str, Any]) -> dict[str, Any]:
    context: dict[str, Any] = subject.get("securityContext", {})
    return context


def _version(container: Container) -> str:
    return str(container["image"]).rpartition("/")[2].partition("@")[0].partition(":")[2]


PEOPLE_S: dict[str, frozenset[str]] = {
    "BOUQUET_REGISTRY_SIGNING_KEY": frozenset({"api"}),
    "BOUQUET_REGISTRY_JOURNAL_KEYS": frozenset(),
}
"""Secret settings of administrators' commands, each mapped to the permanently running containers that may have it
too."""
READS_IT = {"admin": ("admin",), "migration": ("migrate",)}
"""Secrets that only one container may mount, each mapped to the name of that container."""


def _secrets_are_read_by_their_process_alone(manifests: list[Manifest]) -> Iterator[str]:
    for pod in pods(manifests):
        for volume in pod.spec.get("volumes", []):
            if "secret" not in volume:
                continue
            if volume["secret"].get("defaultMode") not in (0o400, 0o440):
                yield f"{pod.owner}: {volume['name']} is readable by others"
            if _security(pod.spec).get("fsGroup", 0) != _security(pod.spec)["runAsGroup"]:
                yield f"{pod.owner}: cannot read {volume['name']}, which is root's"


def _people_s_keys_are_in_no_process_that_stays(manifests: list[Manifest]) -> Iterator[str]:
    for pod in pods(manifests):
        for container in pod.all_containers:
            variables = {entry["name"].removesuffix("_FILE") for entry in container.get("env", [])}
            if pod.stays and any(container["name"] not in PEOPLE_S[name] for name in variables & PEOPLE_S.keys()):
                yield f"{pod.owner}: {container['name']} has a key that it does not use"
            for mount in container.get("volumeMounts", []):
                secret = pod.secrets.get(mount["name"], "")
                if container["name"] not in READS_IT.get(secret, (container["name"],)):
                    yield f"{pod.owner}: {container['name']} has the secret {secret}"


def _a_process_has_its_own_secrets_alone(manifests: list[Manifest]) -> Iterator[str]:
    """Yields a fault for each secret that pods of two workloads share."""
    owners: dict[str, str] = {}
    for pod in pods(manifests):
        given = [
            source["secretRef"]["name"]
            for each in pod.all_containers
            for source in each.get("envFrom", [])
            if "secretRef" in source
        ]
        for secret in {*pod.secrets.values(), *given}:
            if owners.setdefault(secret, pod.owner) != pod.owner:
                yield f"{pod.owner}: has the secret {secret} of {owners[secret]}"


def _all_resources(container: Container) -> bool:
    given = container.get("resources", {})
    return all({"cpu", "memory"} <= given.get(bound, {}).keys() for bound in ("requests", "limits"))


def _drains_in_time(pod: Pod) -> bool:
    pause_s = max(c.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0) for c in pod.containers)
    drain_s = DRAIN_S.get(pod.labels["app.kubernetes.io/component"], 0)
    return bool(pod.spec.get("terminationGracePeriodSeconds", 30) >= pause_s + drain_s + SECONDS_TO_CLOSE)


def _labels_of_pods(manifests: list[Manifest]) -> list[dict[str, str]]:
    brokers = [{"app.kubernetes.io/component": "rabbitmq"} for _ in of_kind(manifests, "RabbitmqCluster")]
    return [pod.labels for pod in pods(manifests)] + brokers


def _policies_select(manifests: list[Manifest]) -> Iterator[str]:
    labels = _labels_of_pods(manifests)
    for policy in of_kind(manifests, "NetworkPolicy"):
        spec = policy["spec"]
        if not any(selects(spec["podSelector"], each) for each in labels):
            yield f"{name_of(policy)}: selects nothing"
        for rule in [*spec.get("ingress", []), *spec.get("egress", [])]:
            for peer in [*rule.get("from", []), *rule.get("to", [])]:
                here = "podSelector" in peer and "namespaceSelector" not in peer
                if here and not any(selects(peer["podSelector"], each) for each in labels):
                    yield f"{name_of(policy)}: speaks of nobody"


def _everybody_is_denied_by_default(manifests: list[Manifest]) -> Iterator[str]:
    if not any(
        policy["spec"]["podSelector"] == {} and set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        for policy in of_kind(manifests, "NetworkPolicy")
        if "ingress" not in policy["spec"] and "egress" not in policy["spec"]
    ):
        yield "no policy denies by default"


def _budgets_select(manifests: list[Manifest]) -> Iterator[str]:
    labels = [pod.labels for pod in pods(manifests)]
    labels += [{"app.kubernetes.io/name": each["metadata"]["name"]} for each in of_kind(manifests, "RabbitmqCluster")]
    for budget in of_kind(manifests, "PodDisruptionBudget"):
        if sum(selects(budget["spec"]["selector"], each) for each in labels) != 1:
            yield f"{name_of(budget)}: is not of one workload"


def _services_lead_somewhere(manifests: list[Manifest]) -> Iterator[str]:
    for service in of_kind(manifests, "Service"):
        named = {
            port.get("name")
            for pod in pods(manifests)
            if selects({"matchLabels": service["spec"]["selector"]}, pod.labels)
            for container in pod.containers
            for port in container.get("ports", [])
        }
        if not {port["targetPort"] for port in service["spec"]["ports"]} <= named:
            yield name_of(service)


def _monitors_see_something(manifests: list[Manifest]) -> Iterator[str]:
    for kind, seen, endpoints in (
        ("ServiceMonitor", [each["metadata"].get("labels", {}) for each in of_kind(manifests, "Service")], "endpoints"),
        ("PodMonitor", _labels_of_pods(manifests), "podMetricsEndpoints"),
    ):
        for monitor in of_kind(manifests, kind):
            if not (
                monitor["spec"][endpoints] and any(selects(monitor["spec"]["selector"], labels) for labels in seen)
            ):
                yield name_of(monitor)


def _scalers_scale_something(manifests: list[Manifest]) -> Iterator[str]:
    """Yields a fault for each autoscaler whose workload does not exist, and for each trigger that watches another
    provider's queue or names credentials that do not exist."""
    workloads = {pod.owner: pod for pod in pods(manifests)}
    authentications = {each["metadata"]["name"] for each in of_kind(manifests, "TriggerAuthentication")}
    for scaler in of_kind(manifests, "HorizontalPodAutoscaler", "ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]
        pod = workloads.get(f"{target.get('kind', 'Deployment')} {target['name']}")
        if pod is None:
            yield f"{name_of(scaler)}: scales nothing"
            continue
        for trigger in scaler["spec"].get("triggers", []):
            if trigger["metadata"]["queueName"] != f"bouquet.q.{pod.labels['bouquet/provider']}":
                yield f"{name_of(scaler)}: looks at another's queue"
            if trigger["authenticationRef"]["name"] not in authentications:
                yield f"{name_of(scaler)}: has no way in"


RULES: dict[str, Rule] = {
    "no service account token": of_pods(lambda pod: pod.spec.get("automountServiceAccountToken") is False),
    "no service links": of_pods(lambda pod: pod.spec.get("enableServiceLinks") is False),
    "not root": of_pods(
        lambda pod: _security(pod.spec).get("runAsNonRoot") is True and _security(pod.spec).get("runAsUser", 0) > 0
    ),
    "a seccomp profile": of_pods(lambda pod: _security(pod.spec).get("seccompProfile") == {"type": "RuntimeDefault"}),
    "nothing of the host": of_pods(
        lambda pod: (
            not {"hostNetwork", "hostPID", "hostIPC"} & pod.spec.keys()
            and not any("hostPath" in volume for volume in pod.spec.get("volumes", []))
        )
    ),
    "grace is longer than the drain": of_pods(_drains_in_time),
    "not privileged": of_containers(
        lambda container: (
            not _security(container).get("privileged")
            and _security(container).get("allowPrivilegeEscalation") is False
            and _security(container).get("capabilities") == {"drop": ["ALL"]}
        )
    ),
    "a read-only root": of_containers(lambda container: _security(container).get("readOnlyRootFilesystem") is True),
    "requests and limits": of_containers(_all_resources),
    "scratch volumes have a size limit": of_pods(
        lambda pod: all(
            "sizeLimit" in volume.get("emptyDir", {"sizeLimit": ""}) for volume in pod.spec.get("volumes", [])
        )
    ),
    "a version, and not latest": of_containers(lambda container: _version(container) not in ("", "latest")),
    "probes": lambda manifests: (
        f"{pod.owner}: {container['name']}"
        for pod in pods(manifests)
        for container in pod.containers
        if pod.stays and not {"livenessProbe", "readinessProbe"} <= container.keys()
    ),
    "secrets are read by their process alone": _secrets_are_read_by_their_process_alone,
    "a process has its own secrets alone": _a_process_has_its_own_secrets_alone,
    "people's keys are in no process that stays": _people_s_keys_are_in_no_process_that_stays,
    "policies select something": _policies_select,
    "all is denied by default": _everybody_is_denied_by_default,
    "budgets select one workload": _budgets_select,
    "services lead somewhere": _services_lead_somewhere,
    "monitors see something": _monitors_see_something,
    "scalers scale something": _scalers_scale_something,
}
