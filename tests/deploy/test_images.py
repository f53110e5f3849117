"""The image recipe: what a linter says of it, and what comes out when it is built for real."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SERVICES_REQUIRED
from tests.deploy import buildah
from tests.deploy.buildah import Buildah

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "deploy" / "images"
TEMPLATE = ROOT / "services" / "providers" / "kit" / "bouquet_worker" / "template" / "bouquet-acme"
WORKER, GATEWAY = "localhost/bouquet-cnaf:test", "localhost/bouquet-gateway:test"


@pytest.mark.parametrize("recipe", [IMAGES / "Dockerfile", TEMPLATE / "Containerfile"], ids=lambda path: path.name)
def test_the_linter_finds_nothing(recipe: Path) -> None:
    found = subprocess.run(["hadolint", "--no-color", recipe], check=False, stdout=subprocess.PIPE, text=True)
    assert found.stdout == ""


def test_a_recipe_names_no_package_index() -> None:
    words = "".join(path.read_text() for path in IMAGES.iterdir())
    assert not re.search(r"index-url|https?://", words)


def test_the_linter_finds_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian:latest\nRUN cd /tmp\n")
    assert subprocess.run(["hadolint", tmp_path / "Dockerfile"], check=False, capture_output=True).returncode == 1


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
    subprocess.run([IMAGES / "build.sh", "cnaf", "gateway"], check=True, env=environ, timeout=1200)
    yield builder
    builder("rmi", "--all", "--force")


@pytest.mark.slow
@pytest.mark.timeout(3000)
class TestBuilt:
    """Two images, made by deploy/images/build.sh."""

    def test_it_is_nobody_in_particular(self, built: Buildah) -> None:
        assert built.configuration(WORKER)["User"] == "10001:10001"
        assert built.run(WORKER, "id", "-u").stdout.strip() == "10001"

    @pytest.mark.parametrize("image", [WORKER, GATEWAY])
    def test_its_program_says_what_it_can_do(self, built: Buildah, image: str) -> None:
        assert built.configuration(image)["Entrypoint"] == ["bouquet"]
        program = "bouquet-worker" if image == WORKER else "bouquet-gateway"
        assert built.run(image, "bouquet", "--help").stdout.startswith(f"usage: {program}")

    def test_its_worker_starts_as_far_as_its_settings(self, built: Buildah) -> None:
        ended = built.run(WORKER, "bouquet", "run", "cnaf")
        assert "BOUQUET_CNAF_HUB_URL: is required" in ended.stderr and "Traceback" not in ended.stderr

    def test_it_holds_its_own_worker_and_no_other(self, built: Buildah) -> None:
        assert built.run(WORKER, "bouquet", "list").stdout.split() == ["cnaf"]
        assert "bouquet-gateway" not in _components(built, WORKER)

    def test_it_holds_versions_of_the_lock_alone(self, built: Buildah) -> None:
        locked = set(re.findall(r"^([\w.-]+==[^ ]+)", (ROOT / "requirements" / "run.txt").read_text(), re.MULTILINE))
        installed = {
            f"{name}=={version}"
            for name, version in _components(built, GATEWAY).items()
            if not name.startswith("bouquet-")
        }
        assert installed and installed <= locked

    def test_it_installs_nothing_more(self, built: Buildah) -> None:
        assert built.run(WORKER, "python", "-c", "import pip").returncode != 0

    def test_its_user_can_write_nowhere_in_it(self, built: Buildah) -> None:
        found = built.run(WORKER, "find", "/opt", "/etc", "/usr", "-not", "-type", "l", "-writable")
        assert found.stdout == ""

    def test_its_labels_say_what_it_is(self, built: Buildah) -> None:
        labels = built.configuration(WORKER)["Labels"]
        assert labels["org.opencontainers.image.title"] == "bouquet-cnaf"
        assert labels["org.opencontainers.image.version"] == "test"
        assert len(labels["org.opencontainers.image.revision"]) == 40


def _components(built: Buildah, image: str) -> dict[str, str]:
    """Names as in the lock, and versions, of the bill of materials that the image's label points to."""
    label = built.configuration(image)["Labels"]["bouquet.sbom"]
    listed = json.loads(built.run(image, "cat", label).stdout)["components"]
    return {re.sub(r"[_.]+", "-", part["name"].lower()): part["version"] for part in listed}
