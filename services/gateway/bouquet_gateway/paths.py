"""Grammar of public paths: envelope, version, and spellings that mean the same path."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

Envelope: TypeAlias = Literal["v2", "v3"]


V2_PREFIX = "/api/"
"""Beginning of the paths answered in the v2 envelope: the v2 resources, and the gateway's own endpoints."""


V2 = 0
"""Version number of a path without version."""


SLASHES = re.compile("/+")


VERSIONED = re.compile(r"/v(0|[1-9][0-9]{0,8})/(.+)")
"""Path with a version, which has a single spelling: a proxy that guards a path by its letters then guards every way to
reach it."""


OFFERED = re.compile(r"/(?:v[1-9][0-9]{0,8}|api)(?:/[\w.-]+)+", re.ASCII)
"""Paths that a provider may offer: under a version, or under `/api/`."""


def tidy(path: str) -> str:
    """Removes slashes at the end and doubled ones, which API Particulier's routes ignore: a client's base URL may end
    with a slash."""
    return SLASHES.sub("/", path).rstrip("/") if path.endswith("/") or "//" in path else path


def envelope_of(path: str) -> Envelope:
    """Returns the envelope of the errors and data at a path."""
    return "v2" if tidy(path).startswith(V2_PREFIX) else "v3"


def split(path: str) -> tuple[str, int]:
    """Splits a path into its resource and version: `/v3/men/scolarites/identite` gives `men/scolarites/identite` and 3.
    A path without version is returned whole, with `V2`.

    A resource has no leading slash, so that `/men/scolarites/identite` is never taken for one.
    """
    versioned = VERSIONED.fullmatch(path)
    return (versioned[2], int(versioned[1])) if versioned else (path, V2)


ENCODED = "%"
"""Beginning of an encoded letter in a URL. A path with one is not found: a proxy that guards a path by its letters then
guards every way to reach it."""

READING = ("GET", "HEAD")
"""HTTP methods that read."""
