"""A citizen's FranceConnect session, as the worker that can read it tells it to a gateway (upstreams/11).

The gateway asks `PROVIDER` for `OPERATION`, with the access token as an `Identifiant`, and gets a `Session`.
"""

from __future__ import annotations

from msgspec import Struct

from bouquet_proto.identity import Identite
from bouquet_proto.offer import Authority
from bouquet_proto.rules import Check

PROVIDER = "france_connect"
OPERATION = "france_connect_session"
AUTHORITY = Authority("FranceConnect", "51")
STATUS = "franceconnect"
"""Its name among the statuses (http-contract §5.3)."""

RESOURCE = "resource"
"""Parameter: the resource asked for; FranceConnect knows us by one client per resource (§11.2)."""

CHECKS = (Check("nom"), Check("prenoms_required"), Check("date_with_year"))
"""What every session's identity has. The first fault alone is told (http-contract §1.5.5); an unknown month or day is
none (V10): an operation that cannot do without says so in its `pivot`."""


class Session(Struct, frozen=True, kw_only=True):
    """An active session: whose it is, and what they let be read."""

    identity: Identite
    scopes: tuple[str, ...]
