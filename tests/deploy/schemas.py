"""Validation of manifests by the schemas of Kubernetes and of its operators."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
from jsonschema import Draft202012Validator

from tests.deploy.manifests import Manifest, name_of
from tests.support.reference import REFERENCE

VERSION = "1.34"
CRDS = REFERENCE / "crds"


def is_custom(manifest: Manifest) -> bool:
    group = manifest["apiVersion"].rpartition("/")[0]
    return "." in group and not group.endswith(".k8s.io")


def objection_to(manifest: Manifest) -> str:
    """Returns the first violation of the manifest's schema, or "" if there is none."""
    if is_custom(manifest):
        found = [error.message for error in Draft202012Validator(_schema(_file_of(manifest))).iter_errors(manifest)]
        return f"{name_of(manifest)}: {found[0]}" if found else ""
    try:
        kubernetes_validate.validate(manifest, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{name_of(manifest)}: {error.message}"
    return ""


def _file_of(manifest: Manifest) -> Path:
    group, _, version = str(manifest["apiVersion"]).rpartition("/")
    return CRDS / group / f"{manifest['kind'].lower()}_{version}.json"


@cache
def _schema(file: Path) -> Any:
    return json.loads(file.read_text())
