"""Tests of images: their Dockerfiles, their start arguments, and the result of a real build."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.conftest import SERVICES_REQUIRED
from tests.deploy import buildah
from tests.deploy.buildah import Buildah
from tests.deploy.images import IMAGES, OURS, Recipe, built_images, objection_to, of_manifests, starts
from tests.deploy.manifests import ROOT
from tests.deploy.scaffold import made, rendered_scaffold
from tests.support.packages import build_packages

TEMPLATE = ROOT / "services" / "providers" / "kit" / "bouquet_worker" / "template" / "bouquet-acme"
RECIPES = [IMAGES / "Dockerfile", TEMPLATE / "Containerfile"]
WORKER, GATEWAY = "localhost/bouquet-france-connect:test", "localhost/bouquet-gateway:test"
PORTAL = "localhost/bouquet-portal:test"
OF_A_TEAM = "registry.example.org/bouquet-acme"
"""Image of the invented provider of the guide, which a team of its own builds."""
SCAFFOLD = "localhost/bouquet-caisse-des-marins:test"
PRIVATE = (".env", ".venv/bin/python", ".git/config", "secrets/bus-url", "tests/test_marins.py", "bouquet_marins.key")
"""Private files that must not get into any image."""


def test_every_image_recipe_is_tested() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert {ROOT / path for path in listed.split() if re.search(r"(Docker|Container)file$", path)} == set(RECIPES)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_an_image_build_sees_only_files_that_its_ignore_file_allows(recipe: Path) -> None:
    first, *others = Recipe(recipe).ignored
    assert first == "*"
    allowed = [line.removeprefix("!") for line in others if line.startswith("!")]
    assert allowed and not [path for path in PRIVATE for one in allowed if fnmatch(Path(path).parts[0], one)]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_the_image_linter_finds_nothing_in_the_recipes(recipe: Path) -> None:
    found = subprocess.run(["hadolint", "--no-color", recipe], check=False, stdout=subprocess.PIPE, text=True)
    assert found.stdout == ""


def test_an_image_recipe_names_no_package_index() -> None:
    words = "".join(path.read_text() for path in IMAGES.iterdir())
    assert not re.search(r"index-url|https?://", words)


def test_the_image_linter_finds_faults_in_a_wrong_recipe(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian:latest\nRUN cd /tmp\n")
    assert subprocess.run(["hadolint", tmp_path / "Dockerfile"], check=False, capture_output=True).returncode == 1


# Who starts them, and how


def test_the_images_that_are_built_and_those_that_are_started_are_the_same() -> None:
    assert {each.image for each in starts()} == built_images()


def test_every_image_that_a_page_names_is_built() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))
    assert set(OURS.findall(pages)) - {OF_A_TEAM} <= {image.rpartition(":")[0] for image in built_images()}


def test_every_image_accepts_the_arguments_of_its_manifests() -> None:
    entrypoint = Recipe(IMAGES / "Dockerfile").entrypoint
    objections = {start: objection_to(start.image, [*entrypoint, *start.arguments]) for start in starts()}
    assert {start: objection for start, objection in objections.items() if objection} == {}


def test_the_image_of_a_new_provider_accepts_the_arguments_of_its_overlay(tmp_path: Path) -> None:
    """Tests that the program in a new provider's image accepts the start arguments of the overlay. The provider is
    called `cnaf`, because a program of this name is installed here."""
    scaffold = made("cnaf", tmp_path)
    recipe = Recipe(scaffold / "Containerfile")
    [start] = of_manifests("new", rendered_scaffold(scaffold))
    assert start.image == "registry.example.org/bouquet-cnaf:0.1.0"
    assert objection_to(start.image, [*recipe.entrypoint, *start.arguments]) == ""
    assert list(start.arguments) == recipe.cmd


@pytest.mark.parametrize("arguments", [["run", "cnaf", "run", "cnaf"], ["run"], ["run", "nobody"], []])
def test_arguments_that_an_image_does_not_accept_are_found(arguments: list[str]) -> None:
    assert objection_to("registry.example.org/bouquet-cnaf:0.1.0", ["bouquet", *arguments])


# Built for real


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    if not (buildah.PROGRAM and buildah.DEBOOTSTRAP):
        give_up = pytest.fail if SERVICES_REQUIRED else pytest.skip
        give_up("buildah or debootstrap is not installed: run scripts/install_services.sh")
    if os.getuid() != 0:
        pytest.skip("only root makes the base image of these tests")
    builder = Buildah(tmp_path_factory.mktemp("images"))
    builder.make_base()
    environ = builder.environ() | {"VERSION": "test"}
    subprocess.run([IMAGES / "build.sh", "france_connect", "gateway", "portal"], check=True, env=environ, timeout=1200)
    yield builder
    builder("rmi", "--all", "--force")


@pytest.mark.slow
@pytest.mark.timeout(3000)
class TestBuilt:
    def test_an_image_runs_as_an_unprivileged_user(self, built: Buildah) -> None:
        assert built.configuration(WORKER)["User"] == "10001:10001"
        assert built.run(WORKER, "id", "-u").stdout.strip() == "10001"

    @pytest.mark.parametrize(
        ("image", "program"), [(WORKER, "bouquet-worker"), (GATEWAY, "bouquet-gateway"), (PORTAL, "bouquet-portal")]
    )
    def test_the_program_of_an_image_prints_its_help(self, built: Buildah, image: str, program: str) -> None:
        assert built.configuration(image)["Entrypoint"] == ["bouquet"]
        assert built.run(image, "bouquet", "--help").stdout.startswith(f"usage: {program}")

    def test_the_worker_of_an_image_starts_and_reports_missing_settings(self, built: Buildah) -> None:
        ended = built.run(WORKER, "bouquet", "run", "france_connect")
        assert "BOUQUET_FRANCE_CONNECT_CHECKTOKEN_URL: is required" in ended.stderr and "Traceback" not in ended.stderr

    def test_the_portals_image_holds_its_content_and_nothing_else_of_bouquet(self, built: Buildah) -> None:
        checked = built.run(PORTAL, "bouquet", "check").stdout
        assert "application: ok" in checked and "content: ok" in checked
        assert {name for name in _components(built, PORTAL) if name.startswith("bouquet-")} == {"bouquet-portal"}

    def test_an_image_holds_its_own_worker_and_no_other(self, built: Buildah) -> None:
        assert built.run(WORKER, "bouquet", "list").stdout.split() == ["france_connect"]
        assert "bouquet-gateway" not in _components(built, WORKER)

    def test_an_image_holds_only_versions_of_the_lock(self, built: Buildah) -> None:
        locked = set(re.findall(r"^([\w.-]+==[^ ]+)", (ROOT / "requirements" / "run.txt").read_text(), re.MULTILINE))
        installed = {
            f"{name}=={version}"
            for name, version in _components(built, GATEWAY).items()
            if not name.startswith("bouquet-")
        }
        assert installed and installed <= locked

    def test_an_image_has_no_installer(self, built: Buildah) -> None:
        assert built.run(WORKER, "python", "-c", "import pip").returncode != 0

    def test_the_user_of_an_image_can_write_no_file_in_it(self, built: Buildah) -> None:
        found = built.run(WORKER, "find", "/opt", "/etc", "/usr", "-not", "-type", "l", "-writable")
        assert found.stdout == ""

    def test_an_image_has_labels_of_version_and_source(self, built: Buildah) -> None:
        labels = built.configuration(WORKER)["Labels"]
        assert labels["org.opencontainers.image.title"] == "bouquet-france-connect"
        assert labels["org.opencontainers.image.version"] == "test"
        assert len(labels["org.opencontainers.image.revision"]) == 40

    @pytest.mark.parametrize("image", [WORKER, GATEWAY])
    def test_no_layer_of_an_image_holds_build_files(self, built: Buildah, image: str) -> None:
        names = built.files(image)
        assert "opt/bouquet/bin/bouquet" in names
        assert not [name for name in names if name.startswith("wheels/") or Path(name).name == ".env"]


@pytest.fixture(scope="module")
def scaffold(built: Buildah, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Builds the image of a new provider, and returns the provider's folder. The folder contains the files of
    `PRIVATE`, which must not get into the image."""
    folder = made("caisse_des_marins", tmp_path_factory.mktemp("elsewhere"))
    for path in PRIVATE:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("private")
    packages = build_packages(folder / "bouquet")
    for wheel in (ROOT / "dist" / "wheels").glob("*.whl"):
        if not wheel.name.startswith("bouquet_"):
            shutil.copy(wheel, packages)  # since this build can reach no index
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        "dist",
    ]
    subprocess.run([*build, "."], check=True, cwd=folder, timeout=600)
    built.build(folder, SCAFFOLD)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(3000)
class TestScaffold:
    def test_the_image_of_a_new_provider_starts_with_the_arguments_of_its_overlay(
        self, built: Buildah, scaffold: Path
    ) -> None:
        [start] = of_manifests("new", rendered_scaffold(scaffold))
        ended = built.run(SCAFFOLD, *built.configuration(SCAFFOLD)["Entrypoint"], *start.arguments)
        assert "BOUQUET_CAISSE_DES_MARINS_URL: is required" in ended.stderr and "Traceback" not in ended.stderr

    def test_the_image_of_a_new_provider_holds_its_worker_and_no_gateway(self, built: Buildah, scaffold: Path) -> None:
        assert built.run(SCAFFOLD, "bouquet", "list").stdout.split() == ["caisse_des_marins"]
        assert built.run(SCAFFOLD, "bouquet-gateway").returncode != 0

    def test_no_layer_of_a_new_providers_image_holds_other_files_of_its_folder(
        self, built: Buildah, scaffold: Path
    ) -> None:
        names = built.files(SCAFFOLD)
        assert "opt/caisse_des_marins/bin/bouquet" in names
        assert not [name for name in names for path in PRIVATE if name.endswith(f"/{path}")]
        assert not [name for name in names if name.startswith("src/")]


def _components(built: Buildah, image: str) -> dict[str, str]:
    label = built.configuration(image)["Labels"]["bouquet.sbom"]
    listed = json.loads(built.run(image, "cat", label).stdout)["components"]
    return {re.sub(r"[_.]+", "-", part["name"].lower()): part["version"] for part in listed}
