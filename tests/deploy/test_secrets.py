"""Tests of the modes and places of the files made by deploy/make_secrets.py."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from deploy.make_secrets import OUR_USER, give_to_containers
from tests.deploy.manifests import OVERLAYS, ROOT, pods, rendered

SCRIPT = ROOT / "deploy" / "make_secrets.py"
FORMERLY = {"signing-key": "admin", "journal-keys": "admin"}
"""Files that older versions kept in the folder `registry`, each mapped to the folder that holds it now."""


def make(folder: Path, *options: str) -> None:
    subprocess.run([sys.executable, str(SCRIPT), str(folder), *options], check=True, timeout=200)


def modes(folder: Path) -> dict[str, set[int]]:
    paths = [folder, *folder.rglob("*")]
    return {
        "folders": {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_dir()},
        "files": {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_file()},
    }


CLOSED = {"folders": {0o700}, "files": {0o600}}


def test_secret_folders_and_files_are_readable_by_their_owner_alone(secrets: Path) -> None:
    assert modes(secrets) == CLOSED


def test_make_secrets_closes_open_files_and_keeps_their_content(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "bus-url"
    elsewhere.touch(0o644)
    tmp_path.chmod(0o755)
    for name in ("registry", "worker-cnaf", "kept/by/the/operator"):
        (tmp_path / name).mkdir(parents=True, mode=0o755)
    kept = {
        "registry/datapass-secret": "agreed on",
        "worker-cnaf/hub-client-secret": "given",
        "kept/by/the/operator/note": "x",
    }
    for name, text in kept.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644)
    (tmp_path / "registry" / "bus-url").symlink_to(elsewhere)
    make(tmp_path)
    assert modes(tmp_path) == CLOSED
    assert elsewhere.read_text().startswith("amqps://")
    assert {name: (tmp_path / name).read_text() for name in kept} == kept


def test_make_secrets_moves_peoples_keys_out_of_the_registrys_folder(tmp_path: Path) -> None:
    make(tmp_path)
    keys = {name: (tmp_path / folder / name).read_text() for name, folder in FORMERLY.items()}
    for name, folder in FORMERLY.items():
        (tmp_path / folder / name).rename(tmp_path / "registry" / name)
    make(tmp_path)
    assert {name: (tmp_path / folder / name).read_text() for name, folder in FORMERLY.items()} == keys
    assert not any((tmp_path / "registry" / name).exists() for name in FORMERLY)


def test_running_make_secrets_again_changes_no_password(secrets: Path, tmp_path: Path) -> None:
    make(tmp_path)
    before = {
        path: path.read_text() for path in tmp_path.rglob("*") if path.is_file() and path.name != "definitions.json"
    }
    make(tmp_path)
    assert {path: path.read_text() for path in before} == before


def test_make_secrets_makes_those_of_outside_providers_and_never_drops_them(tmp_path: Path) -> None:
    (tmp_path / "providers").write_text("cnaf\nlycee # of another repository\n")
    folder = tmp_path / "secrets"
    make(folder, "--providers", "acme_bank", "--providers-file", str(tmp_path / "providers"))
    urls = {name: (folder / name / "bus-url").read_text() for name in ("worker-acme-bank", "worker-lycee")}
    make(folder)
    assert {name: (folder / name / "bus-url").read_text() for name in urls} == urls
    users = {user["name"] for user in json.loads((folder / "broker" / "definitions.json").read_text())["users"]}
    assert {"bouquet-acme_bank", "bouquet-lycee", "bouquet-cnaf", "bouquet-gateway"} <= users
    assert (folder / "providers" / "lycee.env").exists()


def test_make_secrets_refuses_a_name_that_no_provider_may_have(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        make(tmp_path / "secrets", "--providers", "../acme")
    assert not (tmp_path / "secrets").exists()


def test_a_cluster_of_brokers_has_each_of_its_names_in_urls_and_certificate(tmp_path: Path) -> None:
    hosts = ["broker", "node-0.nodes", "node-1.nodes"]
    addresses = ",".join(f"{host}:5671" for host in hosts)
    make(tmp_path, "--broker", addresses, "--namespace", "mesh")
    for process in ("gateway", "worker-cnaf", "registry"):
        assert f"@{addresses}/bouquet?" in (tmp_path / process / "bus-url").read_text()
    shown = x509.load_pem_x509_certificates((tmp_path / "broker" / "tls.crt").read_bytes())[0]
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {*hosts, *(f"{host}.mesh.svc" for host in hosts)} <= set(names.get_values_for_type(x509.DNSName))


def test_the_api_signs_with_the_key_of_the_administrators_after_a_rotation(tmp_path: Path) -> None:
    make(tmp_path)
    admin, api = (tmp_path / folder / "signing-key" for folder in ("admin", "api"))
    assert api.read_text() == admin.read_text().strip()
    admin.write_text("another key, which only this test has")
    make(tmp_path)
    assert api.read_text() == admin.read_text().strip()


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_a_compose_container_can_read_the_secrets_that_it_mounts(tmp_path: Path) -> None:
    make(tmp_path, "--compose")
    users = {pod.secrets[name]: pod.spec["securityContext"]["runAsUser"] for pod in sandbox() for name in pod.secrets}
    assert modes(tmp_path) == CLOSED
    for folder, user in users.items():
        assert {path.stat().st_uid for path in [tmp_path / folder, *(tmp_path / folder).iterdir()]} == {user}, folder
    for ours in ("passwords", "providers"):
        assert (tmp_path / ours).stat().st_uid == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_a_link_in_a_container_s_folder_gives_no_other_file_away(tmp_path: Path) -> None:
    (tmp_path / "ours").touch()
    (tmp_path / "secrets" / "gateway").mkdir(parents=True)
    link = tmp_path / "secrets" / "gateway" / "link"
    link.symlink_to(tmp_path / "ours")
    give_to_containers(tmp_path / "secrets")
    assert (link.lstat().st_uid, link.stat().st_uid) == (OUR_USER, 0)


def sandbox() -> list[Any]:
    return list(pods(rendered(OVERLAYS["sandbox"])))


@pytest.mark.parametrize("folder", ["secrets", "deploy/compose/secrets"])
def test_git_takes_no_folder_of_secrets(folder: str) -> None:
    asked = ["git", "check-ignore", "--quiet", f"{folder}/registry/signing-key"]
    assert subprocess.run(asked, cwd=ROOT, check=False).returncode == 0
