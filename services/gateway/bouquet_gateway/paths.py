"""The grammar of public paths: their envelope, their version, and what counts as the same path."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

Envelope: TypeAlias = Literal["v2", "v3"]


V2_PREFIX = "/api/"
"""Of the v2 resources and of the helpers that have always spoken like them."""


V2 = 0
"""The version of a path without version."""


SLASHES = re.compile("/+")


VERSIONED = re.compile(r"/v(0|[1-9][0-9]{0,8})/(.+)")
"""A version has one spelling, so that a proxy that guards a path by its letters guards all that is answered there."""


OFFERED = re.compile(r"/(?:v[1-9][0-9]{0,8}|api)(?:/[\w.-]+)+", re.ASCII)
"""Where a provider's operation may stand: under a version, or beside version 2's."""


def tidy(path: str) -> str:
    """Returns the path without slashes at its end or several for one, which API Particulier's routes ignore: a client's
    base URL may end with one."""
    return SLASHES.sub("/", path).rstrip("/") if path.endswith("/") or "//" in path else path


def envelope_of(path: str) -> Envelope:
    return "v2" if tidy(path).startswith(V2_PREFIX) else "v3"


def split(path: str) -> tuple[str, int]:
    """`/v3/men/scolarites/identite` is version 3 of `men/scolarites/identite`; a path without version is its own.

    The first has no leading slash, so that `/men/scolarites/identite` is no version of anything.
    """
    versioned = VERSIONED.fullmatch(path)
    return (versioned[2], int(versioned[1])) if versioned else (path, V2)


ENCODED = "%"
"""Begins an encoded letter. A path has one spelling, so that a proxy that guards it by its letters guards all that is
answered there, and no path of ours needs one."""

READING = ("GET", "HEAD")
