"""Tests of `bouquet-worker new`: the new provider passes its own tests, and a running gateway serves it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from bouquet_worker.__main__ import main
from bouquet_worker.scaffold import objection_to, renamed, write_provider
from tests.support.daemon import free_port
from tests.support.programs import environ_with, output_of, started, until_status

TOKEN_KEY = "no-secret-at-all-but-thirty-two-bytes"
ROUTE = "/v3/acme/dossier/identifiant"
QUESTION = {"recipient": "13002526500013", "identifiant": "D-4471820"}


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new")
    assert main(["new", "acme", "--folder", str(folder)]) == 0
    return folder / "acme"


@pytest.fixture(scope="module")
def installed(acme: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Installs the package `acme` in a new folder. Returns the environment variables with which a process can import
    it."""
    site = tmp_path_factory.mktemp("site")
    source = shutil.copytree(
        acme, site.parent / "source"
    )  # a build leaves files in its folder, which must not be in the one under test
    install = [
        "uv",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(site),
        str(source),
    ]
    run(site, *install, "--python", sys.executable)
    return {"PYTHONPATH": str(site)}


def run(folder: Path, *module: str, environ: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *module],
        cwd=folder,
        env=environ_with(environ or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout


# The folder


def test_a_new_provider_passes_its_own_tests(acme: Path, installed: Mapping[str, str]) -> None:
    run(acme, "pytest", "-p", "no:cacheprovider", environ=installed)


@pytest.mark.parametrize("name", ["acme", "zz", "caisse_des_marins_et_pecheurs"])
def test_a_new_provider_passes_ruff_whatever_its_name(name: str, tmp_path: Path) -> None:
    """Tests that new providers with short and long names pass ruff. The name changes line lengths and the order of
    imports."""
    write_provider(name, tmp_path / name)
    run(tmp_path / name, "ruff", "check", "--no-cache")
    run(tmp_path / name, "ruff", "format", "--check", "--no-cache")


@pytest.mark.slow
def test_a_new_provider_passes_mypy(acme: Path, tmp_path: Path) -> None:
    run(acme, "mypy", "--cache-dir", str(tmp_path))


def test_a_new_provider_does_not_mention_the_template_s_name(tmp_path: Path) -> None:
    write_provider("zebra_bank", tmp_path / "new")
    files = [path for path in (tmp_path / "new").rglob("*") if path.is_file()]
    assert {"test_zebra_bank.py", "Containerfile", ".dockerignore", ".gitignore", "kustomization.yaml"} <= {
        file.name for file in files
    }
    assert not [file for file in files if "acme" in f"{file} {file.read_text()}".lower()]


def test_the_template_s_name_is_replaced_in_each_spelling() -> None:
    text = "bouquet_acme bouquet-acme BOUQUET_ACME_URL TestAcme"
    assert renamed(text, "acme_bank") == "bouquet_acme_bank bouquet-acme-bank BOUQUET_ACME_BANK_URL TestAcmeBank"


def test_the_image_and_the_overlay_of_a_new_provider_have_one_name(acme: Path) -> None:
    overlay = yaml.safe_load((acme / "kustomization.yaml").read_text())
    assert overlay["nameSuffix"] == "-acme"
    assert overlay["images"][0]["newName"].endswith("/bouquet-acme")
    image = (acme / "Containerfile").read_text()
    assert "USER 10001" in image and 'CMD ["run", "acme"]' in image


# Its name


@pytest.mark.parametrize(
    ("name", "objection"),
    [
        ("Acme", "lower case letters"),
        ("2acme", "lower case letters"),
        ("acme-bank", "lower case letters"),
        ("acme__bank", "lower case letters"),
        ("acme\n", "lower case letters"),
        ("a" * 31, "30 characters at most"),
        ("gateway", "is reserved"),
        ("bus", "is reserved"),
        ("log_keeper", "is reserved"),
        ("journal", "is reserved"),
        ("hub", "is installed"),
        ("cnaf", "is installed"),
        ("cnaf_soap", "begin like those of cnaf"),
        ("acme", ""),
        ("acme_bank_2", ""),
        ("blog", ""),
        ("busy", ""),
        ("works", ""),
    ],
)
def test_the_name_of_a_new_provider_is_free_and_in_snake_case(name: str, objection: str) -> None:
    assert objection in objection_to(name) and bool(objection) == bool(objection_to(name))


def test_new_refuses_a_name_that_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["new", "cnaf", "--folder", str(tmp_path)])
    assert "cnaf: a package of this name is installed" in capsys.readouterr().err


def test_new_leaves_an_existing_folder_alone(acme: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(acme.rglob("*"))
    assert main(["new", "acme", "--folder", str(acme.parent)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert sorted(acme.rglob("*")) == before


def test_new_writes_into_a_folder_that_holds_other_files(tmp_path: Path) -> None:
    (tmp_path / "bouquet").mkdir()
    assert main(["new", "acme", "--into", str(tmp_path)]) == 0
    assert {"bouquet", "bouquet_acme", "README.md"} <= {path.name for path in tmp_path.iterdir()}


# Served


class Mesh:
    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self.environ = environ
        self.folder = folder
        self.url = f"http://127.0.0.1:{environ['BOUQUET_GATEWAY_PORT']}"
        token = output_of(environ, "bouquet_gateway", "token", "acme_dossier", "acme_titulaire").strip()
        self._headers = {"Authorization": f"Bearer {token}"}

    async def get(self, path: str, **params: str) -> tuple[int, Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(self.url + path, params=params, headers=self._headers) as answer,
        ):
            return answer.status, await answer.json()

    async def paths(self) -> set[str]:
        _, document = await self.get("/api/openapi.json")
        return set(document["paths"])


@pytest.fixture
def mesh(broker_url: str, tmp_path: Path) -> Iterator[Mesh]:
    environ = {
        "BOUQUET_BUS_URL": broker_url,
        "BOUQUET_GATEWAY_PORT": str(free_port()),
        "BOUQUET_GATEWAY_PROVIDERS": "acme",
        "BOUQUET_GATEWAY_TOKEN_KEY": TOKEN_KEY,
        "BOUQUET_GATEWAY_TOKENS_FROM": "claims",
    }
    with started(tmp_path / "gateway.log", environ, "bouquet_gateway", "serve"):
        yield Mesh(environ, tmp_path)


@pytest.mark.broker
async def test_a_running_gateway_serves_a_new_provider_without_a_restart(
    mesh: Mesh, installed: Mapping[str, str]
) -> None:
    await until_status(f"{mesh.url}/livez", 200)
    assert (await mesh.get(ROUTE, **QUESTION))[0] == 502
    assert ROUTE not in await mesh.paths()

    port, health = str(free_port()), str(free_port())
    settings = dict(
        line.split("=", 1)
        for line in output_of(installed, "bouquet_worker", "simulator-settings", f"http://127.0.0.1:{port}").split()
        if line.startswith("BOUQUET_ACME_")
    )
    own = {**installed, **settings, "BOUQUET_WORKER_HEALTH_PORT": health}
    own["BOUQUET_BUS_URL"] = mesh.environ["BOUQUET_BUS_URL"]
    with (
        started(mesh.folder / "simulators.log", installed, "bouquet_worker", "simulators", "--port", port),
        started(mesh.folder / "acme.log", own, "bouquet_worker", "run", "acme"),
    ):
        await until_status(f"http://127.0.0.1:{port}/readyz", 200)
        await until_status(f"http://127.0.0.1:{health}/readyz", 200)
        await until_status(f"{mesh.url}/readyz", 200)
        assert await mesh.get(ROUTE, **QUESTION) == (
            200,
            {
                "data": {
                    "statut": "ouvert",
                    "date_ouverture": "2021-09-01",
                    "titulaire": {"nom": "KERVALLAN", "prenom": "MAELYS"},
                },
                "links": {},
                "meta": {},
            },
        )
        assert ROUTE in await mesh.paths()
        status, body = await mesh.get(ROUTE, **QUESTION | {"identifiant": "D-0000000"})
        assert (status, body["errors"][0]["code"]) == (404, "90003")
