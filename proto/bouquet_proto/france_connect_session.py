"""Identity and scopes of a citizen's FranceConnect session, which gateways get from FranceConnect's worker
(docs/reference/upstreams/france_connect.md)."""

from __future__ import annotations

import re
from datetime import date

from msgspec import Struct

from bouquet_proto.identity import FRANCE, Identite, Sexe
from bouquet_proto.letters import to_ascii
from bouquet_proto.normalisation import normalised_identity
from bouquet_proto.offer import Authority
from bouquet_proto.rules import Check, refused_codes
from bouquet_proto.rules.civil_status import NAME

PROVIDER = "france_connect"
OPERATION = "france_connect_session"
AUTHORITY = Authority("FranceConnect", "51")
PING_NAME = "franceconnect"
"""Name of FranceConnect in the path `/api/franceconnect/ping`, which reports whether FranceConnect works
(docs/reference/contract.md §5.3)."""

RESOURCE = "resource"
"""Parameter of requests to FranceConnect's worker: the name of the requested resource, such as `statut_etudiant`
(docs/reference/upstreams/france_connect.md §2)."""

IDENTITY_UNUSABLE = "identity_unusable"
"""Reason of a call's failure: FranceConnect's identity of the citizen is too incomplete or malformed to ask a
provider."""

SEXES: dict[str | None, Sexe] = {"male": "M", "female": "F"}
"""Codes of the sex in the contract, by the value of `gender` that FranceConnect gives. Any other value of `gender`
means that the sex is unknown."""
BIRTHDATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
COMMUNE_CODE = re.compile(r"(\d\d|2[AB])\d{3}", re.ASCII)
"""Pattern of a commune's INSEE code, such as `75056`. Codes of communes that no longer exist also match."""
CHECKS = (Check("date_with_year"),)
"""Validation rules that every identity from FranceConnect must pass. The year of birth is required; month and day may
be unknown (docs/contract.md, V10)."""
# The `pivot` checks of an operation may require them.


class Pivot(Struct, frozen=True):
    """Identity of a citizen as FranceConnect gives it for an access token (*identité pivot*). An unknown value is
    `None` or empty."""

    gender: str | None = None
    family_name: str | None = None
    given_name: str | None = None
    given_name_array: tuple[str, ...] | None = None
    birthdate: str | None = None
    birthplace: str | None = None
    """INSEE code of the commune of birth; empty for a birth abroad, `None` if unknown."""
    birthcountry: str | None = None


class Session(Struct, frozen=True, kw_only=True):
    """Active FranceConnect session: the citizen's identity, and the scopes to which the citizen has consented."""

    identity: Identite
    scopes: tuple[str, ...]


def identity_of(pivot: Pivot) -> Identite:
    """Converts the identity in FranceConnect's form (`pivot`) to an `Identite`, the form on the bus."""
    # A first name with a space stays one name where FranceConnect sends a list (docs/contract.md, V11), the commune
    # counts only for a birth in France, and the name of use is always absent (docs/contract.md, V12).
    year, month, day = birth_parts(pivot.birthdate)
    listed = tuple(name for name in pivot.given_name_array or () if name.strip())
    identity = Identite(
        nom_naissance=pivot.family_name or "",
        prenoms=listed or tuple((pivot.given_name or "").split()),
        annee_date_naissance=year,
        mois_date_naissance=month,
        jour_date_naissance=day if month else None,
        sexe_etat_civil=SEXES.get(pivot.gender),
        code_cog_insee_pays_naissance=pivot.birthcountry or None,
        code_cog_insee_commune_naissance=(pivot.birthplace or None) if pivot.birthcountry == FRANCE else None,
    )
    return normalised_identity(identity)


def birth_parts(birthdate: str | None) -> tuple[int | None, int | None, int | None]:
    """Returns the year, month and day of a date `YYYY-MM-DD`, `YYYY-MM` or `YYYY`. A missing or zero part is None. For
    other texts, all three are None."""
    form = BIRTHDATE.fullmatch(birthdate or "")
    year, month, day = (int(part or 0) or None for part in form.groups()) if form else (None, None, None)
    return year, month, day


def is_usable(identity: Identite, today: date) -> bool:
    """Returns whether an identity from FranceConnect suffices to ask a provider about the person. Required are names
    with an ASCII spelling, and a possible birth date with a year. A commune's code, if given, must be valid."""
    # First names may be missing.
    place = identity.code_cog_insee_commune_naissance
    return (
        all(map(_can_be_name, (identity.nom_naissance, *identity.prenoms)))
        and (place is None or COMMUNE_CODE.fullmatch(place) is not None)
        and not refused_codes(CHECKS, identity, today)
    )


def _can_be_name(text: str) -> bool:
    """Returns whether a text can be a name: its ASCII spelling is not blank, and has only characters that are allowed
    in names."""
    spelt = to_ascii(text) or ""
    return bool(NAME.fullmatch(spelt) and spelt.strip())
