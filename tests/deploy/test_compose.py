"""Tests of the Compose file, read by `docker compose`, and of its processes' settings."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.make_secrets import SERVERS_USER
from tests.deploy.environment import NO_SECRETS, program_of, startup_error
from tests.deploy.manifests import ROOT, WORKERS
from tests.deploy.promtool import promtool
from tests.deploy.rules import PEOPLE_S

PROMETHEUS = ROOT / "deploy" / "prometheus"
SANDBOX = ROOT / "deploy" / "k8s" / "overlays" / "sandbox"
COMPOSE = ROOT / "deploy" / "compose" / "compose.yaml"
MOUNT = "/run/secrets/bouquet"
DRAIN_S = {"gateway": 15}
OTHER_DRAIN_S = 10


def read(file: Path) -> subprocess.CompletedProcess[str]:
    command = ["docker-compose", "--file", str(file), "--profile", "*", "config", "--format", "json"]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=200)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, secrets: Path) -> Path:
    folder = tmp_path_factory.mktemp("compose")
    shutil.copy(COMPOSE, folder)
    shutil.copytree(secrets, folder / "secrets")
    return folder


@pytest.fixture(scope="module")
def services(folder: Path) -> dict[str, Any]:
    done = read(folder / "compose.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    services: dict[str, Any] = json.loads(done.stdout)["services"]
    return services


@pytest.fixture(scope="module")
def ours(services: dict[str, Any]) -> dict[str, Any]:
    return {name: service for name, service in services.items() if program_of(service)}


def test_the_compose_file_has_every_process(services: dict[str, Any], ours: dict[str, Any]) -> None:
    assert set(ours) == {"gateway", "registry", "journal", "api", "portal", "migrate", "admin", "simulators", *WORKERS}
    assert set(services) - set(ours) == {"broker", "redis", "postgresql", "prometheus"}


def test_docker_compose_refuses_an_invalid_file(folder: Path) -> None:
    wrong = folder / "wrong.yaml"
    wrong.write_text(COMPOSE.read_text().replace("read_only: true", "readonly: true"))
    assert "additional properties" in read(wrong).stderr or "readonly" in read(wrong).stderr


def test_every_process_accepts_its_settings(ours: dict[str, Any], tmp_path: Path) -> None:
    for name, service in ours.items():
        assert (
            startup_error(program_of(service), name, service.get("environment", {}), tmp_path, service["command"]) == []
        ), name


def test_every_secret_of_the_compose_file_exists(services: dict[str, Any]) -> None:
    for name, service in services.items():
        mounts = {mount["target"]: mount["source"] for mount in service.get("volumes", [])}
        variables = service.get("environment", {})
        for path in (variables[key] for key in variables.keys() - NO_SECRETS if key.endswith("_FILE")):
            assert (Path(mounts[MOUNT]) / Path(path).relative_to(MOUNT)).read_text().strip(), (name, path)


def test_compose_passes_settings_to_workers_unchanged(
    ours: dict[str, Any], providers: dict[str, dict[str, str]]
) -> None:
    """Tests that Compose does not alter FranceConnect's settings, which contain JSON, keys and dollar signs."""
    assert providers["france_connect"].items() <= ours["france_connect"]["environment"].items()


def test_a_worker_has_its_own_settings_and_secrets_alone(ours: dict[str, Any]) -> None:
    for name in WORKERS:
        assert all(
            variable.startswith((f"BOUQUET_{name.upper()}_", "BOUQUET_BUS_URL"))
            for variable in ours[name]["environment"]
        ), name
    folders = [
        mount["source"] for service in ours.values() for mount in service.get("volumes", []) if mounts_secrets(mount)
    ]
    assert len(folders) == len(set(folders)) == len(ours) - len({"simulators"})


def test_keys_for_people_are_in_no_long_running_container(ours: dict[str, Any]) -> None:
    for setting, processes in PEOPLE_S.items():
        having = {
            name
            for name, service in ours.items()
            if any(variable.startswith(setting) for variable in service.get("environment", {}))
        }
        assert having == {"admin", *processes}, setting
    assert ours["admin"]["profiles"] == ["admin"] and ours["admin"]["restart"] == "no"


def test_each_store_shares_a_network_with_its_users_alone(services: dict[str, Any]) -> None:
    def on(network: str) -> set[str]:
        return {name for name, service in services.items() if network in service["networks"]}

    assert list(services["redis"]["networks"]) == ["cache"]
    assert on("cache") == {"redis", "gateway"}
    assert set(services["postgresql"]["networks"]) == {"database", "portal-database"}
    assert on("database") == {"postgresql", "registry", "journal", "api", "migrate", "admin"}
    assert on("portal-database") == {"postgresql", "portal"}
    assert on("api") == {"api", "prometheus"}
    assert "portal" not in on("mesh")


def test_every_connection_of_the_compose_file_uses_tls(folder: Path, services: dict[str, Any]) -> None:
    urls = [url for file in (folder / "secrets").rglob("*-url") if (url := file.read_text())]  # or not filled in
    assert {url.partition(":")[0] for url in urls} == {"amqps", "rediss", "postgresql"}
    assert all("sslmode=verify-full" in url for url in urls if url.startswith("postgresql"))
    rabbitmq, redis = ((SANDBOX / name).read_text() for name in ("rabbitmq.conf", "redis.conf"))
    assert "listeners.tcp = none" in rabbitmq and "port 0\n" in redis
    assert "-cssl=on" in services["postgresql"]["command"]
    connections = [line.split()[0] for line in (SANDBOX / "pg_hba.conf").read_text().splitlines() if line[0] != "#"]
    assert connections == ["local", "hostssl"]


def mounts_secrets(mount: dict[str, Any]) -> bool:
    return bool(mount["target"] == MOUNT)


def test_every_container_is_confined(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["mem_limit"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_no_server_runs_as_root(services: dict[str, Any]) -> None:
    for name in ("broker", "redis", "postgresql"):
        assert services[name]["user"] == f"{SERVERS_USER}:{SERVERS_USER}", name


def test_every_image_has_a_version(services: dict[str, Any]) -> None:
    versions = {name: service["image"].rpartition(":")[2] for name, service in services.items()}
    assert all(version.removeprefix("v")[0].isdigit() for version in versions.values()), versions


def test_every_container_may_stop_slowly_enough_to_drain(ours: dict[str, Any]) -> None:
    for name in {*ours} - {"simulators", "migrate", "admin"}:
        assert int(ours[name]["stop_grace_period"].removesuffix("s")) > DRAIN_S.get(name, OTHER_DRAIN_S), name


def test_only_sites_and_monitoring_publish_ports_and_only_workers_reach_outside(
    services: dict[str, Any],
) -> None:
    published = {name: service["ports"] for name, service in services.items() if service.get("ports")}
    assert published.keys() == {"gateway", "portal", "prometheus"}
    assert all(port["host_ip"] == "127.0.0.1" for ports in published.values() for port in ports)
    outside = {name for name, service in services.items() if "outside" in service["networks"]}
    assert outside == set(WORKERS)


def test_the_compose_files_prometheus_scrapes_every_process(services: dict[str, Any], ours: dict[str, Any]) -> None:
    settings = PROMETHEUS / "prometheus.yml"
    promtool("check", "config", settings)
    scrapes = yaml.safe_load(settings.read_bytes())["scrape_configs"]
    targets = {target for scrape in scrapes for one in scrape["static_configs"] for target in one["targets"]}
    ports = {"gateway": 8000, "registry": 8010, "journal": 8010, "api": 8010, "portal": 8031, "broker": 15692}
    watched = {*ours, "broker"} - {"simulators", "migrate", "admin"}
    assert targets == {f"{name}:{ports.get(name, 8080)}" for name in watched}
    [mounted] = {Path(mount["source"]).name for mount in services["prometheus"]["volumes"]} & {"rules"}
    assert (PROMETHEUS / mounted).is_dir()
