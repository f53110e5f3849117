"""A habilitation and its token that no registry's database holds, for tests of what is signed."""

from __future__ import annotations

from bouquet_registry.clock import utc_now
from bouquet_registry.habilitations import Habilitation, Token, expiry_after
from tests.support.habilitations import SIRET

_NOW = utc_now()
HABILITATION = Habilitation(id="h", siret=SIRET, scopes=("a", "b"), created_at=_NOW, updated_at=_NOW)
TOKEN = Token(
    id="6f1ed002-ab55-4b31-8f1c-0242ac120002",
    habilitation="h",
    siret=SIRET,
    name="",
    issued_at=_NOW,
    expires_at=expiry_after(_NOW),
)
