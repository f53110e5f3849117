"""Changes of the public contract between April and October 2026, each with its reason. The public cases and official
documents date from April, so comparisons with them allow for these changes."""

from __future__ import annotations

from typing import NamedTuple


class AddedOperation(NamedTuple):
    """An operation added since April. `like` is the id of an operation of April with the same parameters and errors."""

    like: str
    reason: str
    added: frozenset[str] = frozenset()
    """Fields that the added operation has and the operation `like` lacks."""


class Renumbered(NamedTuple):
    """An error whose code has changed from `april` to `now`."""

    april: str
    now: str
    reason: str


class OptionalParameter(NamedTuple):
    """A parameter that the official document of April declares required, but that calls to paths under `below` may
    leave out."""

    below: str
    reason: str


ADDED_OPERATIONS = {
    f"api_particulier_v3_cnav_allocation_rentree_scolaire_with_{modality}": AddedOperation(
        f"api_particulier_v3_cnav_allocation_enfant_handicape_with_{modality}", "the ARS came between May and July"
    )
    for modality in ("civility", "france_connect")
} | {
    f"api_particulier_v5_cnous_etudiant_boursier_with_{modality}": AddedOperation(
        f"api_particulier_v4_cnous_etudiant_boursier_with_{modality}",
        "version 5 tells the student's INE",
        frozenset({"ine"}),
    )
    for modality in ("civility", "ine", "france_connect")
}
"""Operations added to the contract since April 2026, by id. Each entry names the similar operation of April with which
tests compare it, and the reason for the addition."""

SESSION_UNKNOWN = Renumbered("50002", "51502", "FranceConnect's refusals bear its own prefix, 51, since it was asked")
SESSION_MISSING = Renumbered(
    "00101", "51504", "a path of FranceConnect without a bearer has a code of its own; API Particulier crashed in April"
)

OPTIONAL_PARAMETERS = {
    "prenoms[]": OptionalParameter("/v3/dss/", "no rule of API Particulier requires it, whatever its document says"),
    "sexeEtatCivil": OptionalParameter("/v3/dss/", "recommended only, since 28 May"),
}

PAST_MONTHS_SERVED = 23
"""Number of months before the current one for which a caller may ask for a quotient familial."""
