"""A citizen's FranceConnect session, as the worker that can read it tells it to a gateway
(docs/reference/upstreams/france_connect.md).

The gateway asks `PROVIDER` for `OPERATION`, with the access token as an `Identifiant`, and gets a `Session`.
"""

from __future__ import annotations

import re
from datetime import date

from msgspec import Struct

from bouquet_proto.identity import FRANCE, Identite, Sexe
from bouquet_proto.letters import in_ascii
from bouquet_proto.offer import Authority
from bouquet_proto.rules import Check, objections
from bouquet_proto.rules.civil_status import NAME
from bouquet_proto.tidy import tidied_identity

PROVIDER = "france_connect"
OPERATION = "france_connect_session"
AUTHORITY = Authority("FranceConnect", "51")
STATUS = "franceconnect"
"""Its name among the statuses (docs/reference/contract.md §5.3)."""

RESOURCE = "resource"
"""Parameter: the resource asked for; FranceConnect knows us by one client per resource
(docs/reference/upstreams/france_connect.md §2)."""

UNUSABLE = "identity_unusable"
"""The one refusal of a citizen for what FranceConnect says of them, which nobody can type otherwise."""

SEXES: dict[str | None, Sexe] = {"male": "M", "female": "F"}
"""By `gender`; any other tells no sex."""
BIRTHDATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
COMMUNE_CODE = re.compile(r"(\d\d|2[AB])\d{3}", re.ASCII)
"""Of any time: Corsica's began with 20."""
CHECKS = (Check("date_with_year"),)
"""An unknown month or day is no fault (docs/contract.md, V10): an operation that cannot do without says so in its
`pivot`."""


class Pivot(Struct, frozen=True):
    """The identity in an introspection. What a scope does not open, or is not known, may be absent or empty."""

    gender: str | None = None
    family_name: str | None = None
    given_name: str | None = None
    given_name_array: tuple[str, ...] | None = None
    birthdate: str | None = None
    birthplace: str | None = None
    """The code of a commune; empty when born abroad."""
    birthcountry: str | None = None


class Session(Struct, frozen=True, kw_only=True):
    """An active session: whose it is, and what they let be read."""

    identity: Identite
    scopes: tuple[str, ...]


def identity_of(told: Pivot) -> Identite:
    """What is not known stays unknown. A compound first name stays one where the array tells it (docs/contract.md,
    V11). A place counts when France is the country. There is no name of use: FranceConnect v2 gives none to a data
    provider (docs/contract.md, V12)."""
    year, month, day = birth_parts(told.birthdate)
    listed = tuple(name for name in told.given_name_array or () if name.strip())
    who = Identite(
        nom_naissance=told.family_name or "",
        prenoms=listed or tuple((told.given_name or "").split()),
        annee_date_naissance=year,
        mois_date_naissance=month,
        jour_date_naissance=day if month else None,
        sexe_etat_civil=SEXES.get(told.gender),
        code_cog_insee_pays_naissance=told.birthcountry or None,
        code_cog_insee_commune_naissance=(told.birthplace or None) if told.birthcountry == FRANCE else None,
    )
    return tidied_identity(who)


def birth_parts(birthdate: str | None) -> tuple[int | None, int | None, int | None]:
    """Year, month and day of `YYYY-MM-DD`, where zeros are not known. Any other form tells nothing."""
    form = BIRTHDATE.fullmatch(birthdate or "")
    year, month, day = (int(part or 0) or None for part in form.groups()) if form else (None, None, None)
    return year, month, day


def is_usable(who: Identite, today: date) -> bool:
    """Whether somebody can be asked about under this identity: names in letters that have a spelling in ASCII, a year
    of birth and no impossible date, a code for the place where one is told. First names may be missing."""
    place = who.code_cog_insee_commune_naissance
    return (
        all(map(_is_name, (who.nom_naissance, *who.prenoms)))
        and (place is None or COMMUNE_CODE.fullmatch(place) is not None)
        and not objections(CHECKS, who, today)
    )


def _is_name(text: str) -> bool:
    """Wider than what is typed: FranceConnect's own letters cannot be typed otherwise (`LEBŒUF`)."""
    spelt = in_ascii(text) or ""
    return bool(NAME.fullmatch(spelt) and spelt.strip())
