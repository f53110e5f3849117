"""Entitlements to benefits, read from the social-security hub's answers (docs/reference/upstreams/dss.md §1-2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from bouquet_dss.contract import Droit
from bouquet_dss.upstream import OPEN, Benefit, Income, Right
from bouquet_worker import Answer, day_or_none

UNKNOWN_DAY = "9999-99-99"
"""Text that stands for an unknown opening date, and sorts after every real date."""


def entitlement(model: type[Right], answer: Answer, _: date) -> Droit:
    """Returns the entitlement in the social-security hub's answer about a benefit. `model` is the type of the answer's
    body. Raises `UpstreamError` for a malformed body."""
    return to_droit(answer.decode(model))


def income_support_entitlement(majorations: Mapping[str, bool], answer: Answer, _: date) -> Droit:
    """Returns the entitlement in the social-security hub's answer about RSA or prime d'activité. `majorations` maps
    each benefit code, such as `FA3102`, to whether the benefit is increased. Raises `UpstreamError` for a malformed
    body."""
    file = answer.decode(Income)
    return to_droit(file, majoration(file.liste_prestation or (), majorations))


def to_droit(file: Right, avec_majoration: bool | None = None) -> Droit:
    """Converts the body of the social-security hub's answer to an entitlement (docs/reference/upstreams/dss.md §2).
    `avec_majoration` tells whether the benefit is increased; `None` if unknown, or if the benefit is never
    increased."""
    # For a person who is not entitled, the result has no date.
    droit = Droit(
        status=file.indicateur.lower(),
        date_debut_droit=day_or_none(file.date_indicateur),
        avec_majoration=avec_majoration,
    )
    return droit if droit.est_beneficiaire else Droit(status=droit.status, date_debut_droit=None)


def majoration(benefits: tuple[Benefit, ...], majorations: Mapping[str, bool]) -> bool | None:
    """Returns whether a person's benefit is increased; `None` if no open benefit has a code in `majorations`. Of
    several benefits, the first one opened counts (docs/reference/upstreams/dss.md §2)."""
    opened = [
        (day_or_none(benefit.dt_ouverture_droit) or UNKNOWN_DAY, majorations[benefit.cd])
        for benefit in benefits
        if benefit.etat and benefit.etat.cd == OPEN and benefit.cd in majorations
    ]
    return min(opened, key=lambda one: one[0])[1] if opened else None
