"""Types of the social-security hub's answers about an entitlement (docs/reference/upstreams/dss.md §1) and about a
household (docs/reference/contract.md §4), with their codes."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from bouquet_hub.quotient import Address, Person
from bouquet_worker import IsoDateOrBlank

OPEN = 10
"""Code (`etat.cd`) for the state of an open benefit, one that is being paid."""

# Whether a benefit is increased, by its code.
RSA_MAJORATIONS = {"FA3101": False, "FA3102": True}
PPA_MAJORATIONS = {"FA3105": False, "FA3106": True}


class Right(Struct, frozen=True, kw_only=True, rename="camel"):
    """Answer about an entitlement. The field `indicateur` says whether the person is entitled, for instance by the
    value `BENEFICIAIRE`."""

    # An answer with any other keyword is malformed, and is never taken for an entitlement.

    indicateur: str
    date_indicateur: IsoDateOrBlank | None = None


class HealthCover(Right, frozen=True, kw_only=True):
    """Answer about the C2S (complementary health cover), given by the RNCPS, the national directory of social
    protection."""

    indicateur: Literal[
        "BENEFICIAIRE_SANS_PARTICIPATION_FINANCIERE",
        "BENEFICIAIRE_AVEC_PARTICIPATION_FINANCIERE",
        "NON_BENEFICIAIRE_CSS",
    ]


class Allowance(Right, frozen=True, kw_only=True):
    indicateur: Literal["BENEFICIAIRE", "NON_BENEFICIAIRE"]


class ChildAllowance(Right, frozen=True, kw_only=True):
    """Answer about AEEH or ARS, allowances for a child. The field `indicateur` says whether the person is the parent
    (`ALLOCATAIRE`), the child (`OUVRANT_DROIT`) or not entitled (`NON_BENEFICIAIRE`)."""

    indicateur: Literal["ALLOCATAIRE", "OUVRANT_DROIT", "NON_BENEFICIAIRE"]


class State(Struct, frozen=True):
    """State of a benefit, as a code. The code 10 means open (being paid), other numbers not open, and `None`
    unknown."""

    cd: int | None = None


class Benefit(Struct, frozen=True, rename="camel"):
    cd: str = ""
    dt_ouverture_droit: IsoDateOrBlank | None = None
    etat: State | None = None


class Income(Allowance, frozen=True, kw_only=True):
    """Answer about RSA or prime d'activité, with a list of benefits. The code of a benefit tells whether its amount is
    increased (`majoration`)."""

    liste_prestation: tuple[Benefit, ...] | None = None


class Member(Person, frozen=True, kw_only=True):
    date_naissance: Annotated[str, Meta(pattern=r"^(\d{4}-\d{2}-\d{2})?\Z")] | None = None
    cog_naissance: str | None = None


class Household(Struct, frozen=True, kw_only=True, rename="camel"):
    """Answer about a household: members, address, and the figures for the crèche rate (EAJE)."""

    allocataires: Annotated[tuple[Member, ...], Meta(min_length=1)]
    enfants: tuple[Member, ...] | None = None
    adresse: Address
    nombre_beneficiaire_aeh: int = field(name="nombreBeneficiaireAEH")
    nombre_enfant_a_charge: int
    montant_ressources: int | float
    annee: int | Annotated[str, Meta(pattern=r"^\d{4}\Z")]
