"""Public paths of the gateway. A path determines the version of the API and the envelope (form of the answer's
body)."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

Envelope: TypeAlias = Literal["v2", "v3"]


V2_PREFIX = "/api/"
"""Prefix of the paths whose answers have the form (envelope) of version 2."""


V2 = 0
"""Number that `split` returns for version 2, whose paths begin with `/api/` and contain no number."""


TOKEN_INTROSPECTION = "/v{version:0|[1-9][0-9]{0,8}}/token/introspect"
"""Pattern, in aiohttp's notation, of the paths at which a caller gets a description of its own token. Versions other
than 3 answer with an error."""
DOSSIERS = "/bouquet/v1/dossiers"
PROOFS = "/bouquet/v1/proofs"
PROOF_DOCUMENT = f"{PROOFS}/document"
MCP = "/mcp"
SANDBOX_CASES = "/bouquet/v1/sandbox/cases"
SANDBOX_CHECK = f"{SANDBOX_CASES}/check"
SANDBOX_TOKENS = "/bouquet/v1/sandbox/tokens"


SLASHES = re.compile("/+")


VERSIONED = re.compile(r"/v(0|[1-9][0-9]{0,8})/(.+)")
"""Pattern of a path that begins with a version, such as `/v3/…`. A version with leading zeros does not match."""
# A second spelling of a path would bypass a proxy's rule for the first.


OFFERED = re.compile(r"/(?:v[1-9][0-9]{0,8}|api)(?:/[\w.-]+)+", re.ASCII)
"""Pattern of the paths that a provider may offer: they begin with `/api/` or with a version such as `/v3/`."""


def normalise_path(path: str) -> str:
    """Returns a path without trailing and repeated slashes: `/v3//a/` becomes `/v3/a`."""
    # API Particulier also accepts such paths.
    return SLASHES.sub("/", path).rstrip("/") if path.endswith("/") or "//" in path else path


def envelope_of(path: str) -> Envelope:
    """Returns the envelope, `v2` or `v3`, of the answers at a path: the form of their bodies."""
    return "v2" if normalise_path(path).startswith(V2_PREFIX) else "v3"


def split(path: str) -> tuple[str, int]:
    """Returns the resource and the version of a path: `men/scolarites/identite` and 3 for
    `/v3/men/scolarites/identite`. For a path without a version, returns the whole path and `V2`."""
    versioned = VERSIONED.fullmatch(path)
    return (versioned[2], int(versioned[1])) if versioned else (path, V2)


ENCODED = "%"
"""Percent sign, with which an encoded character such as `%2F` begins. The gateway answers 404 to every path with a
percent sign."""
# A second spelling of a path would bypass a proxy's rule for the first.

READING = ("GET", "HEAD")
"""HTTP methods that only read, without changing anything."""
