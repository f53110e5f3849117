"""Tests of the packages that `make wheels` writes for teams of providers."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.packages import ROOT, build_packages

OURS = {
    "run.txt": {"bouquet-mesh", "bouquet-proto", "bouquet-worker"},
    "dev.txt": {"bouquet-gateway", "bouquet-mesh", "bouquet-proto", "bouquet-worker"},
}
PINNED = re.compile(r"[\w.-]+==[^\s;]+( ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_packages(tmp_path_factory.mktemp("packages"))


def versions(file: Path) -> set[str]:
    return set(re.findall(r"^([\w.-]+==[^\s;]+)", file.read_text(encoding="utf-8"), re.MULTILINE))


def own_requirements(file: Path) -> str:
    return "".join(re.findall(r"^bouquet-.*\\\n.*\n", file.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("name", OURS)
def test_a_requirements_file_has_versions_with_hashes_and_no_address_of_an_index(packages: Path, name: str) -> None:
    lines = (packages / name).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not (PINNED.fullmatch(line) or HASH.fullmatch(line))] == []


@pytest.mark.parametrize("name", OURS)
def test_a_requirements_file_has_the_hashes_of_the_wheels_beside_it(packages: Path, name: str) -> None:
    wheels = {sha256(wheel.read_bytes()).hexdigest(): wheel.name for wheel in packages.glob("*.whl")}
    own = re.findall(r"^(bouquet-\w+)==(\S+) \\\n    --hash=sha256:(\w+)$", own_requirements(packages / name), re.M)
    assert {distribution for distribution, *_ in own} == OURS[name]
    for distribution, version, digest in own:
        assert wheels[digest] == f"{distribution.replace('-', '_')}-{version}-py3-none-any.whl"


@pytest.mark.parametrize(("lock", "whole"), [("worker", "run"), ("worker-dev", "dev")])
def test_teams_of_providers_get_the_versions_that_our_tests_run_on(lock: str, whole: str) -> None:
    assert versions(ROOT / "requirements" / f"{lock}.txt") <= versions(ROOT / "requirements" / f"{whole}.txt")


def test_another_package_under_the_name_of_ours_is_not_installed(packages: Path, tmp_path: Path) -> None:
    [ours] = packages.glob("bouquet_proto-*.whl")
    foreign = Path(shutil.copy(ours, tmp_path))
    with zipfile.ZipFile(foreign, "a") as archive:
        archive.writestr("bouquet_proto/foreign.py", "")
    [wanted] = re.findall(r"^bouquet-proto.*\\\n.*\n", own_requirements(packages / "run.txt"), re.M)
    (tmp_path / "run.txt").write_text(wanted)
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--no-index"]
    arguments = ["--require-hashes", "--find-links", str(tmp_path), "-r", str(tmp_path / "run.txt")]
    done = subprocess.run([*command, *arguments], check=False, capture_output=True, text=True, timeout=200)
    assert done.returncode != 0 and "DO NOT MATCH THE HASHES" in done.stderr


def test_wheels_of_the_same_sources_have_the_same_hash_on_any_day(packages: Path) -> None:
    for wheel in packages.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            assert {entry.date_time for entry in archive.infolist()} == {(2020, 1, 1, 0, 0, 0)}
